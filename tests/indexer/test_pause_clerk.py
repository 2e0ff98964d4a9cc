"""Agents are asked to wait at half of a retention, and go on well below it."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec
import pytest
import structlog
from structlog.testing import LogCapture

from tailrace.errors import ServiceUnavailable
from tailrace.retention_pause import GO_ON_SHARE, PAUSE_SHARE, LateTopic, Pause
from tailrace_indexer.fence import LeadLost
from tailrace_indexer.pause_clerk import LOOK_MS, Pauser
from tests.support.standing_clock import StandingClock

PATH = "/t/pause/agents"


@dataclass
class Scene:
    """A leader between a ZooKeeper in memory and a Kafka of which `used` is used up."""

    used: float = 0.0
    docs_used: float = 0.0
    nodes: dict[str, bytes] = field(default_factory=dict[str, bytes])
    written: int = 0
    leads: bool = True
    is_zookeeper_away: bool = False
    loses_answers: bool = False
    is_kafka_away: bool = False
    clock: StandingClock = field(default_factory=lambda: StandingClock(at_ms=10**12))
    logged: LogCapture = field(default_factory=LogCapture)

    def __post_init__(self) -> None:
        self.pauser = Pauser(
            self,
            namespace="t",
            late_at=self._late_at,
            require=self._require,
            clock=self.clock,
            log=structlog.wrap_logger(None, processors=[self.logged]),
        )

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        is_new = path not in self.nodes
        if is_new or is_news:
            self.nodes[path] = data
            self.written += 1
        if self.loses_answers:
            raise ServiceUnavailable("ZooKeeper", address="z", reason="no answer")
        return is_new

    def delete(self, path: str) -> None:
        self.nodes.pop(path, None)

    def _late_at(self, share: float) -> tuple[LateTopic, ...]:
        if self.is_kafka_away:
            raise ServiceUnavailable("Kafka", address="k", reason="no answer")
        used = {"t.raw": self.used, "t.docs": self.docs_used}
        return tuple(
            LateTopic(topic=topic, group=f"{topic}-reader", partitions=1)
            for topic, each in used.items()
            if each >= share
        )

    def _require(self) -> None:
        if self.is_zookeeper_away:
            raise ServiceUnavailable("ZooKeeper", address="z", reason="no answer")
        if not self.leads:
            raise LeadLost("another leads")

    def look_at(self, used: float) -> bool:
        """Return whether agents wait after a look at so much."""
        self.used = used
        self.clock.at_ms += LOOK_MS
        self.pauser.look()
        return PATH in self.nodes

    def said(self) -> list[str]:
        return [entry["event"] for entry in self.logged.entries]


def test_k10_agents_wait_at_half_and_go_on_below_what_made_them_wait() -> None:
    scene = Scene()
    shares = (0.3, PAUSE_SHARE - 0.01, PAUSE_SHARE, GO_ON_SHARE, GO_ON_SHARE - 0.01)
    assert [scene.look_at(used) for used in shares] == [False, False, True, True, False]
    assert not scene.look_at(PAUSE_SHARE - 0.01)
    assert scene.said() == ["agents_paused", "agents_go_on"]


def test_k10_a_pause_that_lasts_is_written_once_and_made_anew_where_it_went() -> None:
    """With the session the node goes, too."""
    scene = Scene()
    for _ in range(3):
        scene.look_at(0.9)
    assert scene.written == 1
    since_ms = msgspec.json.decode(scene.nodes.pop(PATH), type=Pause).since_ms
    assert scene.look_at(0.9)
    assert msgspec.json.decode(scene.nodes[PATH], type=Pause).since_ms == since_ms
    assert scene.said() == ["agents_paused"]


def test_k10_z6_who_leads_no_more_neither_asks_for_a_pause_nor_ends_one() -> None:
    scene = Scene(leads=False)
    with pytest.raises(LeadLost):
        scene.look_at(0.9)
    assert PATH not in scene.nodes

    scene.leads = True
    assert scene.look_at(0.9)
    scene.leads = False
    with pytest.raises(LeadLost):
        scene.look_at(0.0)
    assert PATH in scene.nodes


def test_k10_z1_a_pause_is_ended_after_zookeeper_did_not_answer() -> None:
    scene = Scene()
    assert scene.look_at(0.9)
    scene.is_zookeeper_away = True
    with pytest.raises(ServiceUnavailable):
        scene.look_at(0.0)
    scene.is_zookeeper_away = False
    assert not scene.look_at(0.0)


def test_k10_z1_a_pause_whose_making_was_not_answered_is_ended_all_the_same() -> None:
    """It was made, in this session, and nobody told."""
    scene = Scene(loses_answers=True)
    with pytest.raises(ServiceUnavailable):
        scene.look_at(0.5)
    assert PATH in scene.nodes
    scene.loses_answers = False
    assert not scene.look_at(0.49)
    assert scene.said() == []


def test_k10_a_topic_that_never_came_to_half_prolongs_no_pause() -> None:
    scene = Scene(docs_used=0.45)
    assert scene.look_at(0.5)
    told = msgspec.json.decode(scene.nodes[PATH], type=Pause)
    assert [each.topic for each in told.late] == ["t.raw"]
    assert not scene.look_at(0.1)


def test_k10_k1_while_kafka_does_not_answer_a_pause_stays_as_it_is() -> None:
    scene = Scene()
    assert scene.look_at(0.9)
    scene.is_kafka_away = True
    with pytest.raises(ServiceUnavailable):
        scene.look_at(0.0)
    assert PATH in scene.nodes


def test_kafka_is_asked_no_oftener_than_it_is_worth() -> None:
    scene = Scene()
    scene.look_at(0.0)
    scene.used = 0.9
    scene.clock.at_ms += LOOK_MS - 1
    scene.pauser.look()
    assert PATH not in scene.nodes
