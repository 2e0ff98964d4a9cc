"""What is measured on: the embedded servers in a folder of their own, and real roles."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from tailrace.bench.corpus import DATASETS, Corpus, Kind
from tailrace.bench.measure import Meter
from tailrace.clock import Clock
from tailrace.errors import CommandFailed
from tailrace.provision import provision
from tailrace.role_process import RoleProcess
from tailrace.settings import Connections, read_connections
from tailrace.status_facts import last_lines
from tailrace.watched import toml_text
from tailrace_embedded.progress import Progress
from tailrace_embedded.stack import Stack

FILES = 8
"""As many as there are partitions; one file's lines all go to one of them."""
QUIET_SHARE = 0.06
QUIET_SHARE_PER_FILE = 0.00005
"""At rest an agent looks at each file once a second, all at once: with very many of them it
is never nearly idle. Seven times what that took for a thousand."""
QUIET_LOOK_MS = 500
QUIET_LOOKS = 3
QUIET_WAIT_MS_MAX = 60_000


@dataclass(slots=True)
class RunningRole:
    """One role as a process of its own, and what it used before it was measured."""

    process: RoleProcess
    cpu_before_s: float = 0.0
    rss_mb_max: float = 0.0
    cpu_s: float = 0.0

    @property
    def name(self) -> str:
        """Return which role it is."""
        return self.process.name

    @property
    def meter(self) -> Meter:
        """Return what reads its figures.

        Raises:
            CommandFailed: it has died; the end of its log is shown.
        """
        if not self.process.is_alive() or self.process.pid is None:
            shown = "\n".join(last_lines(Path(self.process.log_path)))
            raise CommandFailed(
                f"The {self.name} ended with exit code {self.process.exit_code()} while"
                f" it was measured. The end of its log:\n{shown}",
                remedy="act on what the log says",
            )
        return Meter(self.process.pid)

    def begin(self) -> None:
        """Take what it has used so far as the cost of starting, which is not measured."""
        self.cpu_before_s = self.meter.cpu_s()

    def end(self) -> None:
        """Note what it has used since `begin`."""
        self.cpu_s = self.meter.cpu_s() - self.cpu_before_s
        self.rss_mb_max = self.meter.rss_mb_max()


@dataclass(slots=True)
class Stand:
    """The servers, and where corpora and roles live; everything is gone afterwards."""

    folder: Path
    stack: Stack
    clock: Clock
    _watched_fd: int = -1
    _alive_fd: int = -1
    _cleanup: ExitStack = field(default_factory=ExitStack)

    @classmethod
    def set_up(cls, *, progress: Progress, clock: Clock, parent: Path | None) -> Self:
        """Start the servers in a new folder.

        Raises:
            CommandFailed: a server did not come up.
        """
        with ExitStack() as cleanup:
            folder = Path(tempfile.mkdtemp(prefix="tailrace-bench-", dir=parent))
            cleanup.callback(_remove, folder)
            # The servers may run as another user, who must be able to get there.
            folder.chmod(0o755)
            stack = Stack.start(folder / "data", progress=progress, clock=clock)
            cleanup.callback(stack.stop)
            watched_fd, alive_fd = os.pipe()
            cleanup.callback(os.close, watched_fd)
            cleanup.callback(os.close, alive_fd)
            return cls(
                folder=folder,
                stack=stack,
                clock=clock,
                _watched_fd=watched_fd,
                _alive_fd=alive_fd,
                _cleanup=cleanup.pop_all(),
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._cleanup.close()

    def write_corpus(self, corpus: Corpus, *, files_count: int = FILES) -> int:
        """Write the corpus over several files, and return its size in bytes."""
        place = self.empty_corpus_dir()
        size_bytes = 0
        paths = [place / f"{corpus.kind}-{number}.log" for number in range(files_count)]
        files = [path.open("wb") for path in paths]
        try:
            for number, block in enumerate(corpus.blocks()):
                size_bytes += files[number % files_count].write(block)
        finally:
            for file in files:
                file.close()
        return size_bytes

    @property
    def corpus_dir(self) -> Path:
        """Return where the corpus waits."""
        return self.folder / "corpus"

    def empty_corpus_dir(self) -> Path:
        """Return where the corpus waits, with nothing of an earlier one in it."""
        shutil.rmtree(self.corpus_dir, ignore_errors=True)
        self.corpus_dir.mkdir()
        return self.corpus_dir

    def round(self, namespace: str, *, dataset: str = DATASETS[Kind.ACCESS]) -> Round:
        """Return a namespace of its own, provisioned, with an empty watched folder.

        What is put into that is read as of `dataset`.
        """
        connections = read_connections(data_dir=self.folder / namespace).model_copy(
            update={
                "namespace": namespace,
                **{
                    name.removeprefix("TAILRACE_").lower(): value
                    for name, value in self.stack.endpoints.as_environment().items()
                },
            }
        )
        provision(connections)
        watched = self.folder / namespace / "in"
        watched.mkdir(parents=True)
        return Round(
            stand=self, connections=connections, watched=watched, dataset=dataset
        )

    def wait_for(
        self, condition: Callable[[], bool], *, what: str, wait_ms_max: int
    ) -> float:
        """Return the moment, in milliseconds, at which `condition` was first seen true.

        Raises:
            CommandFailed: it did not become true in time.
        """
        deadline_ms = self.clock.monotonic_ms() + wait_ms_max
        while not condition():
            if self.clock.monotonic_ms() > deadline_ms:
                raise CommandFailed(
                    f"{what} took longer than {wait_ms_max // 1_000} s.",
                    remedy="measure fewer lines (--lines), on a machine that is idle",
                )
            self.clock.sleep_ms(POLL_MS)
        return float(self.clock.monotonic_ms())

    @property
    def watched_fd(self) -> int:
        """Return the pipe whose end tells the roles' watchers that we are gone."""
        return self._watched_fd


def _remove(folder: Path) -> None:
    """Remove a stand's folder, and what its servers keep elsewhere for want of a way in."""
    with suppress(OSError):
        state = (folder / "data" / "servers").readlink()
        shutil.rmtree(state, ignore_errors=True)
    shutil.rmtree(folder, ignore_errors=True)


POLL_MS = 50


@dataclass(slots=True)
class Round:
    """One measurement: a namespace, and the roles that run in it."""

    stand: Stand
    connections: Connections
    watched: Path
    dataset: str
    roles: list[RunningRole] = field(default_factory=list[RunningRole])

    def start(self, names: Sequence[str]) -> None:
        """Start roles, and return when they have nothing more to do."""
        config = self.watched.parent / "bench.toml"
        source = {
            "name": "bench",
            "paths": [f"{self.watched}/*.log"],
            "dataset": self.dataset,
        }
        config.write_text(toml_text({"agent": {"sources": [source]}}))
        environment = {
            **os.environ,
            **self.stand.stack.endpoints.as_environment(),
            "TAILRACE_NAMESPACE": self.connections.namespace,
            "TAILRACE_DATA_DIR": str(self.watched.parent),
        }
        for name in names:
            process = RoleProcess(
                name,
                arguments=[name, "--config", str(config)],
                environment=environment,
                log_path=self.watched.parent / f"{name}.log",
                watched_fd=self.stand.watched_fd,
            )
            process.start()
            self.roles.append(RunningRole(process))
        for role in self.roles:
            self._wait_until_quiet(role)

    def role(self, name: str) -> RunningRole:
        """Return a running role by its name."""
        return {role.name: role for role in self.roles}[name]

    def pour(self) -> float:
        """Put the corpus into the watched folder; return when that was."""
        at_ms = float(self.stand.clock.monotonic_ms())
        for path in sorted(self.stand.corpus_dir.iterdir()):
            (self.watched / path.name).hardlink_to(path)
        return at_ms

    def stop(self) -> None:
        """Stop the roles; they drain."""
        for role in self.roles:
            role.process.ask_to_stop()
        for role in self.roles:
            role.process.wait()

    def _wait_until_quiet(self, role: RunningRole) -> None:
        """Return when the role has used next to no processor for a while."""
        clock = self.stand.clock
        deadline_ms = clock.monotonic_ms() + QUIET_WAIT_MS_MAX
        files_count = sum(1 for _ in self.watched.iterdir())
        quiet_share = max(QUIET_SHARE, files_count * QUIET_SHARE_PER_FILE)
        quiet_looks = 0
        while quiet_looks < QUIET_LOOKS:
            before_s = role.meter.cpu_s()
            clock.sleep_ms(QUIET_LOOK_MS)
            used_s = role.meter.cpu_s() - before_s
            is_quiet = used_s < quiet_share * QUIET_LOOK_MS / 1_000
            quiet_looks = quiet_looks + 1 if is_quiet else 0
            if clock.monotonic_ms() > deadline_ms:
                raise CommandFailed(
                    f"The {role.name} did not come to rest within"
                    f" {QUIET_WAIT_MS_MAX // 1_000} s after its start.",
                    remedy="measure on a machine that is idle",
                )
