"""The one indexer of many that keeps disk and compacted topics right, elected in ZooKeeper.

Indexing never depends on it: without ZooKeeper nothing is expired, and everything is stored.
"""

from __future__ import annotations

import http
import random
import threading
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, cast

from tailrace.elasticsearch import Elastic
from tailrace.errors import NodeForbidden, ServiceUnavailable
from tailrace.log import FilteringBoundLogger
from tailrace.rights import MissingRight
from tailrace.settings import Connections
from tailrace.zookeeper import SESSION_MS, ZooKeeper
from tailrace.zookeeper_rights import login_of
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.election import Election, Lead
from tailrace_indexer.fence import LeadLost
from tailrace_indexer.lead_work import LeadWork
from tailrace_indexer.status import DiskStatus

CONNECT_MS_MAX = 2_000
RETRY_S = 2.0
LEADERS_RIGHT = "manage_index_templates"
"""Whoever has it has what a leader needs: docs/rights.md gives it to no other."""
LEADERS_NODE = "leaders"
"""Likewise in ZooKeeper, where who may read it may stand for election there."""
RIGHTS_LOOK_S = 10.0
"""How soon one that may not lead learns that it may."""
STOP_S_MAX = 5.0


class RetentionLeader:
    """Contends for the lead in a thread of its own, and leads while it holds it."""

    def __init__(
        self,
        connections: Connections,
        *,
        group: str,
        settings: IndexerSettings,
        is_expired: Callable[[str], bool],
        log: FilteringBoundLogger,
        session_ms: int = SESSION_MS,
    ) -> None:
        self._connections = connections.for_leader()
        self._is_expired = is_expired
        self._group = group
        self._settings = settings
        self._log = log
        self._session_ms = session_ms
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="leader", daemon=True)
        self._election: Election | None = None
        self._missing = ""
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
        while not self._stop.is_set():
            # A new session for each candidacy: with the old one goes whatever node of
            # ours is left, behind which the next would wait for ever.
            zookeeper = ZooKeeper.connect(
                self._connections.zookeeper_hosts,
                session_ms=self._session_ms,
                login=login_of(self._connections),
                jitter=random.Random(),  # noqa: S311 - spreads load, no secret
            )
            try:
                self._stand(zookeeper)
            finally:
                zookeeper.close()
            self._stop.wait(RETRY_S)

    def _stand(self, zookeeper: ZooKeeper) -> None:
        """Be a candidate once, as soon as this session is there and the rights are."""
        while not self._stop.is_set():
            if not zookeeper.wait_connected(wait_ms_max=CONNECT_MS_MAX):
                continue
            if self._may_lead(zookeeper):
                self._contend(zookeeper)
                return
            self._stop.wait(RIGHTS_LOOK_S)

    def _may_lead(self, zookeeper: ZooKeeper) -> bool:
        """Tell whether this process is known as one that may lead; said when it is not.

        One without the rights in Elasticsearch would hold the lead and keep it from another
        that has them. A server that does not answer says nothing against it.
        """
        try:
            zookeeper.children(f"/{self._connections.namespace}/{LEADERS_NODE}")
            with Elastic(self._connections) as elastic:
                missing = missing_to_lead(elastic)
        except NodeForbidden as error:
            missing = str(error)
        except ServiceUnavailable:
            return True
        if missing != self._missing and missing:
            self._log.info("leading_left_to_others", reason=missing)
        self._missing = missing
        return not missing

    def _contend(self, zookeeper: ZooKeeper) -> None:
        namespace = self._connections.namespace
        self._election = Election(zookeeper, namespace=namespace)
        try:
            self._election.run(lambda lead: self._lead(lead, zookeeper))
        except LeadLost as error:
            self._log.warning("lead_lost", reason=str(error))
        except Exception as error:  # noqa: BLE001 - kazoo raises many kinds; all mean: again
            self._log.info("election_lost", reason=repr(error)[:200])
        self.disk = DiskStatus()

    def _lead(self, lead: Lead, zookeeper: ZooKeeper) -> None:
        """Look at all that is to be kept again and again, while the lead lasts.

        Raises:
            LeadLost: another leads now.
        """
        self._log.info("leader_elected", transaction=lead.transaction)
        with ExitStack() as closing:
            work = LeadWork(
                self._connections,
                lead=lead,
                zookeeper=zookeeper,
                group=self._group,
                settings=self._settings,
                is_expired=self._is_expired,
                is_stopping=self._stop.is_set,
                log=self._log,
                closing=closing,
            )
            while not self._stop.is_set() and self._may_lead(zookeeper):
                # The node, and not the connection: one that was frozen is connected
                # anew, in another session, while another leads.
                lead.require()
                try:
                    work.look()
                except ServiceUnavailable as error:
                    self._log.warning("retention_skipped", reason=str(error))
                self.disk = work.disk
                self._stop.wait(self._settings.retention_check_ms / 1_000)


def missing_to_lead(elastic: Elastic) -> str:
    """Return which right of a leader is missing; nothing where none is.

    Elasticsearch is asked for what only a leader does. A template that is tried and not
    written would tell, too, and leave a line in its log at each turn. Where it knows no
    users, nobody lacks anything.

    Raises:
        ServiceUnavailable: no node answers.
    """
    body = b'{"cluster":["%s"]}' % LEADERS_RIGHT.encode()
    answer = elastic.request("POST", "/_security/user/_has_privileges", body=body)
    if answer.status != http.HTTPStatus.OK:
        return ""
    told = cast("dict[str, Any]", answer.json())
    if told["has_all_requested"]:
        return ""
    return MissingRight(
        name=LEADERS_RIGHT,
        kind="cluster",
        others=(),
        who=f"user '{told['username']}'",
        indices=(),
        action="",
    ).sentence()
