"""Merges templates, for as long as this process leads: what the miner is wired to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Final

from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.kafka_reader import TopicEntry, read_topic
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.template_alias_index import all_aliases, asking
from tailrace.template_aliases import TemplateAlias
from tailrace.topics import TEMPLATE_ALIASES, TEMPLATES
from tailrace_indexer.acked_writer import AckedWriter, GuardedWriter
from tailrace_indexer.clerk import Clerk
from tailrace_indexer.fence import Guard
from tailrace_indexer.template_miner import TemplateMiner, told_in

CLIENT_ID: Final = "tailrace-indexer-miner"


class ServersTopics:
    """What the miner reads, on real servers."""

    def __init__(
        self,
        connections: Connections,
        elastic: Elastic,
        *,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._connections = connections
        self._elastic = elastic
        self._is_stopping = is_stopping

    def templates(self, begin: Mapping[int, int]) -> Iterator[TopicEntry]:
        """Yield what was told of templates, in each partition from an offset on.

        Raises:
            ServiceUnavailable: Kafka does not answer.
            TopicMissing: `tailrace provision` has not run.
        """
        return read_topic(
            self._connections,
            TEMPLATES,
            client_id=CLIENT_ID,
            is_stopping=self._is_stopping,
            begin=begin,
        )

    def told_aliases(self) -> list[TemplateAlias]:
        """Return the aliases in the topic.

        Raises:
            ServiceUnavailable: Kafka does not answer.
            TopicMissing: `tailrace provision` has not run.
        """
        return told_in(
            read_topic(
                self._connections,
                TEMPLATE_ALIASES,
                client_id=CLIENT_ID,
                is_stopping=self._is_stopping,
            )
        )

    def indexed_aliases(self) -> list[TemplateAlias]:
        """Return the aliases in the index.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        return all_aliases(asking(self._elastic, namespace=self._connections.namespace))


def start_template_clerk(
    connections: Connections,
    *,
    elastic: Elastic,
    guard: Guard,
    look_ms: int,
    log: FilteringBoundLogger,
    closing: ExitStack,
) -> None:
    """Merge templates in a thread of its own, until `closing` ends it."""

    def is_stopping() -> bool:
        return clerk.is_stopping

    writer = AckedWriter(connections)
    closing.callback(writer.close)
    miner = TemplateMiner(
        ServersTopics(connections, elastic, is_stopping=is_stopping),
        GuardedWriter(writer, require=guard.require),
        namespace=connections.namespace,
        look_ms=look_ms,
        clock=SystemClock(),
        log=log,
        is_stopping=is_stopping,
    )
    clerk = Clerk(miner.look, name="templates", log=log)
    # Before the writer, which belongs to its thread.
    closing.callback(clerk.close)
    clerk.start()
