"""The age of a role's word tells whether it can write one: it is written anew in time."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tailrace.role_status import FILE_NAME, REWRITE_MS
from tailrace_agent import status as agent_status
from tailrace_indexer import status as indexer_status
from tailrace_stream import status as stream_status
from tests.agent.test_observed import STATUS
from tests.indexer.builders import Bench
from tests.indexer.doubles import ManualClock


def agent_writer(folder: Path, clock: ManualClock) -> Callable[[], None]:
    file = agent_status.StatusFile(folder, clock=clock)
    return lambda: file.write(STATUS)


def indexer_writer(folder: Path, clock: ManualClock) -> Callable[[], None]:
    file = indexer_status.StatusFile(folder, clock=clock)
    bench, disk = Bench(), indexer_status.DiskStatus()
    return lambda: file.write(bench.delivery, alarms=bench.alarms, disk=disk)


def stream_writer(folder: Path, clock: ManualClock) -> Callable[[], None]:
    file = stream_status.StatusFile(folder.parent, started_at_ms=clock.now_ms())
    return lambda: file.write({"chunks": 1}, acked={0: 2}, now_ms=clock.now_ms())


WriterOf = Callable[[Path, ManualClock], Callable[[], None]]


def written_long_ago(
    parent: Path, writer_of: WriterOf
) -> tuple[Path, ManualClock, Callable[[], None]]:
    """Return the word that a role wrote in 1970, its clock, and how it writes again."""
    folder, clock = parent / "stream", ManualClock()
    folder.mkdir()
    path = folder / FILE_NAME
    write = writer_of(folder, clock)
    write()
    os.utime(path, (1, 1))
    return path, clock, write


@pytest.mark.parametrize("writer_of", [agent_writer, indexer_writer, stream_writer])
def test_a_word_without_news_is_written_anew_in_time_and_no_oftener(
    tmp_path: Path, writer_of: WriterOf
) -> None:
    path, clock, write = written_long_ago(tmp_path, writer_of)

    clock.at_ms += REWRITE_MS - 1
    write()
    assert path.stat().st_mtime == 1
    clock.at_ms += 2_000
    write()
    assert path.stat().st_mtime > 1


@pytest.mark.parametrize("writer_of", [agent_writer, indexer_writer, stream_writer])
def test_a_word_that_the_disk_did_not_take_is_written_once_it_does(
    tmp_path: Path, writer_of: WriterOf
) -> None:
    path, clock, write = written_long_ago(tmp_path, writer_of)
    # Nothing can be written to a folder, as nothing can to a full disk.
    refusing = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    refusing.mkdir()

    clock.at_ms += REWRITE_MS
    write()
    assert path.stat().st_mtime == 1
    refusing.rmdir()
    clock.at_ms += 2_000
    write()
    assert path.stat().st_mtime > 1
