"""A network of our own: one namespace a server and role, and links that can be broken.

This process leaves the machine's network for a namespace of its own, in which a bridge
connects one further namespace for each server and role. The addresses are of the range
that is set aside for measuring network devices, and exist nowhere else: nothing here can
reach, or be reached by, anything outside. Mounts become private as well. Nothing has a
name on disk, so the kernel removes all of it when the last process is gone, in whatever
way. Only root may do this.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tailrace.clock import Clock
from tailrace.errors import CommandFailed
from tailrace_embedded.config import Place

_CLONE_NEWNS = 0x0002_0000
_CLONE_NEWNET = 0x4000_0000

NETWORK = "198.18.77"
HUB_ADDRESS = f"{NETWORK}.1"
_BRIDGE = "chaos"
_FIRST_HOST = 10
_HOLDER_WAIT_MS_MAX = 5_000
_POLL_MS = 10
CONNECT_WAIT_S = 1.0
_PROGRAMS = ("ip", "nsenter", "unshare", "mount", "umount")
_CONNECT = (
    "import socket, sys;"
    "socket.create_connection((sys.argv[1], int(sys.argv[2])), float(sys.argv[3]))"
)


def why_not() -> str | None:
    """Return why this process cannot have namespaces, or None if it can."""
    if not sys.platform.startswith("linux"):
        return "network namespaces are Linux's"
    if os.geteuid() != 0:
        return "network namespaces and mounts need root"
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    try:
        run("unshare", "--net", "--mount", "true")
    except CommandFailed as error:
        return str(error)
    return None


def leave_the_machine() -> None:
    """Put this process into namespaces of its own; call it before any thread begins.

    Raises:
        CommandFailed: the kernel refuses, as it does in some containers.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if library.unshare(_CLONE_NEWNS | _CLONE_NEWNET) != 0:
        raise CommandFailed(
            f"The kernel gives no namespaces: {os.strerror(ctypes.get_errno())}.",
            remedy="run as another user than root: what needs them is then left out",
        )
    # What is mounted from now on is seen by this process and its children alone.
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")


def run(*command: str) -> str:
    """Run a tool of the system and return what it printed.

    Raises:
        CommandFailed: it failed; what it said is shown.
    """
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        # Ctrl-C in a terminal reaches us; what is put away by it is then whole.
        start_new_session=True,
    )
    if done.returncode != 0:
        raise CommandFailed(
            f"`{' '.join(command)}` failed: {done.stderr.strip()[:300]}",
            remedy="see whether namespaces and mounts are allowed here",
        )
    return done.stdout


@dataclass(slots=True)
class Member:
    """One namespace on the bridge."""

    name: str
    number: int
    descriptor: int
    """Keeps the namespace, which has no name, for as long as it is open."""

    @property
    def address(self) -> str:
        """Return its only address beside loopback."""
        return f"{NETWORK}.{_FIRST_HOST + self.number}"

    @property
    def link(self) -> str:
        """Return the bridge's end of its cable."""
        return f"port{self.number}"

    @property
    def prefix(self) -> tuple[str, ...]:
        """Return the command that runs another one inside."""
        program = shutil.which("nsenter") or "nsenter"
        return (program, f"--net=/proc/{os.getpid()}/fd/{self.descriptor}", "--")

    @property
    def place(self) -> Place:
        """Return where a server inside listens."""
        return Place(address=self.address, prefix=self.prefix)


@dataclass(slots=True)
class Network:
    """The bridge and who is on it."""

    clock: Clock
    members: dict[str, Member] = field(default_factory=dict[str, Member])

    @classmethod
    def make(cls, names: Sequence[str], *, clock: Clock) -> Network:
        """Make the bridge and one namespace for each name.

        Raises:
            CommandFailed: the system's tools say why not.
        """
        run("ip", "link", "add", _BRIDGE, "type", "bridge")
        run("ip", "address", "add", f"{HUB_ADDRESS}/24", "dev", _BRIDGE)
        run("ip", "link", "set", _BRIDGE, "up")
        network = cls(clock)
        for name in names:
            network._join(name)
        return network

    def close(self) -> None:
        """Let go of the namespaces; they end with the last process inside."""
        for member in self.members.values():
            os.close(member.descriptor)
        self.members.clear()

    def unplug(self, name: str) -> None:
        """Take the member off the bridge: nothing reaches it, and it reaches nothing."""
        run("ip", "link", "set", self.members[name].link, "down")

    def plug(self, name: str) -> None:
        """Put it back."""
        run("ip", "link", "set", self.members[name].link, "up")

    def part(self, name: str, others: Sequence[str]) -> None:
        """Let nothing pass between one member and some others; the rest sees both."""
        for other in others:
            self._route("add", name, other)

    def rejoin(self, name: str, others: Sequence[str]) -> None:
        """End what `part` began."""
        for other in others:
            self._route("del", name, other)

    def can_connect(self, name: str, *, host: str, port: int) -> bool:
        """Tell whether a connection can be made from inside of a member."""
        command = [
            *self.members[name].prefix,
            sys.executable,
            "-I",
            "-S",
            "-c",
            _CONNECT,
        ]
        done = subprocess.run(
            [*command, host, str(port), str(CONNECT_WAIT_S)],
            capture_output=True,
            check=False,
            start_new_session=True,
        )
        return done.returncode == 0

    def _route(self, verb: str, name: str, other: str) -> None:
        # What a host cannot send back ends a connection as well as what it cannot send.
        address = f"{self.members[other].address}/32"
        run(*self.members[name].prefix, "ip", "route", verb, "blackhole", address)

    def _join(self, name: str) -> None:
        number = len(self.members)
        holder = subprocess.Popen(
            [shutil.which("unshare") or "unshare", "--net", "cat"],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            descriptor = self._namespace_of(holder.pid)
            member = self.members[name] = Member(name, number, descriptor)
            inner = f"inner{number}"
            pair = ("type", "veth", "peer", "name", inner)
            run("ip", "link", "add", member.link, *pair)
            run("ip", "link", "set", inner, "netns", str(holder.pid))
            run("ip", "link", "set", member.link, "master", _BRIDGE, "up")
            inside = member.prefix
            run(*inside, "ip", "link", "set", "lo", "up")
            address = f"{member.address}/24"
            run(*inside, "ip", "address", "add", address, "dev", inner)
            run(*inside, "ip", "link", "set", inner, "up")
        finally:
            assert holder.stdin is not None
            holder.stdin.close()
            holder.wait()

    def _namespace_of(self, pid: int) -> int:
        """Return an open descriptor of a process's namespace, once it has its own."""
        ours = Path("/proc/self/ns/net").readlink()
        deadline_ms = self.clock.monotonic_ms() + _HOLDER_WAIT_MS_MAX
        while self.clock.monotonic_ms() < deadline_ms:
            theirs = Path(f"/proc/{pid}/ns/net")
            if theirs.readlink() != ours:
                return os.open(theirs, os.O_RDONLY | os.O_CLOEXEC)
            self.clock.sleep_ms(_POLL_MS)
        raise CommandFailed(
            "`unshare --net` did not make a namespace.",
            remedy="see whether network namespaces are allowed here",
        )
