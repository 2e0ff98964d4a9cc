"""A checkpoint that is whole and was put back from a copy: the ledger knows what came since."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import msgspec
import structlog
from structlog.testing import LogCapture

from tailrace.errors import ServiceUnavailable
from tailrace.kafka_reader import first_offsets_since
from tailrace.wire import AgentLedger
from tailrace_agent.checkpoint import Condition, Loaded
from tailrace_agent.heads import HEAD_BYTES
from tailrace_agent.restore import restore
from tailrace_agent.set_back import CLOCK_SLACK_MS, LedgerWords, ask_in_time
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    events_of,
    ledger_of,
    unique_lines,
)

TEN = b"".join(b"line %d\n" % n for n in range(10))
MANY = b"".join(b"line %d of a head that is whole\n" % n for n in range(60))
assert len(MANY) > HEAD_BYTES


def copied(agent: AgentHarness, tmp_path: Path) -> Path:
    """End a life, and return a copy of its folder."""
    agent.crash()
    copy = tmp_path / "copy"
    shutil.copytree(agent.state, copy)
    return copy


def put_back(agent: AgentHarness, copy: Path) -> None:
    shutil.rmtree(agent.state)
    shutil.copytree(copy, agent.state)


def restarted(agent: AgentHarness, tmp_path: Path, *, glob: str) -> AgentHarness:
    """Begin the next life, whose clock goes on."""
    return AgentHarness(tmp_path, glob=glob, sink=agent.sink, clock=agent.clock)


def lived(tmp_path: Path, *, content: bytes = TEN, glob: str = "*.log") -> AgentHarness:
    agent = AgentHarness(tmp_path, glob=glob)
    agent.write("a.log", content)
    agent.pass_ms(8_000)
    return agent


@dataclass(slots=True)
class SetBack:
    """An agent that lived on after its folder was copied, and got the copy back."""

    tmp_path: Path
    glob: str = "*.log"
    content: bytes = TEN
    sink: RecordingSink = field(init=False)
    logs: Path = field(init=False)

    def begin(
        self,
        meanwhile: Callable[[AgentHarness], None],
        *,
        while_down: Callable[[AgentHarness], None] = lambda _: None,
    ) -> AgentHarness:
        """Return the life that finds the copy, when it has read all there is."""
        first = lived(self.tmp_path, content=self.content, glob=self.glob)
        copy = copied(first, self.tmp_path)
        first.clock.sleep_ms(2 * CLOCK_SLACK_MS)
        second = restarted(first, self.tmp_path, glob=self.glob)
        second.pass_ms()
        meanwhile(second)
        second.pass_ms(8_000)
        second.crash()
        while_down(second)
        put_back(second, copy)
        third = restarted(second, self.tmp_path, glob=self.glob)
        assert third.condition is Condition.INTACT
        third.pass_ms(8_000)
        return third


def test_p5_set_back_checkpoint_repeats_no_line_of_a_file_that_was_truncated_since(
    tmp_path: Path,
) -> None:
    def truncate(agent: AgentHarness) -> None:
        (agent.logs / "a.log").write_bytes(b"second life\n")

    third = SetBack(tmp_path).begin(truncate)
    assert third.restored.came_from == "checkpoint and ledger"
    assert len(unique_lines(third.sink)) == 11
    assert len({e.generation for e in events_of(third.sink)}) == 2


def test_p5_f4_set_back_checkpoint_repeats_no_line_of_copies_that_were_made_since(
    tmp_path: Path,
) -> None:
    def rotate(agent: AgentHarness) -> None:
        path = agent.logs / "a.log"
        for number in range(2):
            (agent.logs / f"a.log.{number}").write_bytes(path.read_bytes())
            path.write_bytes(b"life %d begins\nand goes on\n" % number)
            agent.pass_ms(8_000)

    third = SetBack(tmp_path, glob="*.log*").begin(rotate)
    assert len(unique_lines(third.sink)) == 14


def test_p5_f5_set_back_checkpoint_gives_no_other_life_the_name_of_a_files_first(
    tmp_path: Path,
) -> None:
    """A file that it does not know was truncated before: its name would be that of then."""

    def begin_and_truncate(agent: AgentHarness) -> None:
        agent.write("b.log", b"banner\none\n")
        agent.pass_ms(8_000)
        (agent.logs / "b.log").write_bytes(b"banner\ntwo\nthree\n")

    third = SetBack(tmp_path).begin(begin_and_truncate)
    assert len(unique_lines(third.sink)) == 15
    assert unique_lines(third.sink).count(b"banner") == 2


def test_p5_f28_set_back_checkpoint_makes_no_line_exist_in_two_lengths(
    tmp_path: Path,
) -> None:
    def flush_and_go_on(agent: AgentHarness) -> None:
        agent.write("a.log", b"half")
        agent.pass_ms(30_000)
        agent.write("a.log", b" and the rest\n")

    third = SetBack(tmp_path).begin(flush_and_go_on)
    assert {b"half", b" and the rest"} < set(unique_lines(third.sink))
    assert len(unique_lines(third.sink)) == 12


def test_p5_source_that_began_after_the_copy_does_not_begin_at_the_end_again(
    tmp_path: Path,
) -> None:
    first = lived(tmp_path, glob="*.log")
    copy = copied(first, tmp_path)
    source: dict[str, object] = {"name": "later", "start_at": "end"}
    second = AgentHarness(tmp_path, sink=first.sink, clock=first.clock, source=source)
    second.write("b.log", b"one\n")
    second.pass_ms(8_000)
    second.crash()
    put_back(second, copy)
    second.write("c.log", b"meanwhile\n")
    third = AgentHarness(tmp_path, sink=first.sink, clock=first.clock, source=source)
    third.pass_ms()
    assert b"meanwhile" in unique_lines(first.sink)


def test_p5_files_that_were_set_back_with_the_checkpoint_go_on_in_their_life(
    tmp_path: Path,
) -> None:
    """As on a machine that was put back to a snapshot: its files know of no later time."""

    def go_on(agent: AgentHarness) -> None:
        agent.write("a.log", b"gone with the snapshot\n" * 40)

    def set_files_back(agent: AgentHarness) -> None:
        with (agent.logs / "a.log").open("r+b") as file:
            file.truncate(len(MANY))
        agent.write("a.log", b"after the snapshot\n")

    set_back = SetBack(tmp_path, content=MANY)
    third = set_back.begin(go_on, while_down=set_files_back)
    told = {r.revision: r.next_offset for r in ledger_of(third.sink)}
    assert told[max(told)] == (third.logs / "a.log").stat().st_size
    lines = unique_lines(third.sink)
    assert len({e.generation for e in events_of(third.sink)}) == 1
    assert len(lines) == 60 + 40 + 1
    assert b"after the snapshot" in lines


def test_p5_where_the_ledger_does_not_answer_a_set_back_checkpoint_loses_nothing(
    tmp_path: Path,
) -> None:
    """What was truncated since is there twice then (ARCHITECTURE.md, limits)."""
    first = lived(tmp_path)
    copy = copied(first, tmp_path)
    second = restarted(first, tmp_path, glob="*.log")
    second.pass_ms()
    (second.logs / "a.log").write_bytes(b"second life\n")
    second.pass_ms(8_000)
    second.crash()
    put_back(second, copy)
    second.write("a.log", b"meanwhile\n")
    third = AgentHarness(
        tmp_path, sink=first.sink, clock=first.clock, ledger=RecordingSink()
    )
    third.pass_ms()
    assert third.restored.came_from == "checkpoint"
    assert {b"second life", b"meanwhile"} < set(unique_lines(first.sink))


def test_p5_f5_banner_that_two_lives_share_is_no_sign_of_a_snapshot(
    tmp_path: Path,
) -> None:
    """The copy knows no more of the file than the line with which each life begins."""

    def go_on(agent: AgentHarness) -> None:
        agent.write("a.log", b"one\ntwo\n")

    def write_anew(agent: AgentHarness) -> None:
        (agent.logs / "a.log").write_bytes(b"banner\nthree\n")

    set_back = SetBack(tmp_path, content=b"banner\n")
    third = set_back.begin(go_on, while_down=write_anew)
    assert len(unique_lines(third.sink)) == 5
    assert unique_lines(third.sink).count(b"banner") == 2


def test_p5_words_of_another_agent_on_the_host_are_none_of_this_ones(
    tmp_path: Path,
) -> None:
    first = lived(tmp_path)
    first.crash()
    (own, *_) = ledger_of(first.sink)
    others = msgspec.structs.replace(
        own, generation="0" * 32, agent_id="another", revision=own.revision + 9
    )
    later = msgspec.structs.replace(own, generation="1" * 32)
    # Its first start found the other one's words, as a host's new folder does.
    held = msgspec.structs.replace(others, generation="2" * 32, next_offset=7)
    since = msgspec.structs.replace(held, revision=held.revision + 50, next_offset=70)
    loaded = Loaded(Condition.INTACT, (own, held), frozenset({"test"}))
    restored = restore(
        loaded,
        had_life=True,
        now_ms=first.clock.now_ms(),
        read_ledger=dict,
        words=LedgerWords(
            own.agent_id,
            lambda _: {one.generation: one for one in (own, others, later, since)},
            lambda _: True,
        ),
    )
    offsets = {r.generation: r.next_offset for r in restored.records}
    assert offsets == {
        own.generation: own.next_offset,
        "1" * 32: later.next_offset,
        "2" * 32: held.next_offset,
    }


def test_p5_words_are_asked_for_since_the_newest_that_the_checkpoint_holds(
    tmp_path: Path,
) -> None:
    """A clock that was ahead is not believed: Kafka would find nothing."""
    first = lived(tmp_path)
    first.crash()
    (own, *_) = ledger_of(first.sink)
    asked: list[int] = []

    def since(moment_ms: int) -> dict[str, AgentLedger]:
        asked.append(moment_ms)
        return {}

    words = LedgerWords(own.agent_id, since, lambda _: True)
    at_ms = own.updated_at_ms
    assert words.newer_than([own], now_ms=at_ms + 99) == {}
    words.newer_than([own], now_ms=at_ms - 5_000)
    words.newer_than([], now_ms=at_ms)
    assert asked == [at_ms - CLOCK_SLACK_MS, at_ms - 5_000 - CLOCK_SLACK_MS, 0]


class Asked(NamedTuple):
    """What a start heard, and said."""

    words: dict[str, AgentLedger]
    said: list[str]


def asked_with(
    read: Callable[[Callable[[], bool]], dict[str, AgentLedger]], *, wait_ms_max: int
) -> Asked:
    logged = LogCapture()
    log = structlog.wrap_logger(None, processors=[logged])
    words = ask_in_time(read, stop=threading.Event(), log=log, wait_ms_max=wait_ms_max)
    return Asked(dict(words), [entry["event"] for entry in logged.entries])


def test_k1_start_does_not_wait_for_a_ledger_that_does_not_answer(
    tmp_path: Path,
) -> None:
    """And what was read till then counts for nothing: half a truth is none."""
    first = lived(tmp_path)
    first.crash()
    (own, *_) = ledger_of(first.sink)
    has_ended = threading.Event()

    def read(is_over: Callable[[], bool]) -> dict[str, AgentLedger]:
        while not is_over():
            has_ended.wait(0.005)
        has_ended.set()
        return {own.generation: own}

    assert asked_with(read, wait_ms_max=40) == ({}, ["ledger_not_asked"])
    assert has_ended.wait(10), "who reads was not told that nobody waits"
    whole = asked_with(lambda _: {own.generation: own}, wait_ms_max=10_000)
    assert whole == ({own.generation: own}, [])


def test_k1_start_goes_on_at_once_where_nothing_listens() -> None:
    def read(_: Callable[[], bool]) -> dict[str, AgentLedger]:
        raise ServiceUnavailable("Kafka", address="nowhere", reason="it is down")

    assert asked_with(read, wait_ms_max=600_000) == ({}, ["ledger_not_asked"])


class Found(NamedTuple):
    """What the library says of a partition, where there is such a record."""

    offset: int
    timestamp: int


@dataclass(slots=True)
class ConsumerOfTimes:
    """Answers the one question that the library's consumer is asked."""

    answers: dict[str, Found | None]

    def offsets_for_times(self, moments: dict[str, int]) -> dict[str, Found | None]:
        assert set(moments.values()) == {7}
        return self.answers


def test_topic_is_read_from_a_moment_on_and_not_at_all_where_nothing_came_since() -> (
    None
):
    consumer = ConsumerOfTimes({"a": Found(3, 7), "b": None, "c": Found(-1, -1)})
    begins = first_offsets_since(consumer, {"a": 9, "b": 5, "c": 6}, moment_ms=7)
    assert begins == {"a": 3, "b": 5, "c": 6}
