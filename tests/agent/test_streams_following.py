"""stdout and stderr of a container in files that live: waits, kills, truncations, rotations."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    lost_in,
)
from tests.agent.test_container_chunking import cri, docker
from tests.agent.test_multiline_following import stored
from tests.agent.test_restart import forget

PIECES: dict[str, object] = {}
JAVA: dict[str, object] = {"multiline": {"rule": "java", "flush_after_ms": 1_000}}


def line(container: str, stream: str, text: str, *, is_piece: bool = False) -> bytes:
    if container == "cri":
        return cri(text, stream=stream, tag="P" if is_piece else "F")
    return docker(text if is_piece else f"{text}\n", stream=stream)


def joined(*lines: bytes) -> bytes:
    return b"".join(lines).removesuffix(b"\n")


def sent_once(sink: RecordingSink) -> list[bytes]:
    """Return the events in file order; no place was sent with other bytes."""
    found = stored(sink)
    by_place = {(e.generation, e.offset): e.stored for e in events_of(sink)}
    assert len(by_place) == len(found)
    return found


@pytest.mark.parametrize("container", ["cri", "docker"])
@pytest.mark.parametrize("is_checkpoint_kept", [True, False])
def test_p1_a_kill_while_a_piece_is_open_loses_nothing_and_doubles_nothing(
    tmp_path: Path, container: str, *, is_checkpoint_kept: bool
) -> None:
    first, half, error, rest, last = (
        line(container, "stdout", "first"),
        line(container, "stdout", "half ", is_piece=True),
        line(container, "stderr", "oops"),
        line(container, "stdout", "and half"),
        line(container, "stderr", "last"),
    )
    agent = AgentHarness(tmp_path, source=PIECES)
    agent.write("a.log", first)
    agent.pass_ms(500)
    agent.write("a.log", half + error)
    agent.pass_ms(1_000)
    assert stored(agent.sink) == [first[:-1]], "none passes the open piece"
    assert ledger_of(agent.sink)[-1].next_offset <= len(first)
    agent.crash()
    if not is_checkpoint_kept:
        forget(agent)
    again = AgentHarness(tmp_path, source=PIECES, sink=agent.sink)
    again.write("a.log", rest + last)
    again.pass_ms(500)
    assert sent_once(agent.sink) == [
        first[:-1],
        joined(half, rest),
        error[:-1],
        last[:-1],
    ]
    numbers = sorted({event.number for event in events_of(agent.sink)})
    assert numbers == [0, 1, 2, 3]
    assert lost_in(agent.sink) == 0
    again.crash()


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f28_a_piece_is_sent_as_it_is_when_its_other_half_does_not_come(
    tmp_path: Path, container: str
) -> None:
    """The other stream goes on, so the file is never quiet; the cut is repeated."""
    half = line(container, "stdout", "half ", is_piece=True)
    rest = line(container, "stdout", "and half")
    others = [line(container, "stderr", f"oops {n}") for n in range(40)]
    agent = AgentHarness(tmp_path, source=PIECES)
    agent.write("a.log", half)
    for each in others:
        agent.write("a.log", each)
        agent.pass_ms(200)
    wait_ms = agent.settings.flush_after_ms
    assert wait_ms < 40 * 200
    agent.write("a.log", rest)
    agent.pass_ms(500)
    expected = [joined(half), *[each[:-1] for each in others], rest[:-1]]
    assert sent_once(agent.sink) == expected
    assert agent.delivery.split_events == 1
    agent.crash()
    forget(agent)
    agent.sink.stored = [r for r in agent.sink.stored if not r.topic.endswith(".raw")]
    again = AgentHarness(tmp_path, source=PIECES, sink=agent.sink)
    again.pass_ms(500)
    assert sent_once(again.sink) == []
    again.crash()


def test_f28_the_cut_of_an_open_piece_is_on_the_disk_before_it_is_sent(
    tmp_path: Path,
) -> None:
    half, rest = cri("half ", tag="P"), cri("and half")
    agent = AgentHarness(tmp_path, source=PIECES)
    agent.write("a.log", cri("first"))
    agent.pass_ms(1_000)
    agent.sink.holding_topic = "t.raw"
    agent.write("a.log", half)
    count = 0
    while not agent.sink.held:
        agent.write("a.log", cri(f"oops {count}", stream="stderr"))
        agent.pass_ms(200)
        count += 1
        assert count < 100
    sent = agent.sink.held[0][1]
    agent.write("a.log", rest)
    agent.crash()
    again = AgentHarness(tmp_path, source=PIECES, clock=agent.clock)
    again.sink.stored[:0] = [*agent.sink.stored, sent]
    again.pass_ms(6_000)
    found = sent_once(again.sink)
    assert found[:2] == [cri("first")[:-1], half[:-1]]
    assert found[-1] == rest[:-1]
    assert len(found) == count + 3
    again.crash()


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f4_a_truncation_takes_no_line_that_waited_for_a_piece(
    tmp_path: Path, container: str
) -> None:
    half = line(container, "stdout", "half ", is_piece=True)
    errors = [line(container, "stderr", f"oops {n}") for n in range(3)]
    agent = AgentHarness(tmp_path, source=PIECES)
    agent.write("a.log", line(container, "stdout", "first"))
    agent.pass_ms(500)
    agent.write("a.log", half + b"".join(errors))
    agent.pass_ms(500)
    (agent.logs / "a.log").write_bytes(b"")
    agent.write("a.log", line(container, "stdout", "anew"))
    agent.pass_ms(10_000)
    found = Counter(sent_once(agent.sink))
    assert found == Counter(
        [
            line(container, "stdout", "first")[:-1],
            half[:-1],
            *[each[:-1] for each in errors],
            line(container, "stdout", "anew")[:-1],
        ]
    )
    assert lost_in(agent.sink) == 0
    agent.crash()


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f1_a_rotation_amid_an_open_piece_keeps_all_lines(
    tmp_path: Path, container: str
) -> None:
    half = line(container, "stdout", "half ", is_piece=True)
    error, rest = line(container, "stderr", "oops"), line(container, "stdout", "rest")
    agent = AgentHarness(tmp_path, source=PIECES)
    agent.write("a.log", half + error)
    agent.pass_ms(500)
    (agent.logs / "a.log").rename(agent.logs / "a.log.1")
    agent.write("a.log", rest)
    agent.pass_ms(30_000)
    assert Counter(sent_once(agent.sink)) == Counter([half[:-1], error[:-1], rest[:-1]])
    agent.crash()


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_f28_a_stack_trace_is_one_event_though_the_other_stream_goes_on(
    tmp_path: Path, container: str
) -> None:
    def trace(n: int) -> list[bytes]:
        lines = (f"ERROR order {n}", "java.lang.Error: x", "\tat a.b(c)", "\tat d.e(f)")
        return [line(container, "stderr", text) for text in lines]

    agent = AgentHarness(tmp_path, source=JAVA)
    expected: Counter[bytes] = Counter()
    for n in range(10):
        traced = trace(n)
        expected[joined(*traced)] += 1
        for k, each in enumerate(traced):
            access = line(container, "stdout", f"GET /{n}/{k}")
            expected[access[:-1]] += 1
            agent.write("a.log", each + access)
            agent.pass_ms(100)
    agent.pass_ms(3_000)
    assert Counter(sent_once(agent.sink)) == expected
    agent.crash()


TEXTS = ["GET /", "ERROR a", "\tat a.b(c)", "java.lang.Error: x"]


@pytest.mark.parametrize("seed", range(24))
def test_p1_kills_at_any_moment_lose_no_line_of_either_stream_and_double_none(
    tmp_path: Path, seed: int
) -> None:
    """Whatever time ends, each line written is in exactly one event of its stream."""
    chance = random.Random(seed)
    container = chance.choice(["cri", "docker"])
    source = chance.choice([PIECES, JAVA])
    sink = RecordingSink()
    written: list[bytes] = []
    agent = AgentHarness(tmp_path, source=source, sink=sink, chunk_bytes=4_096)
    for number in range(chance.randint(10, 40)):
        for _ in range(chance.randint(1, 12)):
            text = f"{chance.choice(TEXTS)} {number}.{chance.random()}"
            stream = chance.choice(["stdout", "stderr"])
            is_piece = chance.random() < 0.3
            written.append(line(container, stream, text, is_piece=is_piece))
            agent.write("a.log", written[-1])
        sink.holding_topic = chance.choice(["", "", "t.raw", "t.ledger"])
        agent.pass_ms(chance.choice([100, 300, 1_200, 3_000]))
        if chance.random() < 0.4:
            agent.crash()
            sink.held.clear()
            if chance.random() < 0.3:
                forget(agent)
            sink.holding_topic = ""
            agent = AgentHarness(
                tmp_path,
                source=source,
                sink=sink,
                clock=agent.clock,
                chunk_bytes=chance.choice([4_096, 8_192]),
            )
    sink.holding_topic = ""
    sink.release()
    agent.pass_ms(30_000)
    found = [one + b"\n" for event in sent_once(sink) for one in event.split(b"\n")]
    assert Counter(found) == Counter(written)
    assert lost_in(sink) == 0
    numbers = sorted({event.number for event in events_of(sink)})
    assert numbers == list(range(len(numbers)))
    agent.crash()


def test_f4_a_truncation_takes_no_line_behind_what_time_ended(tmp_path: Path) -> None:
    """What a stream left open is sent; what was read behind it is held until it is, too."""
    alone = cri("alone", stream="stderr")
    trace = cri("ERROR a") + cri("\tat a.b(c)")
    agent = AgentHarness(tmp_path, source=JAVA)
    agent.write("a.log", alone)
    agent.pass_ms(500)
    agent.write("a.log", trace)
    while not stored(agent.sink):
        agent.pass_ms(100)
    assert stored(agent.sink) == [alone[:-1]]
    (agent.logs / "a.log").write_bytes(b"")
    agent.write("a.log", cri("anew"))
    agent.pass_ms(10_000)
    expected = Counter([alone[:-1], trace[:-1], cri("anew")[:-1]])
    assert Counter(sent_once(agent.sink)) == expected
    assert lost_in(agent.sink) == 0
    agent.crash()
