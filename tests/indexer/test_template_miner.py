"""What the miner tells, whoever runs it, and whatever was lost meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
import pytest
from structlog.testing import capture_logs

from tailrace.kafka_reader import TopicEntry
from tailrace.log import logger
from tailrace.template_aliases import TemplateAlias, TemplateGroups, alias_key, newest
from tailrace.template_records import TemplateRecord, template_key
from tailrace.topics import TEMPLATE_ALIASES
from tailrace.wire import decode, encode
from tailrace_indexer import template_miner
from tailrace_indexer.acked_writer import Writing
from tailrace_indexer.fence import LeadLost
from tailrace_indexer.template_miner import AGAIN_MS, WHOLE_MS, TemplateMiner, told_in
from tests.support.standing_clock import StandingClock

NAMES = ("anna", "boris", "carla", "dirk", "emil", "fritz")


class Killed(BaseException):
    """The process ends here."""


@dataclass(slots=True)
class MemoryTemplates:
    """Topic and index of aliases, and the topic of templates; they outlive a miner."""

    templates_told: list[TopicEntry] = field(default_factory=list[TopicEntry])
    aliases_told: list[TopicEntry] = field(default_factory=list[TopicEntry])
    index: dict[bytes, TemplateAlias] = field(
        default_factory=dict[bytes, TemplateAlias]
    )
    writings: int = 0
    killed_at: int | None = None
    is_stored_before: bool = False
    """Whether what is written when it is killed is stored."""
    is_led_by_another: bool = False
    refuses: bool = False

    def see(self, *texts: str, partition: int = 0, dataset: str = "app") -> None:
        for text in texts:
            offset = len(self.templates_told)
            record = TemplateRecord(
                template_id=text.replace(" ", "-"),
                text=text,
                partition=partition,
                part=offset,
                raw_topic_id="topic",
                raw_next_offset=offset + 1,
                revision=offset + 1,
                count=1,
                first_seen_ms=1_000 + offset,
                last_seen_ms=2_000 + offset,
                datasets=(dataset,),
            )
            self.templates_told.append(
                TopicEntry(template_key(record), encode(record), partition, offset)
            )

    def templates(self, begin: Mapping[int, int]) -> list[TopicEntry]:
        return [
            one for one in self.templates_told if one.offset >= begin[one.partition]
        ]

    def told_aliases(self) -> list[TemplateAlias]:
        return told_in(self.aliases_told)

    def indexed_aliases(self) -> list[TemplateAlias]:
        return list(self.index.values())

    def write(self, writings: Sequence[Writing]) -> list[int] | None:
        if self.is_led_by_another:
            raise LeadLost("another leads")
        self.writings += 1
        is_killed = self.writings == self.killed_at
        if is_killed and not self.is_stored_before:
            raise Killed
        if self.refuses:
            return None
        for one in writings:
            assert one.topic == TEMPLATE_ALIASES.name("t")
            assert one.value is not None
            entry = TopicEntry(one.key, one.value, 0, len(self.aliases_told))
            self.aliases_told.append(entry)
            alias = decode(one.value, as_type=TemplateAlias)
            self.index[alias_key(alias)] = alias
        if is_killed:
            raise Killed
        return []

    def groups(self) -> TemplateGroups:
        return TemplateGroups(self.told_aliases())


def miner(servers: MemoryTemplates, clock: StandingClock) -> TemplateMiner:
    return TemplateMiner(
        servers, servers, namespace="t", look_ms=1, clock=clock, log=logger("indexer")
    )


def look(one: TemplateMiner, clock: StandingClock, *, times: int = 4) -> None:
    for _ in range(times):
        one.look()
        clock.sleep_ms(1_000)


def seen() -> MemoryTemplates:
    servers = MemoryTemplates()
    for place, name in enumerate(NAMES):
        servers.see(f"session opened for user {name}", partition=place % 3)
        servers.see(f"quota of user {name} is used up", dataset="web")
    servers.see("disk is full")
    return servers


def told(servers: MemoryTemplates) -> set[tuple[str, str, str]]:
    """Return what is told of which ids, without the moment."""
    return {
        (one.template_id, one.group_id, one.text)
        for one in newest(servers.told_aliases()).values()
    }


def clean_run() -> set[tuple[str, str, str]]:
    servers, clock = seen(), StandingClock()
    look(miner(servers, clock), clock)
    return told(servers)


def test_what_is_one_is_told_once() -> None:
    servers, clock = seen(), StandingClock()
    look(miner(servers, clock), clock, times=10)
    assert len(servers.groups()) == 2
    assert len(servers.aliases_told) == 10
    assert servers.writings == 1


def test_one_that_comes_later_is_told_of_at_the_next_look() -> None:
    servers, clock = seen(), StandingClock()
    one = miner(servers, clock)
    look(one, clock)
    # Of a partition that had nothing when it was read first.
    servers.see("session opened for user zoe", partition=7)
    look(one, clock)
    groups = servers.groups()
    assert groups.group_of("session-opened-for-user-zoe") == groups.group_of(
        "session-opened-for-user-anna"
    )


@pytest.mark.parametrize("is_stored_before", [False, True])
@pytest.mark.parametrize("killed_at", [1, 2, 3])
def test_whoever_is_killed_wherever_the_next_one_tells_the_same(
    killed_at: int, is_stored_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(template_miner, "TOLD_MAX", 3)
    servers, clock = seen(), StandingClock()
    servers.killed_at, servers.is_stored_before = killed_at, is_stored_before
    with pytest.raises(Killed):
        look(miner(servers, clock), clock, times=10)
    look(miner(servers, clock), clock, times=10)
    assert told(servers) == clean_run()


@pytest.mark.parametrize("lost", ["topic", "index", "topic, while one lives"])
def test_what_is_lost_is_told_again_and_is_the_same(lost: str) -> None:
    servers, clock = seen(), StandingClock()
    one = miner(servers, clock)
    look(one, clock)
    # Seen before all others, it would stand for its group, were that found anew.
    servers.see("session opened for user aaron")
    before = servers.templates_told[-1]
    early = decode(before.value or b"", as_type=TemplateRecord)
    early = msgspec.structs.replace(early, first_seen_ms=1)
    servers.templates_told[-1] = before._replace(value=encode(early))
    look(one, clock)
    complete = told(servers)
    clock.sleep_ms(WHOLE_MS)
    if lost == "index":
        servers.index.clear()
    else:
        servers.aliases_told.clear()
    if lost == "topic, while one lives":
        servers.index.clear()
        look(one, clock)
    else:
        look(miner(servers, clock), clock)
    assert told(servers) == complete
    assert set(servers.index) == {alias_key(a) for a in servers.told_aliases()}


def test_z6_one_that_was_elected_before_tells_nothing_more() -> None:
    servers, clock = seen(), StandingClock()
    servers.is_led_by_another = True
    with pytest.raises(LeadLost):
        look(miner(servers, clock), clock)
    assert servers.aliases_told == []


def test_what_kafka_refuses_is_told_by_the_next_look() -> None:
    servers, clock = seen(), StandingClock()
    one = miner(servers, clock)
    servers.refuses = True
    with capture_logs() as log:
        look(one, clock)
    assert {entry["event"] for entry in log} == {"aliases_not_told"}
    servers.refuses = False
    look(one, clock)
    assert told(servers) == clean_run()


def test_what_the_topic_would_forget_is_told_again_while_anybody_knows_it() -> None:
    servers, clock = seen(), StandingClock()
    look(miner(servers, clock), clock)
    clock.sleep_ms(AGAIN_MS)
    # By then the workers know the one kind alone.
    servers.templates_told = [
        entry for entry in servers.templates_told if b"quota" not in (entry.key or b"")
    ]
    written = len(servers.aliases_told)
    look(miner(servers, clock), clock)
    again = told_in(servers.aliases_told[written:])
    assert len(again) == 5
    assert all("session" in one.text for one in again)


def test_a_record_that_cannot_be_read_stops_nobody() -> None:
    servers, clock = seen(), StandingClock()
    servers.templates_told.append(TopicEntry(b"k", b"{", 1, 99))
    servers.aliases_told.append(TopicEntry(b"k", b"{", 0, 0))
    look(miner(servers, clock), clock)
    assert told(servers) == clean_run()


def test_only_so_many_templates_are_compared_those_seen_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_miner, "KNOWN_MAX", 3)
    servers, clock = seen(), StandingClock()
    look(miner(servers, clock), clock)
    # The last three: one of a full disk, and one of each kind.
    assert servers.aliases_told == []


def test_beyond_so_many_aliases_nothing_more_is_merged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    servers, clock = seen(), StandingClock()
    one = miner(servers, clock)
    look(one, clock)
    monkeypatch.setattr(template_miner, "ALIASES_MAX", 10)
    servers.see("session opened for user zoe")
    with capture_logs() as log:
        look(one, clock)
    assert len(servers.aliases_told) == 10
    assert [entry["event"] for entry in log] == ["templates_not_merged"]


class SlowClock(StandingClock):
    """Each question for the time takes as long as a look at very many texts."""

    def monotonic_ms(self) -> int:
        self.sleep_ms(500)
        return super().monotonic_ms()


def test_a_look_that_takes_long_is_followed_by_a_long_rest() -> None:
    servers, clock = seen(), SlowClock()
    one = miner(servers, clock)
    one.look()
    servers.see("session opened for user zoe")
    for _ in range(10):
        one.look()
    assert servers.writings == 1
    for _ in range(20):
        one.look()
    assert servers.writings == 2
