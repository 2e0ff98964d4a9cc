"""Has agents wait while something unread in Kafka is half way to being taken away.

1. Kafka is asked how much of its retention the oldest unread record has used up, of the raw
   topic and of that of documents.
2. ZooKeeper is asked whether this process leads still.
3. The node is made, or taken away. It is of the lead's session: should this process die, be
   frozen or cut off, agents go on, and whoever leads next looks anew.

Elasticsearch has no part in it: while it is away most is unread.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Protocol

import msgspec

from tailrace.clock import Clock, SystemClock
from tailrace.kafka_admin import KafkaAdmin
from tailrace.log import FilteringBoundLogger
from tailrace.retention_pause import (
    GO_ON_SHARE,
    PAUSE_SHARE,
    LateTopic,
    Pause,
    pause_path,
)
from tailrace.settings import Connections
from tailrace_indexer.clerk import Clerk
from tailrace_indexer.unread import late_topics

LOOK_MS = 20_000
"""Retention is of hours at least: much less would only cost questions."""


class Nodes(Protocol):
    """The part of ZooKeeper that a pause needs."""

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        """Make this session the owner of an ephemeral node; `is_news`: that holds `data`."""
        ...

    def delete(self, path: str) -> None:
        """Remove a node, if it is there."""
        ...


class Pauser:
    """Holds the node while it is needed, as one lead's own."""

    def __init__(
        self,
        zookeeper: Nodes,
        *,
        namespace: str,
        late_at: Callable[[float], tuple[LateTopic, ...]],
        require: Callable[[], None],
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        """Ask `late_at` which topics are late at a share of their retention.

        `require` raises `LeadLost` where another leads, and `ServiceUnavailable` where
        nobody can tell now.
        """
        self._zookeeper = zookeeper
        self._path = pause_path(namespace)
        self._late_at = late_at
        self._require = require
        self._clock = clock
        self._log = log
        self._look_ms = clock.monotonic_ms()
        self._pause: Pause | None = None
        self._may_be_there = False
        """Whether the node was made, or may have been: an answer can be lost."""

    def look(self) -> None:
        """Do what is due; safe to call again.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Kafka or ZooKeeper does not answer.
        """
        if self._clock.monotonic_ms() < self._look_ms:
            return
        # 1.
        late = self._late()
        # 2.
        self._require()
        # 3.
        if late:
            self._hold(late)
        else:
            self._let_go()
        self._look_ms = self._clock.monotonic_ms() + LOOK_MS

    def _late(self) -> tuple[LateTopic, ...]:
        """Return which topics are late: those of a pause until they are well below it."""
        if self._pause is None:
            return self._late_at(PAUSE_SHARE)
        paused = {each.topic for each in self._pause.late}
        return tuple(
            each for each in self._late_at(GO_ON_SHARE) if each.topic in paused
        )

    def _hold(self, late: tuple[LateTopic, ...]) -> None:
        since_ms = self._clock.now_ms() if self._pause is None else self._pause.since_ms
        pause = Pause(late=late, since_ms=since_ms)
        is_news = pause != self._pause
        self._may_be_there = True
        # Also one that is known already: with its session the node went, too.
        self._zookeeper.hold_ephemeral(
            self._path, msgspec.json.encode(pause), is_news=is_news
        )
        if self._pause is None:
            self._log.error(
                "agents_paused",
                why=pause.why(),
                remedy="see why the stream or the indexers are so far behind (`tailrace"
                " status`); agents go on by themselves once that is caught up with",
            )
        self._pause = pause

    def _let_go(self) -> None:
        # What another lead held goes with its session.
        if not self._may_be_there:
            return
        self._zookeeper.delete(self._path)
        self._may_be_there = False
        if self._pause is None:
            return
        lasted_ms = self._clock.now_ms() - self._pause.since_ms
        self._log.info("agents_go_on", lasted_ms=lasted_ms)
        self._pause = None


def start_pause_clerk(
    connections: Connections,
    zookeeper: Nodes,
    *,
    group: str,
    require: Callable[[], None],
    log: FilteringBoundLogger,
    closing: ExitStack,
) -> None:
    """Begin to look, until `closing` ends it."""
    clock = SystemClock()

    def late_at(share: float) -> tuple[LateTopic, ...]:
        with KafkaAdmin(connections, client_id="tailrace-indexer-pause") as kafka:
            return late_topics(
                kafka,
                namespace=connections.namespace,
                group=group,
                share=share,
                now_ms=clock.now_ms(),
            )

    pauser = Pauser(
        zookeeper,
        namespace=connections.namespace,
        late_at=late_at,
        require=require,
        clock=clock,
        log=log,
    )
    clerk = Clerk(pauser.look, name="pause", log=log)
    closing.callback(clerk.close)
    clerk.start()
