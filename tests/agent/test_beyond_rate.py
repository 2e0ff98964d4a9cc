"""What a source writes beyond its rate is dropped or redirected where it asks for that.

The files are kept up with, every event is told of by its number, and nothing is lost that
was within the rate, nor of a source that has no such policy.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tailrace.kafka_producer import FailureKind
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.overload import overload_of
from tailrace_agent.positions import NO_TAIL, Chunk, Position
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    RecordingSink,
    SteppedClock,
    dead_letters_of,
    events_of,
    events_on,
    ledger_of,
    lost_in,
    origin_of,
    unique_lines,
    words_of,
)

KIBIBYTE = 1_024
RATE = 16 * KIBIBYTE
CHUNK_BYTES = 8 * KIBIBYTE
LINE = b"%06d " + b"x" * 92 + b"\n"
LINES = 1_600
"""Ten seconds of the rate."""


def limited(
    folder: Path,
    policy: str,
    *,
    burst_bytes: int = 0,
    sink: RecordingSink | None = None,
    clock: SteppedClock | None = None,
) -> AgentHarness:
    overload = {"bytes_per_s": RATE, "burst_bytes": burst_bytes, "policy": policy}
    return AgentHarness(
        folder,
        source={"overload": overload},
        chunk_bytes=CHUNK_BYTES,
        sink=sink,
        clock=clock,
    )


def lines(count: int, *, first: int = 0) -> bytes:
    return b"".join(LINE % n for n in range(first, first + count))


def numbers_told(agent: AgentHarness) -> list[int]:
    """Return the event numbers that were told of without their bytes."""
    return [
        word.first_event_number + n
        for word in words_of(agent.sink)
        for n in range(word.event_count)
    ]


def read_to(agent: AgentHarness) -> tuple[int, int]:
    """Return how far the ledger has the one file: its offset and event number."""
    newest = ledger_of(agent.sink)[-1]
    return newest.next_offset, newest.next_event_number


def overflown(agent: AgentHarness) -> list[bytes]:
    return [event.stored for event in events_on(agent.sink, ".overflow")]


def test_what_is_beyond_the_rate_is_told_by_its_numbers_and_the_file_kept_up_with(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path, "drop")
    agent.write("a.log", lines(LINES))
    agent.pass_ms(1_000)
    assert all(not tracked.unread_bytes for tracked in agent.table.files.values())
    agent.pass_ms(10_000)

    sent = [event.number for event in events_of(agent.sink)]
    told = numbers_told(agent)
    assert sorted([*sent, *told]) == list(range(LINES))
    assert 0 < len(sent) * 100 <= RATE + CHUNK_BYTES
    assert {word.dropped_reason for word in words_of(agent.sink)} == {"overload"}
    assert read_to(agent) == (LINES * 100, LINES)
    assert not lost_in(agent.sink)
    assert not agent.turns.held_back_bytes
    assert not overflown(agent)
    dropped = agent.turns.overload
    assert dropped.by_source(of_bytes=False) == {"test": {"overload": len(told)}}
    assert dropped.by_source(of_bytes=True) == {"test": {"overload": 100 * len(told)}}


def test_a_word_holds_no_bytes_and_all_else_that_a_chunk_says_of_itself(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path, "drop")
    agent.write("a.log", lines(LINES))
    agent.pass_ms(1_000)
    raw = [r for r in agent.sink.stored if r.topic == "t.raw"]
    words = [r for r in raw if origin_of(r).dropped_reason]
    whole = origin_of(next(r for r in raw if r.value))
    assert words
    assert all(word.value == b"" for word in words)
    for word in map(origin_of, words):
        assert (word.generation, word.path) == (whole.generation, whole.path)
        assert (word.placement, word.source) == (whole.placement, whole.source)
        assert word.size_bytes == 100 * word.event_count
        assert word.first_offset == 100 * word.first_event_number


def test_a_source_within_its_rate_is_sent_whole(tmp_path: Path) -> None:
    agent = limited(tmp_path, "drop", burst_bytes=RATE)
    for number in range(20):
        agent.write("a.log", lines(100, first=number * 100))
        agent.pass_ms(1_000)
    assert len(events_of(agent.sink)) == 2_000
    assert not words_of(agent.sink)
    assert not agent.turns.overload.events


def test_what_is_redirected_stands_whole_on_the_topic_of_its_own(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path, "redirect")
    agent.write("a.log", lines(LINES))
    agent.pass_ms(5_000)
    told = numbers_told(agent)
    assert {word.dropped_reason for word in words_of(agent.sink)} == {"redirected"}
    beside = events_on(agent.sink, ".overflow")
    assert sorted(event.number for event in beside) == sorted(told)
    every = [*unique_lines(agent.sink), *overflown(agent)]
    assert sorted(every) == lines(LINES).splitlines()
    assert {origin_of(r).dropped_reason for r in agent.sink.stored if r.headers} == {
        "",
        "redirected",
    }
    assert read_to(agent) == (LINES * 100, LINES)


def test_the_stream_hears_of_what_is_redirected_once_it_is_safe(tmp_path: Path) -> None:
    agent = limited(tmp_path, "redirect")
    agent.sink.holding_topic = "t.overflow"
    agent.write("a.log", lines(LINES))
    agent.pass_ms(2_000)
    assert agent.sink.held
    assert not words_of(agent.sink)
    # What is not safe is not passed over: the next life reads it again.
    assert read_to(agent)[1] < LINES
    agent.sink.holding_topic = ""
    agent.sink.release()
    agent.pass_ms(10_000)
    assert sorted([*numbers_told(agent), *numbers_sent(agent)]) == list(range(LINES))
    assert read_to(agent) == (LINES * 100, LINES)


def numbers_sent(agent: AgentHarness) -> list[int]:
    return [event.number for event in events_of(agent.sink)]


def test_p1_what_was_redirected_and_not_yet_told_of_is_redirected_again(
    tmp_path: Path,
) -> None:
    """A crash between the two leaves it twice on its topic, and never not at all."""
    agent = limited(tmp_path, "redirect")
    agent.write("a.log", lines(LINES))
    agent.sink.holding_topic = "t.raw"
    agent.pass_ms(1_000)
    assert overflown(agent)
    assert not words_of(agent.sink)
    agent.crash()
    agent.sink.holding_topic = ""
    agent.sink.held.clear()

    again = limited(tmp_path, "redirect", sink=agent.sink, clock=agent.clock)
    again.pass_ms(10_000)

    every = {*unique_lines(again.sink), *overflown(again)}
    assert sorted(every) == lines(LINES).splitlines()
    assert {*numbers_told(again), *numbers_sent(again)} == set(range(LINES))


def test_k5_what_even_its_own_topic_does_not_take_becomes_a_dead_letter(
    tmp_path: Path,
) -> None:
    sink = FailingSink()
    agent = limited(tmp_path, "redirect", sink=sink)
    agent.write("a.log", lines(50))
    agent.pass_ms(1_000)
    assert len(events_of(sink)) == 50
    agent.write("a.log", lines(1_000, first=50))
    while not words_of(sink):
        agent.pass_ms(10)
    sink.fail_next = FailureKind.TOO_LARGE
    agent.write("a.log", lines(10, first=1_050))
    agent.pass_ms(5_000)

    (letter,) = dead_letters_of(sink)
    buried = [origin_of(r) for r in sink.stored if r.topic == "t.raw"]
    (word,) = [each for each in buried if each.dead_reason]
    assert (letter.reason, word.dead_reason) == ("record_too_large",) * 2
    assert letter.first_event_number == word.first_event_number
    assert read_to(agent) == (1_060 * 100, 1_060)


def test_words_on_their_way_are_bounded_as_chunks_are(tmp_path: Path) -> None:
    overload = {"bytes_per_s": RATE, "burst_bytes": 0, "policy": "drop"}
    agent = AgentHarness(
        tmp_path,
        source={"overload": overload},
        chunk_bytes=4 * KIBIBYTE,
        event_bytes_max=4 * KIBIBYTE,
        in_flight_bytes_max=1_024 * KIBIBYTE,
    )
    agent.sink.holding_topic = "t.raw"
    agent.write("a.log", lines(80_000))
    agent.pass_ms(5_000)
    assert 900 < len(agent.sink.held) <= 1_024
    assert any(tracked.unread_bytes for tracked in agent.table.files.values())
    agent.sink.holding_topic = ""
    agent.sink.release()
    agent.pass_ms(10_000)
    assert read_to(agent) == (80_000 * 100, 80_000)


def test_what_is_once_empty_must_be_half_full_before_it_is_sent_from_again() -> None:
    overload = overload_of(settings_with("drop", burst_bytes=10 * KIBIBYTE))

    def reason(second: float) -> str:
        now_ms = 100_000 + round(second * 1_000)
        chunk = chunk_of(2 * KIBIBYTE)
        found = overload.reason_of("s", chunk, now_ms=now_ms)
        overload.note("s", chunk, reason=found, now_ms=now_ms)
        return found

    assert [reason(0) for _ in range(6)] == [*[""] * 5, "overload"]
    # Half of the burst are five seconds.
    assert [reason(second) for second in (1, 3, 4.9)] == ["overload"] * 3
    assert [reason(5) for _ in range(4)] == ["", "", "overload", "overload"]
    assert overload.by_source(of_bytes=True) == {"s": {"overload": 12 * KIBIBYTE}}


def test_what_is_larger_than_the_bucket_passes_when_that_is_full_and_is_owed() -> None:
    overload = overload_of(settings_with("drop", burst_bytes=4 * KIBIBYTE))

    def reason(second: float, size_bytes: int) -> str:
        now_ms = 100_000 + round(second * 1_000)
        chunk = chunk_of(size_bytes)
        found = overload.reason_of("s", chunk, now_ms=now_ms)
        overload.note("s", chunk, reason=found, now_ms=now_ms)
        return found

    assert reason(0, 100) == ""
    assert reason(0, 10 * KIBIBYTE) == "overload"
    assert reason(1, 10 * KIBIBYTE) == ""
    # Six seconds are owed, and two more until half of the bucket is full.
    assert [reason(second, 100) for second in (6, 8.9, 9)] == [*["overload"] * 2, ""]


@pytest.mark.parametrize("policy", ["drop", "redirect"])
@pytest.mark.parametrize("chunk_bytes", [4 * KIBIBYTE, 512 * KIBIBYTE])
def test_of_what_one_reading_brings_no_more_is_sent_than_the_burst(
    tmp_path: Path, policy: str, chunk_bytes: int
) -> None:
    """Found by hand: 87,018 bytes were one chunk, and passed a burst of 8,000 whole."""
    overload = {"bytes_per_s": KIBIBYTE, "burst_bytes": 8_000, "policy": policy}
    agent = AgentHarness(
        tmp_path, source={"overload": overload}, chunk_bytes=chunk_bytes
    )
    agent.write("a.log", lines(870) + b"x" * 17 + b"\n")
    agent.pass_ms(3_000)
    sent, told = numbers_sent(agent), numbers_told(agent)
    assert len(sent) == 80
    assert sorted([*sent, *told]) == list(range(871))
    agent.pass_ms(5_000)
    assert read_to(agent) == (87_018, 871)
    dropped = agent.turns.overload.by_source(of_bytes=True)["test"]
    assert sum(dropped.values()) == 87_018 - 8_000


def test_events_of_several_lines_pass_the_burst_whole_or_not_at_all(
    tmp_path: Path,
) -> None:
    overload = {"bytes_per_s": KIBIBYTE, "burst_bytes": 8_000, "policy": "drop"}
    agent = AgentHarness(
        tmp_path,
        source={
            "overload": overload,
            "multiline": {"continuation": "^ "},
        },
    )
    agent.write(
        "a.log", b"".join(b"%04d\n more\n   and more\n" % n for n in range(900))
    )
    agent.pass_ms(8_000)
    sent = [event.stored for event in events_of(agent.sink)]
    assert sent == [b"%04d\n more\n   and more" % n for n in range(len(sent))]
    sizes_bytes = [len(r.value) for r in agent.sink.stored if r.topic == "t.raw"]
    assert 7_900 < sum(sizes_bytes) <= 8_000
    assert sorted([*numbers_sent(agent), *numbers_told(agent)]) == list(range(900))


def test_who_writes_a_seconds_lines_at_once_is_not_beyond_its_rate(
    tmp_path: Path,
) -> None:
    """A file at rest is looked at after a sweep, which takes that long."""
    agent = limited(tmp_path, "drop", burst_bytes=0)
    for number in range(10):
        agent.write("a.log", lines(RATE // 100, first=number * 1_000))
        agent.pass_ms(1_000)
    assert not words_of(agent.sink)
    assert not agent.turns.overload.events


def settings_with(policy: str | None, *, burst_bytes: int = 0) -> AgentSettings:
    overload = {"bytes_per_s": KIBIBYTE, "burst_bytes": burst_bytes, "policy": policy}
    values = {"name": "s", "paths": ("/a",), "overload": overload if policy else None}
    return AgentSettings(sources=(SourceSettings.model_validate(values),))


def chunk_of(size_bytes: int) -> Chunk:
    return Chunk(
        first_offset=0,
        size_bytes=size_bytes,
        skipped_before_bytes=0,
        first_event_number=0,
        event_count=1,
        framing="newline",
        value=b"x" * size_bytes,
        after=Position(size_bytes, 1, NO_TAIL),
    )


def test_what_is_dropped_takes_nothing_of_the_rate_of_what_waited(
    tmp_path: Path,
) -> None:
    overload = {"bytes_per_s": RATE, "burst_bytes": 0, "policy": "drop"}
    agent = AgentHarness(
        tmp_path,
        source={"overload": overload},
        chunk_bytes=CHUNK_BYTES,
        catch_up_bytes_per_s=4 * RATE,
    )
    agent.write("a.log", lines(10 * LINES))
    agent.pass_ms(10_000)
    assert read_to(agent) == (10 * LINES * 100, 10 * LINES)


def test_that_a_source_is_beyond_its_rate_is_said_once_a_minute(
    tmp_path: Path,
) -> None:
    agent = limited(tmp_path, "redirect")
    assert agent.turns.overload.by_source(of_bytes=False) == {"test": {"redirected": 0}}
    for _ in range(7):
        agent.write("a.log", lines(LINES))
        agent.pass_ms(10_000)
    said = agent.said("source_beyond_rate")
    assert len(said) == 2
    assert (said[0]["source"], said[0]["reason"]) == ("test", "redirected")


@pytest.mark.parametrize("policy", ["block", None])
def test_a_source_without_the_policy_is_never_beyond(policy: str | None) -> None:
    assert not overload_of(settings_with(policy)).buckets
