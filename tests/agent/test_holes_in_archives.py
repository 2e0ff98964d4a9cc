"""A hole is filled from the copy or the archive that holds the life, and from no other file."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from tailrace.holes import HoleRequest
from tailrace.ledger import HoleAnswer
from tailrace_agent import hole_files, holes
from tailrace_agent.archives import ArchiveFile
from tests.agent.harness import (
    AgentHarness,
    Event,
    RecordingSink,
    events_of,
    ledger_records_of,
)

Compress = Callable[[bytes], bytes]
ARCHIVES = [
    pytest.param(".gz", gzip.compress, id="gzip"),
    pytest.param(".zst", zstandard.ZstdCompressor().compress, id="zstd"),
]
COUNT = 3_000


def lines(first: int, count: int, *, word: str = "line") -> bytes:
    return b"".join(
        b"%b %07d of a file\n" % (word.encode(), first + n) for n in range(count)
    )


CONTENT = lines(0, COUNT)


def places(events: list[Event]) -> list[tuple[str, int, int, bytes]]:
    """Return all that an id is made of; the path is that of the file that was read."""
    return [(e.generation, e.offset, e.number, e.stored) for e in events]


def request_for(sent: list[Event], first: int, last: int) -> HoleRequest:
    return HoleRequest(
        generation=sent[0].generation,
        path=sent[0].path,
        first_offset=sent[first].offset,
        next_offset=sent[last].offset,
        first_event_number=sent[first].number,
        event_count=last - first,
    )


def asked(agent: AgentHarness, sent: list[Event], first: int, last: int) -> HoleRequest:
    """Ask an agent for events that it sent, and let it work."""
    request = request_for(sent, first, last)
    agent.requests.asked.append(request)
    agent.pass_ms(10_000)
    assert agent.requests.done == [request]
    return request


def answer_of(sink: RecordingSink) -> HoleAnswer:
    (answer,) = [r for r in ledger_records_of(sink) if isinstance(r, HoleAnswer)]
    return answer


def sent_of(folder: Path, *, glob: str = "*.log") -> tuple[AgentHarness, list[Event]]:
    """Return an agent that has sent a file, and its events."""
    agent = AgentHarness(folder, glob=glob)
    agent.write("a.log", CONTENT)
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)
    assert len(sent) == COUNT
    return agent, sent


def archived(
    agent: AgentHarness, content: bytes, suffix: str, compress: Compress
) -> None:
    """Leave an archive in the place of the file, as rotation does."""
    agent.write(f"a.log.1{suffix}", compress(content))
    (agent.logs / "a.log").unlink()
    agent.pass_ms(30_000)


@pytest.mark.parametrize("glob", ["*.log", "*.log*"])
@pytest.mark.parametrize(("suffix", "compress"), ARCHIVES)
def test_f20_a_hole_is_filled_from_the_archive_that_rotation_left(
    glob: str, suffix: str, compress: Compress, tmp_path: Path
) -> None:
    """Where a glob means the archive, and where none does."""
    agent, sent = sent_of(tmp_path, glob=glob)
    archived(agent, CONTENT, suffix, compress)
    before = len(events_of(agent.sink))

    asked(agent, sent, 1_000, 1_200)

    assert answer_of(agent.sink).refusal == ""
    assert places(events_of(agent.sink)[before:]) == places(sent[1_000:1_200])


def test_f20_x9_an_archive_is_inflated_for_a_hole_a_piece_a_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other files have their turns in between."""
    for module in (hole_files, holes):
        monkeypatch.setattr(module, "INFLATE_BYTES_MAX", 1)
    agent = AgentHarness(tmp_path, chunk_bytes=4_096, event_bytes_max=4_096)
    content = lines(0, 60_000)
    agent.write("a.log", content)
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)
    archived(agent, content, ".gz", gzip.compress)
    last = len(sent) - 1
    inflated: list[int] = [0]
    take = getattr(ArchiveFile, "_take")  # noqa: B009 - where each piece comes in

    def counting(self: ArchiveFile, piece: bytes) -> None:
        inflated[-1] += len(piece)
        take(self, piece)

    monkeypatch.setattr(ArchiveFile, "_take", counting)
    agent.requests.asked.append(request_for(sent, last - 10, last))
    for _ in range(200):
        inflated.append(0)
        agent.pass_ms(100)

    again = places(events_of(agent.sink)[len(sent) :])
    assert again == places(sent[last - 10 : last])
    assert sum(inflated) >= len(content)
    assert max(inflated) < len(content) // 2


@pytest.mark.parametrize("glob", ["*.log", "*.log*"])
@pytest.mark.parametrize("alike", [500, COUNT - 1])
def test_f20_an_archive_of_other_content_fills_no_hole(
    alike: int, glob: str, tmp_path: Path
) -> None:
    """It begins as the file did, and has as many lines."""
    agent, sent = sent_of(tmp_path, glob=glob)
    other = lines(0, alike) + lines(alike, COUNT - alike, word="LINE")
    archived(agent, other, ".gz", gzip.compress)
    before = len(events_of(agent.sink))

    asked(agent, sent, 1_000, 1_200)

    answer = answer_of(agent.sink)
    assert answer.event_count == 0
    assert "another file by now" not in answer.refusal
    assert len(events_of(agent.sink)) == before


def test_f20_of_two_archives_the_one_that_holds_the_life_is_read(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path)
    archived(agent, CONTENT, ".gz", gzip.compress)
    newer = lines(0, 500) + lines(500, COUNT - 500, word="LINE")
    agent.write("a.log.2.gz", gzip.compress(newer))

    asked(agent, sent, 1_000, 1_200)

    assert places(events_of(agent.sink)[COUNT:]) == places(sent[1_000:1_200])


def test_f20_a_damaged_archive_is_named_with_what_is_wrong_with_it(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path)
    whole = gzip.compress(CONTENT)
    archived(agent, whole[: len(whole) // 2], ".gz", bytes)

    asked(agent, sent, 1_000, 1_200)

    refusal = answer_of(agent.sink).refusal
    assert "a.log.1.gz" in refusal
    assert (
        f"not complete: it may still be written, up to byte {len(CONTENT)}" in refusal
    )
    assert events_of(agent.sink)[COUNT:] == []


def test_f20_the_archive_that_holds_the_life_is_known_whatever_its_name_is(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path, glob="*.log*")
    archived(agent, CONTENT, ".gz", gzip.compress)
    (agent.logs / "a.log.1.gz").rename(agent.logs / "kept.gz")
    before = len(events_of(agent.sink))

    asked(agent, sent, 1_000, 1_200)

    assert places(events_of(agent.sink)[before:]) == places(sent[1_000:1_200])


def test_f3_a_file_that_was_written_over_and_not_looked_at_since_fills_no_hole(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path)
    with (agent.logs / "a.log").open("r+b") as file:
        file.write(lines(0, 500) + lines(500, COUNT - 500, word="LINE"))

    agent.requests.asked.append(request_for(sent, 1_000, 1_200))
    for _ in range(20):
        agent.holes.step()  # The next look at the file comes later.
    agent.pass_ms(1_000)

    assert answer_of(agent.sink).refusal
    again = events_of(agent.sink)[COUNT:]
    assert [e for e in again if e.generation == sent[0].generation] == []


def test_f3_a_new_life_that_begins_like_the_last_fills_no_hole_of_it(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path)
    new = lines(0, 500) + lines(500, COUNT - 1_000, word="LINE")
    (agent.logs / "a.log").write_bytes(new)
    agent.pass_ms(20_000)
    before = len(events_of(agent.sink))

    asked(agent, sent, 1_000, 1_200)

    assert answer_of(agent.sink).refusal
    assert len(events_of(agent.sink)) == before


def test_f3_a_hole_of_a_life_that_was_truncated_is_filled_from_its_copy(
    tmp_path: Path,
) -> None:
    agent, sent = sent_of(tmp_path)
    agent.write("a.log.1", CONTENT)
    (agent.logs / "a.log").write_bytes(b"new\nlines\nhere\n")
    agent.pass_ms(20_000)
    before = len(events_of(agent.sink))

    asked(agent, sent, 1_000, 1_200)

    assert places(events_of(agent.sink)[before:]) == places(sent[1_000:1_200])
