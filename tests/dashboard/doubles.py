"""Servers as a page may meet them: answering, away, empty, or never answering."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from tailrace.clock import SystemClock
from tailrace.errors import CommandFailed, ServiceUnavailable, TailraceError
from tailrace.ledger_tail import LedgerTail
from tailrace.purged import NOTHING_READ, ReadToEnd
from tailrace.query import Body
from tailrace.shop_link import RoomState, ShopState
from tailrace_dashboard.fleet import Agent, FleetGateway, LagGateway, PartitionLag
from tailrace_dashboard.gateway import NoIndexYet, SearchGateway
from tailrace_dashboard.shop_gateway import ShopGateway
from tailrace_dashboard.sources import Sources
from tailrace_dashboard.templates import Templates

T = TypeVar("T")
SILENT_WAIT_S = 30
ELASTICSEARCH_AWAY = ServiceUnavailable(
    "Elasticsearch", address="http://127.0.0.1:9", reason="nothing listens there"
)
KAFKA_AWAY = ServiceUnavailable("Kafka", address="127.0.0.1:9", reason="no broker")
NO_SHOP = CommandFailed("No shop runs.", remedy="start one")
ZOOKEEPER_AWAY = ServiceUnavailable("ZooKeeper", address="127.0.0.1:9", reason="gone")


def done(value: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(value)
    return future


def failed(problem: TailraceError) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(problem)
    return future


class ScriptedSearch:
    """Answers rows with `documents`, counts with one bar, and remembers each question.

    The ledger holds `ledger`; without it, it has no index yet.
    """

    def __init__(
        self,
        documents: list[dict[str, Any]],
        *,
        ledger: list[dict[str, Any]] | None = None,
    ) -> None:
        self.documents = documents
        self.ledger = ledger
        self.bodies: list[Body] = []
        self.asked_first = ""

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        del query
        self.asked_first = self.asked_first or index
        if index.endswith("-ledger"):
            if self.ledger is None:
                return failed(NoIndexYet(index))
            return done({"hits": {"hits": [{"_source": word} for word in self.ledger]}})
        self.bodies.append(body)
        if "aggs" in body:
            bars = [{"key": 1_000.0, "doc_count": len(self.documents)}]
            return done({"aggregations": {"timeline": {"buckets": bars}}})
        start = 1 + int(body["search_after"][2]) if "search_after" in body else 0
        page = self.documents[start : start + body["size"]]
        hits = [
            {
                "_index": "ns-a-1",
                "_id": f"id-{start + place}",
                "_source": document,
                "sort": [document["@timestamp"], "g", start + place],
            }
            for place, document in enumerate(page)
        ]
        total = {"value": len(self.documents), "relation": "eq"}
        return done({"took": 4, "hits": {"total": total, "hits": hits}})


class PartialLedger(ScriptedSearch):
    """Has more words than one answer; the indexer's is found only when asked for."""

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        if not index.endswith("-ledger"):
            return super().ask(index=index, body=body, query=query)
        words = self.ledger or []
        is_first = "sort" in body
        hits = [
            {"_source": each}
            for each in words
            if (each["tailrace.hop"] == "indexer") != is_first
        ]
        total = len(words) if is_first else len(hits)
        return done({"hits": {"hits": hits, "total": {"value": total}}})


class FailingSearch:
    """Answers every question with one problem."""

    def __init__(self, problem: TailraceError) -> None:
        self.problem = problem

    def ask(self, *, index: str, body: Body, query: str = "") -> Future[Body]:
        del index, body, query
        return failed(self.problem)


class EmptySearch(FailingSearch):
    """Has no index yet."""

    def __init__(self) -> None:
        super().__init__(NoIndexYet("ns-events"))


class KnownFleet:
    """Knows the agents it was given."""

    def __init__(self, *agents: Agent) -> None:
        self.known = agents

    def agents(self) -> Future[tuple[Agent, ...]]:
        return done(self.known)


class AbsentFleet:
    """Cannot be reached."""

    def agents(self) -> Future[tuple[Agent, ...]]:
        return failed(ZOOKEEPER_AWAY)


class KnownLags:
    """Knows the lags it was given."""

    def __init__(
        self,
        *lags: PartitionLag,
        read_to_end: ReadToEnd = NOTHING_READ,
        tail: LedgerTail | None = None,
    ) -> None:
        self.known = lags
        self.read = read_to_end
        self.tail = tail or LedgerTail()

    def lags(self) -> Future[tuple[PartitionLag, ...]]:
        return done(self.known)

    def read_to_end(self) -> Future[ReadToEnd]:
        return done(self.read)

    def ledger_tail(
        self,
        *,
        ask_index: Callable[[], Mapping[str, Any]],  # noqa: ARG002 - a fixed one
        now_ms: int,  # noqa: ARG002
    ) -> Future[LedgerTail]:
        return done(self.tail)


class AbsentLags:
    """Cannot be reached."""

    def lags(self) -> Future[tuple[PartitionLag, ...]]:
        return failed(KAFKA_AWAY)

    def read_to_end(self) -> Future[ReadToEnd]:
        return failed(KAFKA_AWAY)

    def ledger_tail(
        self,
        *,
        ask_index: Callable[[], Mapping[str, Any]],  # noqa: ARG002 - whatever it says
        now_ms: int,  # noqa: ARG002
    ) -> Future[LedgerTail]:
        return failed(KAFKA_AWAY)


class KnownShop:
    """Is in the state that it was given, and remembers what it was told."""

    def __init__(self, state: ShopState, room: RoomState) -> None:
        self.known = state
        self.heard = room
        self.told: list[str] = []
        self.spoken: list[tuple[str, str, str]] = []

    def is_there(self) -> bool:
        return True

    def state(self) -> Future[ShopState]:
        return done(self.known)

    def tell(self, order: str) -> Future[ShopState]:
        self.told.append(order)
        return done(self.known)

    def room(self) -> Future[RoomState]:
        return done(self.heard)

    def speak(self, member: str, *, text: str, kind: str) -> Future[RoomState]:
        self.spoken.append((member, text, kind))
        return done(self.heard)


class AbsentShop:
    """Does not run."""

    def is_there(self) -> bool:
        return False

    def state(self) -> Future[ShopState]:
        return failed(NO_SHOP)

    def tell(self, order: str) -> Future[ShopState]:
        del order
        return failed(NO_SHOP)

    def room(self) -> Future[RoomState]:
        return failed(NO_SHOP)

    def speak(self, member: str, *, text: str, kind: str) -> Future[RoomState]:
        del member, text, kind
        return failed(NO_SHOP)


def sources(
    *,
    search: SearchGateway | None = None,
    fleet: FleetGateway | None = None,
    lags: LagGateway | None = None,
    shop: ShopGateway | None = None,
) -> Sources:
    """Return sources that all answer, but for those that are given."""
    asked = search or ScriptedSearch([])
    clock = SystemClock()
    return Sources(
        namespace="ns",
        elasticsearch_url="http://127.0.0.1:9",
        rows_max=10,
        search=asked,
        fleet=fleet or KnownFleet(),
        lags=lags or KnownLags(),
        shop=shop or AbsentShop(),
        templates=Templates(asked, namespace="ns", clock=clock),
        clock=clock,
    )


class EmptyThenSilentServer:
    """Answers that nothing matches, until it is asked for `slow`; that it never answers."""

    ANSWER = (
        b'{"took":1,"timed_out":false,"_shards":{"failed":0},'
        b'"hits":{"total":{"value":0,"relation":"eq"},"hits":[]}}'
    )

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        stop = self._stop

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = self.rfile.read(int(self.headers["content-length"]))
                if b"slow" in asked:
                    stop.wait(SILENT_WAIT_S)
                    return
                self.send_response(200)
                self.send_header("x-elastic-product", "Elasticsearch")
                self.send_header("content-type", "application/json")
                self.send_header(
                    "content-length", str(len(EmptyThenSilentServer.ANSWER))
                )
                self.end_headers()
                self.wfile.write(EmptyThenSilentServer.ANSWER)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                del format, args

        return Handler

    def close(self) -> None:
        self._stop.set()
        self._server.shutdown()
        self._thread.join(SILENT_WAIT_S)
        self._server.server_close()


class SilentServer:
    """Takes a request, never answers, and notices when the asker goes away."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self.has_asked = threading.Event()
        self.has_left = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        asker, _ = self._listening.accept()
        with asker:
            asker.settimeout(SILENT_WAIT_S)
            asker.recv(65_536)
            self.has_asked.set()
            try:
                while asker.recv(65_536):
                    continue
            except OSError:
                return
            self.has_left.set()

    def close(self) -> None:
        self._thread.join(SILENT_WAIT_S)
        self._listening.close()
