"""A source that got another name goes on with the files that it had under the old one."""

from __future__ import annotations

from pathlib import Path

from tailrace.wire import ORIGIN_HEADER, Origin, decode
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    lost_in,
    unique_lines,
)

OTHER: dict[str, object] = {"name": "other", "tags": ("new",)}


def lines(first: int, last: int) -> bytes:
    return b"".join(b"line %d\n" % n for n in range(first, last))


def test_f2_file_that_was_renamed_with_its_source_is_read_to_its_end(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 5))
    first.pass_ms(8_000)
    first.stop()
    first.write("a.log", lines(5, 8))
    path.rename(path.with_name("a.log.1"))
    path.write_bytes(lines(8, 10))
    second = AgentHarness(tmp_path, sink=sink, clock=first.clock, source=OTHER)
    second.pass_ms(20_000)
    assert sorted(unique_lines(sink)) == sorted(lines(0, 10).splitlines())
    assert len(events_of(sink)) == 10
    assert lost_in(sink) == 0


def test_f4_what_was_seen_and_is_gone_is_declared_though_its_source_has_another_name(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 5))
    first.pass_ms(8_000)
    sink.is_holding = True
    first.write("a.log", lines(5, 8))
    first.pass_ms(5_000)
    first.crash()
    sink.renew()
    sink.is_holding = False
    path.unlink()
    path.write_bytes(lines(8, 10))
    second = AgentHarness(tmp_path, sink=sink, clock=first.clock, source=OTHER)
    second.pass_ms(60_000)
    assert lost_in(sink) == len(lines(5, 8))


def test_a_file_of_a_source_that_was_taken_out_is_left_alone(tmp_path: Path) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    path = first.write("a.log", lines(0, 5))
    first.pass_ms(8_000)
    first.stop()
    path.unlink()
    second = AgentHarness(tmp_path, sink=sink, glob="*.txt", source={"name": "b"})
    second.pass_ms(20_000)
    newest = {record.generation: record for record in ledger_of(sink)}
    assert [record.is_closed for record in newest.values()] == [False]


def test_the_chunks_of_a_file_bear_the_tags_of_its_source_as_it_is_called_now(
    tmp_path: Path,
) -> None:
    sink = RecordingSink()
    first = AgentHarness(tmp_path, sink=sink)
    first.write("a.log", lines(0, 5))
    first.pass_ms(8_000)
    first.stop()
    second = AgentHarness(tmp_path, sink=sink, clock=first.clock, source=OTHER)
    second.write("a.log", lines(5, 8))
    second.pass_ms(8_000)
    headers = [dict(record.headers).get(ORIGIN_HEADER) for record in sink.stored]
    origins = [decode(header, as_type=Origin) for header in headers if header]
    assert [(origin.source, origin.tags) for origin in origins] == [
        ("test", ()),
        ("other", ("new",)),
    ]
