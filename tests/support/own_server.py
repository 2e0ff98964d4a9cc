"""What a test needs for a server of its own: a place for it, and its life to an end."""

from __future__ import annotations

import os
import random
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tailrace.clock import SystemClock
from tailrace_embedded import identity
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import ServerFolders
from tailrace_embedded.ports import choose_ports
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.runtime import DefaultFetcher, Runtime, ensure_runtime
from tailrace_embedded.server import Server, ServerSpec


@dataclass(frozen=True, slots=True)
class Ground:
    """Where one server stands: as whom it runs, on which ports, in which folders."""

    user: RunAs | None
    runtime: Runtime
    ports: tuple[int, ...]
    folders: ServerFolders


def ground_for(name: str, *more: str, data_dir: Path) -> Ground:
    """Return a place for the server `name`, with one port, and one each for `more`."""
    user = identity.run_as()
    runtime = ensure_runtime(
        environ=os.environ,
        user=user,
        fetcher=DefaultFetcher(),
        progress=SilentProgress(),
    )
    names = [name, *(f"{name}-{each}" for each in more)]
    ports = choose_ports(names, recorded={}, configured={}, rng=random.Random())
    folders = ServerFolders(identity.servers_dir(data_dir, user=user) / name)
    folders.root.parent.mkdir(parents=True, exist_ok=True)
    return Ground(user, runtime, tuple(ports[each] for each in names), folders)


@contextmanager
def own_server(spec: ServerSpec, *, user: RunAs | None) -> Generator[Server]:
    """Yield a server that is yet to be started, and stop it."""
    watched, alive = os.pipe()
    server = Server(spec, watched, user, SystemClock(), lambda: None)
    try:
        yield server
    finally:
        server.stop()
        os.close(alive)
        os.close(watched)
