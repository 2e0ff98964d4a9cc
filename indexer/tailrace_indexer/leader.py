"""The one indexer of many that keeps the disk within its quota, elected in ZooKeeper.

Indexing never depends on it: without ZooKeeper nothing is expired, and everything is stored.
"""

from __future__ import annotations

import random
import threading
from typing import Any, cast
from urllib.parse import quote

import orjson

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.index_templates import events_alias
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.zookeeper import ZooKeeper
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import Outcome
from tailrace_indexer.retention import IndexFacts, expired, quota_of
from tailrace_indexer.status import DiskStatus

CONNECT_MS_MAX = 2_000
RETRY_S = 2.0
STOP_S_MAX = 5.0
EXPIRED_SHOWN_MAX = 10


class RetentionLeader:
    """Contends for the lead in a thread of its own, and leads while it holds it."""

    def __init__(
        self,
        connections: Connections,
        *,
        settings: IndexerSettings,
        log: FilteringBoundLogger,
    ) -> None:
        self._connections = connections
        self._settings = settings
        self._log = log
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)
        self._election: Any = None
        self.disk = DiskStatus()

    def start(self) -> None:
        """Begin to contend."""
        self._thread.start()

    def stop(self) -> None:
        """Give up the lead and contend no more."""
        self._stop.set()
        if self._election is not None:
            self._election.cancel()
        self._thread.join(STOP_S_MAX)

    def _run(self) -> None:
        zookeeper = ZooKeeper.connect(
            self._connections.zookeeper_hosts,
            jitter=random.Random(),  # noqa: S311 - spreads load, no secret
        )
        try:
            while not self._stop.is_set():
                if zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX):
                    self._contend(zookeeper)
                self._stop.wait(RETRY_S)
        finally:
            zookeeper.close()

    def _contend(self, zookeeper: ZooKeeper) -> None:
        path = f"/{self._connections.namespace}/leaders/indexer"
        self._election = cast("Any", zookeeper.native).Election(path)
        try:
            self._election.run(self._lead, zookeeper)
        except Exception as error:  # noqa: BLE001 - kazoo raises many kinds; all mean: again
            self._log.info("election_lost", reason=repr(error)[:200])
        self.disk = DiskStatus()

    def _lead(self, zookeeper: ZooKeeper) -> None:
        """Look at the quota again and again, while the session lasts."""
        self._log.info("leader_elected")
        with Elastic(self._connections) as elastic:
            retention = Retention(elastic, self._connections, log=self._log)
            while not self._stop.is_set() and zookeeper.is_connected:
                try:
                    self.disk = retention.keep(self._settings.disk_quota_bytes)
                except ServiceUnavailable as error:
                    self._log.warning("retention_skipped", reason=str(error))
                self._stop.wait(self._settings.retention_check_ms / 1_000)


class Retention:
    """Looks how much the event indices take, and deletes the oldest beyond the quota."""

    def __init__(
        self, elastic: Elastic, connections: Connections, *, log: FilteringBoundLogger
    ) -> None:
        self._elastic = elastic
        self._alias = events_alias(connections.namespace)
        self._ledger = f"{connections.namespace}-ledger"
        self._maker = IndexMaker(elastic, connections=connections)
        self._log = log
        self._deleted: list[str] = []

    def keep(self, setting_bytes: int) -> DiskStatus:
        """Delete what passes the quota, each index recorded before it goes.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        indices = self.indices()
        used_bytes = sum(index.size_bytes for index in indices)
        quota_bytes = quota_of(
            setting_bytes, used_bytes=used_bytes, free_bytes=self._free_bytes()
        )
        for index in expired(indices, quota_bytes=quota_bytes):
            self._expire(index, quota_bytes=quota_bytes or 0)
            used_bytes -= index.size_bytes
        return DiskStatus(
            is_leader=True,
            used_bytes=used_bytes,
            quota_bytes=quota_bytes or 0,
            expired_indices=tuple(self._deleted[-EXPIRED_SHOWN_MAX:]),
        )

    def indices(self) -> list[IndexFacts]:
        """Return every event index.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        alias = quote(self._alias)
        answer = self._elastic.request(
            "GET",
            f"/{alias}/_stats/store,docs?filter_path=indices.*.total.store.size_in_bytes"
            ",indices.*.primaries.docs.count",
        )
        if answer.status == 404:
            return []  # Nothing was ever indexed.
        if not answer.is_success:
            raise self._elastic.refusal(answer)
        described = cast("dict[str, Any]", answer.json() or {})
        stats = cast("dict[str, Any]", described.get("indices", {}))
        times = self._times()
        return [
            IndexFacts(
                name=name,
                size_bytes=int(found["total"]["store"]["size_in_bytes"]),
                document_count=int(found["primaries"]["docs"]["count"]),
                earliest_ms=times[name][0],
                latest_ms=times[name][1],
                written_ms=times[name][2],
            )
            for name, found in stats.items()
            # An index of which no document can be found yet is being written.
            if name in times
        ]

    def _times(self) -> dict[str, tuple[int, int, int]]:
        by_index = {
            "terms": {"field": "_index", "size": 10_000},
            "aggs": {
                "earliest": {"min": {"field": "@timestamp"}},
                "latest": {"max": {"field": "@timestamp"}},
                "written": {"max": {"field": "event.created"}},
            },
        }
        found = self._elastic.search(
            self._alias, body={"size": 0, "aggs": {"indices": by_index}}
        )
        buckets = cast(
            "list[dict[str, Any]]", found["aggregations"]["indices"]["buckets"]
        )
        times: dict[str, tuple[int, int, int]] = {}
        for bucket in buckets:
            latest = int(bucket["latest"]["value"] or 0)
            earliest = int(bucket["earliest"]["value"] or 0)
            written = int(bucket["written"]["value"] or latest)
            times[bucket["key"]] = (earliest, latest, written)
        return times

    def _free_bytes(self) -> int:
        answer = self._elastic.ask(
            "GET", "/_nodes/stats/fs?filter_path=nodes.*.fs.total.available_in_bytes"
        )
        nodes = cast("dict[str, Any]", answer.get("nodes", {}))
        return sum(
            int(node["fs"]["total"]["available_in_bytes"]) for node in nodes.values()
        )

    def _expire(self, index: IndexFacts, *, quota_bytes: int) -> None:
        self._record(index)
        answer = self._elastic.request("DELETE", f"/{quote(index.name, safe='')}")
        if not answer.is_success and answer.status != 404:
            raise self._elastic.refusal(answer)
        self._deleted.append(index.name)
        self._log.warning(
            "index_expired",
            index=index.name,
            documents=index.document_count,
            size_bytes=index.size_bytes,
            earliest_ms=index.earliest_ms,
            latest_ms=index.latest_ms,
            quota_bytes=quota_bytes,
        )

    def _record(self, index: IndexFacts) -> None:
        """Write down what goes, before it goes: a crash in between tells too much once."""
        made = self._maker.make(self._ledger)
        if made.outcome is not Outcome.STORED:
            raise ServiceUnavailable(
                "Elasticsearch", address=self._elastic.address, reason=made.detail
            )
        document = {
            "@timestamp": index.latest_ms,
            "tailrace.hop": "retention",
            "tailrace.expired.index": index.name,
            "tailrace.expired.document_count": index.document_count,
            "tailrace.expired.size_bytes": index.size_bytes,
            "tailrace.expired.earliest": index.earliest_ms,
            "tailrace.expired.latest": index.latest_ms,
        }
        answer = self._elastic.request(
            "PUT",
            f"/{self._ledger}/_doc/{quote(f'expired-{index.name}', safe='')}",
            body=orjson.dumps(document),
        )
        if not answer.is_success:
            raise self._elastic.refusal(answer)
