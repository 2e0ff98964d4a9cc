"""A span that the index lost is read again and sent with the ids of the first time."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tailrace.holes import HOLE_BYTES_MAX, HoleRequest
from tailrace.ledger import HoleAnswer
from tailrace.wire import ORIGIN_HEADER, Origin, decode
from tailrace_agent.hole_spans import SpanEnds, begin_of
from tests.agent.harness import (
    AgentHarness,
    Event,
    FailingSink,
    RecordingSink,
    events_of,
    ledger_records_of,
)
from tests.agent.test_container_chunking import cri


def _request(
    events: list[Event], first: int, last: int, *, end_offset: int
) -> HoleRequest:
    """Ask for events `first` up to `last`, whose successor begins at `end_offset`."""
    return HoleRequest(
        generation=events[0].generation,
        path=events[0].path,
        first_offset=events[first].offset,
        next_offset=end_offset,
        first_event_number=events[first].number,
        event_count=last - first,
    )


def _answers(sink: RecordingSink) -> list[HoleAnswer]:
    return [r for r in ledger_records_of(sink) if isinstance(r, HoleAnswer)]


def _agent_with(folder: Path, content: bytes) -> tuple[AgentHarness, list[Event], int]:
    """Return an agent that has sent `content`, its events, and how many were sent."""
    agent = AgentHarness(folder)
    agent.write("a.log", content)
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)
    return agent, sent, len(sent)


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    lines=st.lists(
        st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), min_size=3
    ),
    data=st.data(),
)
def test_a_hole_is_sent_again_with_the_places_of_the_first_time(
    lines: list[bytes], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = b"x" + b"\n".join(lines) + b"\n"  # No hole of NULs at the head.
    agent, sent, count = _agent_with(tmp_path_factory.mktemp("agent"), content)
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    end = sent[last].offset if last < count else len(content)
    position = agent.delivery.record_of(sent[0].generation).next_offset

    agent.requests.asked.append(_request(sent, first, last, end_offset=end))
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == sent[first:last]
    raw = [r for r in agent.sink.stored if r.topic.endswith(".raw")]
    origins = [decode(dict(r.headers)[ORIGIN_HEADER], as_type=Origin) for r in raw]
    assert [o.is_repeat for o in origins] == sorted(o.is_repeat for o in origins)
    assert origins[-1].is_repeat
    assert [a.event_count for a in _answers(agent.sink)] == [last - first]
    assert len(agent.requests.done) == 1
    assert agent.delivery.record_of(sent[0].generation).next_offset == position
    agent.crash()


def test_k10_of_what_no_hop_told_the_indexer_is_to_tell(tmp_path: Path) -> None:
    """A repeat says nothing of how far a generation is: it would be stranded for ever."""
    content = b"".join(b"line %d\n" % n for n in range(9))
    agent, sent, count = _agent_with(tmp_path, content)

    request = _request(sent, 3, count, end_offset=len(content))
    agent.requests.asked.append(msgspec.structs.replace(request, is_untold=True))
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == sent[3:]
    (raw,) = [r for r in agent.sink.stored if r.topic.endswith(".raw")][1:]
    origin = decode(dict(raw.headers)[ORIGIN_HEADER], as_type=Origin)
    assert not origin.is_repeat
    assert len(agent.requests.done) == 1
    agent.crash()


def test_a_hole_of_several_chunks_is_sent_whole(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096)
    content = b"".join(b"line %06d of a file\n" % n for n in range(2_000))
    agent.write("a.log", content)
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)

    request = _request(sent, 10, 1_990, end_offset=sent[1_990].offset)
    agent.requests.asked.append(request)
    agent.pass_ms(10_000)

    assert events_of(agent.sink)[2_000:] == sent[10:1_990]
    assert agent.requests.done == [request]


def test_a_line_beyond_the_limit_is_cut_again_as_it_was(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, chunk_bytes=4_096, event_bytes_max=4_096)
    agent.write("a.log", b"one\n" + b"y" * 50_000 + b"\nthree\n")
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)
    assert len(sent) == 3

    agent.requests.asked.append(_request(sent, 1, 2, end_offset=sent[2].offset))
    agent.pass_ms()

    assert events_of(agent.sink)[3:] == sent[1:2]


def test_a_span_that_holds_other_events_now_is_refused(tmp_path: Path) -> None:
    agent, sent, count = _agent_with(tmp_path, b"a line of the file\n" * 300)
    with (agent.logs / "a.log").open("r+b") as file:
        file.seek(sent[150].offset)  # Neither head nor tail, which would tell at once.
        file.write(b"a\n")

    agent.requests.asked.append(_request(sent, 149, 151, end_offset=sent[151].offset))
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == []
    [answer] = _answers(agent.sink)
    assert answer.event_count == 0
    assert "3 events" in answer.refusal
    assert len(agent.requests.done) == 1


def test_a_span_that_ends_within_a_line_is_refused(tmp_path: Path) -> None:
    """What stands before the span's end is taken as a line, and then there are too many."""
    agent, sent, count = _agent_with(tmp_path, b"one\ntwo\nthree\nfour\n")

    agent.requests.asked.append(_request(sent, 1, 2, end_offset=sent[2].offset + 2))
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == []
    assert _answers(agent.sink)[0].refusal


def test_a_span_that_kafka_refuses_is_not_said_to_be_filled(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    agent.write("a.log", b"one\ntwo\nthree\n")
    agent.pass_ms(10_000)
    sent = events_of(sink)

    sink.refuses_repeats = True
    agent.requests.asked.append(_request(sent, 1, 2, end_offset=sent[2].offset))
    agent.pass_ms()

    [answer] = _answers(sink)
    assert answer.event_count == 0
    assert "max.message.bytes" in answer.refusal
    assert len(agent.requests.done) == 1


def test_a_file_that_is_gone_is_said_to_be_gone(tmp_path: Path) -> None:
    agent, sent, _ = _agent_with(tmp_path, b"one\ntwo\n")
    (agent.logs / "a.log").unlink()
    agent.pass_ms(20_000)

    agent.requests.asked.append(_request(sent, 0, 1, end_offset=4))
    agent.pass_ms()

    assert "is gone" in _answers(agent.sink)[0].refusal


def test_f3_a_file_that_was_truncated_since_is_not_read_for_its_former_life(
    tmp_path: Path,
) -> None:
    agent, sent, _ = _agent_with(tmp_path, b"one\ntwo\n")
    (agent.logs / "a.log").write_bytes(b"new\nlines\nhere\n")
    agent.pass_ms(10_000)
    count = len(events_of(agent.sink))

    agent.requests.asked.append(_request(sent, 0, 1, end_offset=4))
    agent.pass_ms()

    assert len(events_of(agent.sink)) == count
    assert "truncated" in _answers(agent.sink)[0].refusal


def test_a_span_is_as_long_as_the_file_where_a_whole_index_is_gone(
    tmp_path: Path,
) -> None:
    line = b"x" * (900 * 1_024) + b"\n"
    lines = 80
    agent, sent, count = _agent_with(tmp_path, line * lines)
    assert count == lines

    agent.requests.asked.append(_request(sent, 0, lines, end_offset=lines * len(line)))
    agent.pass_ms(20_000)

    assert events_of(agent.sink)[count:] == sent
    assert not _answers(agent.sink)[0].refusal


@pytest.mark.parametrize(
    ("first_offset", "next_offset"),
    [(-1, 4), (4, 4), (4, 0), (0, HOLE_BYTES_MAX + 1), (0, 400)],
)
def test_a_span_that_cannot_be_is_refused(
    first_offset: int, next_offset: int, tmp_path: Path
) -> None:
    agent, sent, count = _agent_with(tmp_path, b"one\ntwo\n")

    agent.requests.asked.append(
        HoleRequest(
            generation=sent[0].generation,
            path=sent[0].path,
            first_offset=first_offset,
            next_offset=next_offset,
            first_event_number=0,
            event_count=1,
        )
    )
    agent.pass_ms()

    assert len(events_of(agent.sink)) == count
    assert _answers(agent.sink)[0].refusal


def test_a_file_that_was_renamed_is_found_by_its_inode(tmp_path: Path) -> None:
    agent, sent, count = _agent_with(tmp_path, b"one\ntwo\n")
    (agent.logs / "a.log").rename(agent.logs / "a.log.1")

    agent.requests.asked.append(_request(sent, 0, 2, end_offset=8))
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == sent


def test_the_answer_comes_only_when_kafka_has_all_of_the_span(tmp_path: Path) -> None:
    agent, sent, count = _agent_with(tmp_path, b"one\ntwo\n")
    agent.sink.is_holding = True

    agent.requests.asked.append(_request(sent, 0, 2, end_offset=8))
    agent.pass_ms()
    assert _answers(agent.sink) == []
    assert agent.requests.done == []

    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms()

    assert events_of(agent.sink)[count:] == sent
    assert len(_answers(agent.sink)) == 1
    assert len(agent.requests.done) == 1


def test_k1_a_hole_is_sent_again_when_kafka_comes_back(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink)
    agent.write("a.log", b"one\ntwo\n")
    agent.pass_ms(10_000)
    sent = events_of(sink)
    sink.is_holding = True
    agent.requests.asked.append(_request(sent, 0, 2, end_offset=8))
    agent.pass_ms()

    sink.is_down, sink.is_holding = True, False
    agent.delivery.outbox.broken = "the test pulled the plug"
    agent.pass_ms(20_000)
    sink.is_down = False
    agent.pass_ms(20_000)

    assert events_of(sink)[len(sent) :] == sent
    assert len(agent.requests.done) == 1


STREAMS = [
    cri("one"),
    cri("E1 ", stream="stderr", tag="P"),
    cri("half ", tag="P"),
    cri("of E1", stream="stderr"),
    cri("E2", stream="stderr"),
    cri("whole"),
    cri("E3", stream="stderr"),
    cri("last"),
]


@pytest.mark.parametrize("first", range(6))
@pytest.mark.parametrize("last", range(1, 7))
def test_f27_a_hole_amid_two_streams_is_sent_with_the_events_of_the_first_time(
    tmp_path: Path, first: int, last: int
) -> None:
    """Where it begins, or ends, an event of the other stream may not be over."""
    if first >= last:
        return
    content = b"".join(STREAMS)
    agent, sent, count = _agent_with(tmp_path, content)
    assert count == 6
    end = sent[last].offset if last < count else len(content)

    agent.requests.asked.append(_request(sent, first, last, end_offset=end))
    agent.pass_ms()

    assert [a.refusal for a in _answers(agent.sink)] == [""]
    assert events_of(agent.sink)[count:] == sent[first:last]
    agent.crash()


def test_f27_a_hole_that_begins_where_time_ended_a_piece_is_sent_as_it_was(
    tmp_path: Path,
) -> None:
    agent, sent, count = _agent_with(tmp_path, cri("half ", tag="P"))
    agent.write("a.log", cri("other") + cri("E", stream="stderr") + cri("last"))
    agent.pass_ms(10_000)
    sent = events_of(agent.sink)
    assert (count, len(sent)) == (1, 4)
    request = _request(sent, 1, 3, end_offset=sent[3].offset)

    agent.requests.asked.append(request)
    agent.pass_ms()

    assert [a.refusal for a in _answers(agent.sink)] == [""]
    assert events_of(agent.sink)[4:] == sent[1:3]
    # Also where no chunk is known to have ended there.
    record = agent.delivery.record_of(sent[0].generation)
    record = msgspec.structs.replace(record, marks=())
    ends = SpanEnds(request, is_end_met=True)
    assert begin_of(request, record, ends).offset == request.first_offset
    ends.is_begin_met = True
    assert begin_of(request, record, ends).offset == 0
    agent.crash()
