"""What a heartbeat may claim: all that stood in the files then is in the ledger before it."""

from __future__ import annotations

import gzip
import random
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from tailrace.ledger import AgentHeartbeat, decode_ledger, ledger_partition
from tailrace.role_status import REWRITE_MS
from tailrace.wire import AgentLedger
from tailrace_agent.config import AgentSettings
from tailrace_agent.records import Outgoing
from tailrace_agent.rules import Rules
from tests.agent.harness import (
    AgentHarness,
    FailingSink,
    RecordingSink,
    heartbeats_of,
    ledger_of,
)


class SlowPartitionSink(RecordingSink):
    """Holds the generations' records, as a partition without a leader does, and takes
    the heartbeats, which stand in another one."""

    def send(self, record: Outgoing, *, ticket: int) -> None:
        if self.is_holding and record.key.startswith(b"heartbeat|"):
            self._store(ticket, record)
        else:
            super().send(record, ticket=ticket)


@dataclass
class Claimed:
    """A heartbeat, and what the ledger said of each path when it was sent."""

    heartbeat: AgentHeartbeat
    seen: dict[str, int]
    """By path: the bytes that its generations were seen to have, all lives together."""


def claims_of(sink: RecordingSink) -> list[Claimed]:
    """Return each heartbeat as a reader takes it, with only what came before it."""
    newest: dict[str, AgentLedger] = {}
    claims: list[Claimed] = []
    for stored in sink.stored:
        if not stored.topic.endswith(".ledger"):
            continue
        record = decode_ledger(stored.value)
        if isinstance(record, AgentLedger):
            newest[record.generation] = record
        elif isinstance(record, AgentHeartbeat):
            seen: dict[str, int] = {}
            for one in newest.values():
                size = max(one.seen_size_bytes, one.next_offset)
                seen[one.path] = seen.get(one.path, 0) + size
            claims.append(Claimed(record, seen))
    return claims


def newest(agent: AgentHarness) -> AgentHeartbeat:
    return heartbeats_of(agent.sink)[-1]


def test_a_heartbeat_comes_at_its_interval_and_says_how_things_stand(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=5_000)
    agent.write("a.log", b"one\ntwo\n")
    started_ms = agent.clock.now_ms()
    agent.pass_ms(30_000)

    beats = heartbeats_of(agent.sink)
    assert 6 <= len(beats) <= 7
    last = beats[-1]
    assert (last.files, last.unread_bytes, last.lost_bytes) == (1, 0, 0)
    assert (last.agent_id, last.host_id, last.host_name) == ("agent-1", "host-1", "box")
    assert last.interval_ms == 5_000
    # Never ahead of its own time, and not far behind it.
    assert all(0 <= b.updated_at_ms - b.swept_at_ms <= 5_000 for b in beats)
    assert all(b.swept_at_ms >= started_ms for b in beats)


def test_the_ledger_knows_of_every_byte_that_a_heartbeat_claims(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, ledger_ms=600_000)
    sizes: list[tuple[int, dict[str, int]]] = []
    written: dict[str, int] = {}
    chance = random.Random(7)
    for _ in range(300):
        if chance.random() < 0.5:
            name = chance.choice(("a.log", "b.log", "c.log"))
            line = b"x" * chance.randint(1, 50) + b"\n"
            path = str(agent.write(name, line))
            written[path] = written.get(path, 0) + len(line)
        sizes.append((agent.clock.now_ms(), dict(written)))
        agent.loop.step()
        agent.clock.sleep_ms(50)

    claims = claims_of(agent.sink)
    assert len(claims) > 8
    for claim in claims:
        at_ms = claim.heartbeat.swept_at_ms
        there = [held for moment_ms, held in sizes if moment_ms <= at_ms][-1]
        for path, size_bytes in there.items():
            assert claim.seen.get(path, 0) >= size_bytes, (at_ms, path)


def test_a_claim_waits_for_the_ledger_records_that_bear_it(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(4_000)
    claimed_ms = newest(agent).swept_at_ms

    agent.write("a.log", b"two\n")
    agent.sink.is_holding = True
    written_ms = agent.clock.now_ms()
    agent.pass_ms(10_000)
    # Whatever is held, at most one heartbeat is among it.
    held = [record for _, record in agent.sink.held]
    assert sum(record.key.startswith(b"heartbeat|") for record in held) == 1
    assert newest(agent).swept_at_ms == claimed_ms

    agent.sink.is_holding = False
    agent.sink.release()
    agent.pass_ms(4_000)
    assert newest(agent).swept_at_ms > written_ms
    assert [r.seen_size_bytes for r in ledger_of(agent.sink)][-1] == 8


def refuse_to_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no file be opened: root, who runs tests at times, may read everything."""

    def refuse(path: str, *, rules: Rules) -> None:
        del rules
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr("tailrace_agent.opening.open_file", refuse)


def test_a_heartbeat_claims_nothing_that_is_only_sent(tmp_path: Path) -> None:
    sink = SlowPartitionSink()
    agent = AgentHarness(tmp_path, sink=sink, heartbeat_ms=1_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(4_000)
    sink.is_holding = True
    agent.write("a.log", b"two\n")
    written_ms = agent.clock.now_ms()
    agent.pass_ms(10_000)

    assert newest(agent).updated_at_ms >= written_ms + 8_000
    assert newest(agent).swept_at_ms <= written_ms
    sink.is_holding = False
    sink.release()
    agent.pass_ms(4_000)
    assert newest(agent).swept_at_ms > written_ms


def test_a_followed_file_that_cannot_be_opened_any_more_is_not_claimed_over(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(3_000)
    (tracked,) = agent.table.files.values()
    tracked.close()
    with pytest.MonkeyPatch.context() as patched:
        refuse_to_open(patched)
        agent.write("a.log", b"more\n")
        written_ms = agent.clock.now_ms()
        agent.pass_ms(10_000)

        # It lives, and claims no more.
        assert newest(agent).updated_at_ms >= written_ms + 8_000
        assert newest(agent).swept_at_ms <= written_ms
        assert newest(agent).unread_bytes == 5

    agent.pass_ms(70_000)
    assert newest(agent).swept_at_ms > written_ms
    assert newest(agent).unread_bytes == 0


def test_a_file_that_was_never_opened_counts_as_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_to_open(monkeypatch)
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000)
    path = agent.write("a.log", b"one\n")
    agent.pass_ms(4_000)
    assert newest(agent).unread_bytes == newest(agent).unreadable_bytes == 4
    assert not newest(agent).waiting_bytes

    path.unlink()
    agent.pass_ms(4_000)
    assert newest(agent).unread_bytes == 0


def test_growth_that_there_is_no_room_for_is_told_and_claimed_all_the_same(
    tmp_path: Path,
) -> None:
    """With all of its chunks on the way the agent reads nothing, and still looks."""
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, ledger_ms=1_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(3_000)
    agent.delivery.outbox.in_flight_bytes = agent.settings.in_flight_bytes_max
    agent.write("a.log", b"two\n")
    written_ms = agent.clock.now_ms()
    agent.pass_ms(4_000)

    last = ledger_of(agent.sink)[-1]
    assert (last.next_offset, last.seen_size_bytes) == (4, 8)
    assert newest(agent).swept_at_ms > written_ms
    assert newest(agent).unread_bytes == 4


def test_a_line_that_is_not_ended_and_an_empty_file_stop_no_claim(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, flush_after_ms=600_000)
    agent.write("a.log", b"no end yet")
    agent.write("b.log", b"")
    agent.write("c.log", b"\0" * 4_096)
    started_ms = agent.clock.now_ms()
    agent.pass_ms(5_000)

    assert newest(agent).swept_at_ms > started_ms + 2_000


def test_f7_what_a_truncation_took_is_in_the_ledger_before_the_next_claim(
    tmp_path: Path,
) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, ledger_ms=600_000)
    path = agent.write("a.log", b"one\ntwo\nthree\n")
    agent.pass_ms(3_000)
    agent.delivery.outbox.in_flight_bytes = agent.settings.in_flight_bytes_max
    agent.write("a.log", b"never read\n")
    agent.pass_ms(2_000)
    agent.delivery.outbox.in_flight_bytes = 0
    path.write_bytes(b"new\n")
    agent.pass_ms(3_000)

    old = next(r for r in reversed(ledger_of(agent.sink)) if r.is_closed)
    assert old.lost_bytes == {"truncated": 11}
    assert old.next_offset + 11 == old.seen_size_bytes == 25
    claim = claims_of(agent.sink)[-1]
    assert claim.seen[str(path)] == 25 + 4
    assert claim.heartbeat.lost_bytes == 11


def test_heartbeats_do_not_grow_while_kafka_is_away_and_stop_no_stop(
    tmp_path: Path,
) -> None:
    sink = FailingSink()
    agent = AgentHarness(tmp_path, sink=sink, heartbeat_ms=1_000)
    agent.write("a.log", b"one\n")
    agent.pass_ms(8_000)
    count = len(heartbeats_of(sink))
    sink.is_down = True
    agent.pass_ms(60_000)
    assert agent.delivery.outbox.in_flight_records == 1

    sink.is_down = False
    back_ms = agent.clock.now_ms()
    agent.pass_ms(12_000)
    beats = heartbeats_of(sink)[count:]
    # The newest of those that waited, and from then on at the interval.
    assert back_ms - 2_000 <= beats[0].updated_at_ms
    assert len(beats) <= 14

    sink.is_down = True
    agent.pass_ms(3_000)
    agent.stop()
    assert not agent.said("stopped_before_acknowledgement")


def test_nothing_is_said_before_the_first_claim_holds(tmp_path: Path) -> None:
    sink = RecordingSink()
    agent = AgentHarness(tmp_path, sink=sink, heartbeat_ms=1_000)
    agent.write("a.log", b"one\n")
    sink.is_holding = True
    agent.pass_ms(5_000)

    assert [r for _, r in sink.held if r.key.startswith(b"heartbeat|")] == []
    sink.is_holding = False
    sink.release()
    agent.pass_ms(3_000)
    assert heartbeats_of(sink)


def test_an_idle_agent_writes_no_status_for_its_heartbeats(tmp_path: Path) -> None:
    told: list[int] = []
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, on_status=lambda: told.append(1))
    agent.write("a.log", b"one\n")
    agent.pass_ms(20_000)
    told.clear()
    count = len(heartbeats_of(agent.sink))
    agent.pass_ms(20_000)

    assert len(heartbeats_of(agent.sink)) >= count + 19
    assert len(told) <= 1 + 20_000 // REWRITE_MS


def test_an_idle_agent_tells_how_it_is_now_and_then(tmp_path: Path) -> None:
    """By the age of its word it is known whether its disk takes one."""
    told: list[int] = []
    agent = AgentHarness(tmp_path, on_status=lambda: told.append(agent.clock.now_ms()))
    agent.write("a.log", b"one\n")
    agent.pass_ms(10 * REWRITE_MS)

    rests_ms = [later - earlier for earlier, later in pairwise(told)]
    assert len(told) > 10
    assert max(rests_ms) <= 2 * REWRITE_MS


def test_a_copy_that_is_not_clear_yet_holds_the_claim_back(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, glob="*.log*")
    agent.write("a.log", b"one\ntwo\n")
    agent.pass_ms(3_000)
    # It begins as its original did, and says no more: a copy that is still being made?
    held_ms = agent.clock.now_ms()
    agent.write("a.log.1", b"one\ntwo\nthree\n")
    agent.pass_ms(5_000)
    assert newest(agent).swept_at_ms <= held_ms
    assert newest(agent).unread_bytes == 14

    agent.pass_ms(15_000)
    assert newest(agent).swept_at_ms > held_ms
    assert newest(agent).unread_bytes == 0


def test_f20_an_archive_that_is_never_completed_beside_its_original_holds_no_claim(
    tmp_path: Path,
) -> None:
    """Whoever compressed it was killed: all that it would hold is read from the original."""
    agent = AgentHarness(tmp_path, heartbeat_ms=1_000, glob="*.log*")
    content = b"".join(b"line %d\n" % n for n in range(1_000))
    path = agent.write("a.log.1", content)
    agent.pass_ms(3_000)
    archive = gzip.compress(content, mtime=0)
    path.with_name("a.log.1.gz").write_bytes(archive[: len(archive) // 2])
    agent.pass_ms(30_000)
    assert newest(agent).swept_at_ms > agent.clock.now_ms() - 5_000
    assert newest(agent).lost_bytes == 0

    path.unlink()
    agent.pass_ms(30_000)
    assert newest(agent).swept_at_ms > agent.clock.now_ms() - 5_000


def test_a_heartbeat_may_not_be_more_frequent_than_a_second() -> None:
    assert AgentSettings().heartbeat_ms == 5_000
    with pytest.raises(ValueError, match="heartbeat_ms"):
        AgentSettings(heartbeat_ms=999)


def test_a_heartbeat_names_the_newest_record_that_it_stands_on(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"one\n")
    agent.pass_ms(20_000)

    last = ledger_of(agent.sink)[-1]
    partition = str(ledger_partition(last))
    assert heartbeats_of(agent.sink)[-1].told_at_ms == {partition: last.updated_at_ms}


def test_a_heartbeat_names_what_the_claim_before_it_stood_on(tmp_path: Path) -> None:
    """Of the partitions alone in which something was told since."""
    agent = AgentHarness(tmp_path)
    path = agent.write("a.log", b"one\n")
    agent.pass_ms(20_000)
    first = heartbeats_of(agent.sink)[-1]
    assert first.told_before_ms == {}
    (partition,) = first.told_at_ms

    with path.open("ab") as file:
        file.write(b"two\n")
    agent.pass_ms(20_000)

    later = [beat for beat in heartbeats_of(agent.sink) if beat.told_before_ms]
    assert later[-1].told_before_ms == {partition: first.told_at_ms[partition]}
    assert later[-1].told_at_ms[partition] > first.told_at_ms[partition]
    assert first.swept_at_ms <= later[-1].swept_before_ms < later[-1].swept_at_ms
