"""The record holds exactly what the files held, and nothing unsafe is ever disposed of."""

from __future__ import annotations

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tailrace.chaos import writer as writing
from tailrace.chaos.lines import LineMaker
from tailrace.chaos.record import Record, read_record, written_lives
from tailrace.chaos.writer import Life, Writer
from tailrace.clock import SystemClock
from tests.support.waiting import eventually

MAKER = LineMaker(seed=1, start_ms=1_700_000_000_000, lines_per_s=4_000)


class Says:
    """Knows every file, and holds as safe what it is told to."""

    def __init__(self, *, is_safe: bool) -> None:
        self.all_is_safe = is_safe

    def is_known(self, life: Life) -> bool:
        return life.size_bytes > 0

    def is_safe(self, life: Life) -> bool:
        return self.all_is_safe and life.size_bytes > 0


@contextmanager
def writing_to(folder: Path, *, is_safe: bool) -> Generator[Writer]:
    with Record(folder / "written.ndjson") as record:
        writer = Writer(
            folder=folder / "logs",
            record=record,
            maker=MAKER,
            chance=random.Random(7),
            clock=SystemClock(),
            knowledge=Says(is_safe=is_safe),
            readers=lambda path: 2 if "app0" in path else 1,
            stop=threading.Event(),
        )
        thread = threading.Thread(target=writer.run)
        thread.start()
        try:
            yield writer
        finally:
            writer.stop.set()
            thread.join()
        assert writer.error is None


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rotate many times in a second."""
    monkeypatch.setattr(writing, "ROTATION_MS_MIN", 1)
    monkeypatch.setattr(writing, "ROTATION_MS_MAX", 10)


def contents(folder: Path) -> dict[int, bytes]:
    """Return what a life held, for those whose file is still there."""
    found: dict[int, bytes] = {}
    for path in (folder / "logs").iterdir():
        number = path.stem.rpartition("-")[2] if path.suffix == ".moved" else ""
        number = number or path.suffix.lstrip(".")
        if number.isdecimal():
            found[int(number)] = path.read_bytes()
    return found


@pytest.mark.usefixtures("often")
def test_every_rotated_file_holds_the_lines_that_the_record_says(
    tmp_path: Path,
) -> None:
    with writing_to(tmp_path, is_safe=True) as writer:
        counts = writer.counts
        eventually(
            lambda: min(counts.renamed, counts.moved, counts.copied, counts.deleted) > 2
        )
    entries = list(read_record(tmp_path / "written.ndjson"))
    lines = {entry.life: b"" for entry in entries}
    for entry in entries:
        numbers = range(entry.first_number, entry.first_number + entry.count)
        lines[entry.life] += b"".join(MAKER.line(n) + b"\n" for n in numbers)
    rotated = contents(tmp_path)
    assert len(rotated) >= counts.moved
    for number, content in rotated.items():
        assert content == lines[number]
    assert sum(len(life.places) for life in written_lives(entries, maker=MAKER)) == (
        counts.lines
    )
    doubled = sum(e.count for e in entries if "app0" in e.path)
    assert counts.wanted == counts.lines + doubled


@pytest.mark.usefixtures("often")
def test_what_is_not_safe_is_neither_truncated_nor_deleted(tmp_path: Path) -> None:
    with writing_to(tmp_path, is_safe=False) as writer:
        eventually(lambda: writer.counts.renamed > 8 and writer.counts.moved > 3)
    assert (writer.counts.copied, writer.counts.deleted) == (0, 0)


@pytest.mark.usefixtures("often")
def test_nothing_is_disposed_of_while_that_is_forbidden(tmp_path: Path) -> None:
    with writing_to(tmp_path, is_safe=True) as writer:
        eventually(lambda: writer.counts.deleted > 0)
        with writer.no_disposal():
            before = (writer.counts.copied, writer.counts.deleted)
            renamed = writer.counts.renamed
            eventually(
                lambda: writer.counts.renamed + writer.counts.moved > renamed + 9
            )
            assert (writer.counts.copied, writer.counts.deleted) == before
        eventually(lambda: writer.counts.deleted > before[1])
