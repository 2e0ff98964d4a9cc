"""What the roles stand on in a simulation: the one place where the real things go out."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tailrace.audit import facts as audit_facts
from tailrace_agent import (
    archives,
    discovery,
    door,
    facts,
    listings,
    open_file,
    unfinished,
    waiting_files,
    whereabouts,
    wiring,
)
from tailrace_indexer import acked_writer, expiry, mending, sink
from tailrace_stream import figures, windows, work
from tailrace_stream.shaping import fates
from tests.simulation.cluster import MEND_LOOK_MS, Cluster, RemoteThreads
from tests.simulation.filesystem import Files
from tests.simulation.indexer_process import QueueModule, StoppedTime
from tests.simulation.leader_process import FLOOR_READ_MS, WINDOW_EVENTS
from tests.support.fakes.columns import (
    grouped_plainly,
    process_chunk_plainly,
    sightings_plainly,
)
from tests.support.fakes.producer import MemoryProducer

READING_FILES = (
    archives, discovery, door, facts, listings, open_file, unfinished, waiting_files,
    whereabouts,
)  # fmt: skip
"""The modules of the agent that look at the files of others."""
NOT_SIMULATED = frozenset(
    {"allocation", "dry_run", "host", "registration", "rules", "state_folder", "wiring"}
)
"""Those that ask the system of something else, or do not run in a simulation."""


class SimulatedOs:
    """Stands in for the module `os` where the agent names it: files from memory."""

    def __init__(self, files: Files) -> None:
        for name in ("stat", "scandir", "open", "close", "fstat", "fstatvfs"):
            setattr(self, name, getattr(files, name))
        self.lseek = files.lseek
        self.preadv = files.preadv
        self.pread = files.pread

    def __getattr__(self, name: str) -> object:
        return getattr(os, name)


@dataclass(frozen=True, slots=True)
class ProducerClass:
    """Stands in for the class `Producer` where a role connects."""

    connect: Callable[..., MemoryProducer]


def put_in_place(
    patched: pytest.MonkeyPatch, *, files: Files, cluster: Cluster
) -> None:
    """Let every role stand on the simulated files, brokers, threads and time."""

    def threads(*_: object) -> RemoteThreads:
        return RemoteThreads(cluster.world)

    simulated_os = SimulatedOs(files)
    for module in READING_FILES:
        patched.setattr(module, "os", simulated_os)
    patched.setattr(wiring, "Producer", ProducerClass(cluster.connect))
    patched.setattr(acked_writer, "Producer", ProducerClass(cluster.connect_at_once))
    patched.setattr(sink, "ThreadPoolExecutor", threads)
    patched.setattr(sink, "queue", QueueModule)
    patched.setattr(sink, "time", StoppedTime)
    patched.setattr(expiry, "FLOOR_READ_MS", FLOOR_READ_MS)
    patched.setattr(mending, "LOOK_MS", MEND_LOOK_MS)
    for module in (audit_facts, fates, figures):
        patched.setattr(module, "WINDOW_EVENTS", WINDOW_EVENTS)


def work_plainly(patched: pytest.MonkeyPatch) -> None:
    """Let chunks be worked line by line: laws hold that the outcome is the same."""
    patched.setattr(work, "process_chunk", process_chunk_plainly)
    patched.setattr(windows, "grouped", grouped_plainly)
    patched.setattr(work, "sightings_of", sightings_plainly)
