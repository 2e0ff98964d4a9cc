"""Who may not make an index orders it from the leader, who may: by a node in ZooKeeper.

Each asker has an ephemeral node, into which it writes the name of the index and the leader
what became of it. It is its asker's own, whom ZooKeeper lets change no node of another, and
goes with the session, so that nothing is left behind. Who leads no more answers none; one that is frozen between that question and the making of an index is
harmless: an index that is there is made no second time, and one that is expired is asked for
by nobody.
"""

from __future__ import annotations

import random
import threading
import uuid
from collections.abc import Callable
from typing import Protocol

import msgspec

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.zookeeper import ZooKeeper
from tailrace.zookeeper_rights import Login
from tailrace_indexer.fence import LeadLost
from tailrace_indexer.outcomes import Outcome, Reason, Verdict

ANSWER_MS_MAX = 5_000
"""A leader looks several times a second, and makes an index in less than one."""
UNANSWERED_MS = 20_000
"""Where none answers, others are not waited for either, for as long as this."""
ASK_LOOK_MS = 50
LEAD_LOOK_S = 0.25
MAKING = "create_index"
"""The right that an order stands in for: one alarm for all indices that none makes."""
ORDERS_MAX = 1_000
"""Of all indexers; each has but one."""


class Order(msgspec.Struct, frozen=True, omit_defaults=True):
    """An index that is wanted and, once the leader has answered, what became of it."""

    index: str
    outcome: str = ""
    reason: str = ""
    detail: str = ""
    right: str = ""

    def answered(self, verdict: Verdict) -> Order:
        """Return it with an answer."""
        return Order(
            self.index,
            verdict.outcome.name,
            verdict.reason.value,
            verdict.detail,
            verdict.right,
        )

    def verdict(self) -> Verdict | None:
        """Return the answer; None while there is none."""
        if not self.outcome:
            return None
        return Verdict(
            Outcome[self.outcome], Reason(self.reason), self.detail, self.right
        )


class Maker(Protocol):
    """Who makes an index, or says why not."""

    def make(self, index: str) -> Verdict:
        """Return STORED where the index is there now, else why it is not.

        Raises:
            LeadLost: it makes them as the leader, and leads no more.
            ServiceUnavailable: whether it leads cannot be told now.
        """
        ...


class OrderBook(Protocol):
    """The part of ZooKeeper that orders need."""

    def children(self, path: str) -> list[str]:
        """Return the names below a node."""
        ...

    def get(self, path: str) -> bytes | None:
        """Return what a node holds, or None when it is not there."""
        ...

    def set(self, path: str, data: bytes) -> None:
        """Make a node hold `data`."""
        ...

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        """Make this session the owner of an ephemeral node; `is_news`: that holds `data`."""
        ...


def orders_path(namespace: str) -> str:
    """Return the node below which orders stand."""
    return f"/{namespace}/orders"


class OrderingMaker:
    """Makes an index by itself where it may, and otherwise has it made by the leader."""

    def __init__(
        self,
        own: Maker,
        *,
        book: Callable[[], OrderBook],
        namespace: str,
        clock: Clock,
    ) -> None:
        self._own = own
        self._book = book
        """Opened at the first order: where all may make indices it is not needed."""
        self._path = f"{orders_path(namespace)}/{uuid.uuid4().hex}"
        self._clock = clock
        self._unanswered_until_ms = 0

    def make(self, index: str) -> Verdict:
        """Return STORED where the index is there now, else why it is not."""
        verdict = self._own.make(index)
        if verdict.reason is not Reason.UNAUTHORIZED:
            return verdict
        if self._clock.monotonic_ms() < self._unanswered_until_ms:
            return _no_leader(index, own=verdict)
        try:
            answer = self._order(index)
        except ServiceUnavailable as error:
            self._unanswered_until_ms = self._clock.monotonic_ms() + UNANSWERED_MS
            detail = f"{index} cannot be ordered from the leader: {error}"
            return Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, detail, MAKING)
        if answer is None:
            self._unanswered_until_ms = self._clock.monotonic_ms() + UNANSWERED_MS
            return _no_leader(index, own=verdict)
        return answer

    def _order(self, index: str) -> Verdict | None:
        """Return the leader's answer, None where none came in time."""
        book = self._book()
        deadline_ms = self._clock.monotonic_ms() + ANSWER_MS_MAX
        order = msgspec.json.encode(Order(index))
        book.hold_ephemeral(self._path, order, is_news=True)
        while self._clock.monotonic_ms() < deadline_ms:
            self._clock.sleep_ms(ASK_LOOK_MS)
            answer = _order_of(book.get(self._path))
            if answer is None:
                return None  # Our session was lost, and the order with it.
            if answer.index != index:
                # The last order is answered only now, in the place of this one.
                book.hold_ephemeral(self._path, order, is_news=True)
            elif (verdict := answer.verdict()) is not None:
                return verdict
        return None


def answer_orders(book: OrderBook, *, namespace: str, maker: Maker) -> int:
    """Make what is ordered now; return how many orders were answered.

    Raises:
        ServiceUnavailable: ZooKeeper does not answer.
    """
    answered_count = 0
    verdicts: dict[str, Verdict] = {}
    path = orders_path(namespace)
    for name in book.children(path)[:ORDERS_MAX]:
        order = _order_of(book.get(f"{path}/{name}"))
        if order is None or order.outcome:
            continue
        if order.index not in verdicts:
            verdicts[order.index] = maker.make(order.index)
        answer = order.answered(verdicts[order.index])
        # One whose asker is gone is not made anew by this.
        if book.get(f"{path}/{name}") is not None:
            book.set(f"{path}/{name}", msgspec.json.encode(answer))
        answered_count += 1
    return answered_count


class OrderClerk:
    """Answers orders in a thread of its own, for as long as this process leads."""

    def __init__(self, book: OrderBook, *, namespace: str, maker: Maker) -> None:
        self._book = book
        self._namespace = namespace
        self._maker = maker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="orders", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def close(self) -> None:
        """Answer no more."""
        self._stop.set()
        self._thread.join(ANSWER_MS_MAX / 1_000)

    def _run(self) -> None:
        while not self._stop.wait(LEAD_LOOK_S):
            try:
                answer_orders(self._book, namespace=self._namespace, maker=self._maker)
            except ServiceUnavailable:
                continue
            except LeadLost:
                return  # Whoever leads now answers.


class LateZooKeeper:
    """A session that is made when it is first needed, and kept."""

    def __init__(self, hosts: str, *, login: Login | None) -> None:
        self._hosts = hosts
        self._login = login
        self._zookeeper: ZooKeeper | None = None

    def book(self) -> OrderBook:
        """Return the session, having waited a moment for a new one."""
        if self._zookeeper is None:
            jitter = random.Random()  # noqa: S311 - spreads load, no secret
            self._zookeeper = ZooKeeper.connect(
                self._hosts, jitter=jitter, login=self._login
            )
        self._zookeeper.wait_connected(wait_ms_max=ANSWER_MS_MAX)
        return self._zookeeper

    def close(self) -> None:
        """End the session, if there is one."""
        if self._zookeeper is not None:
            self._zookeeper.close()


def _order_of(data: bytes | None) -> Order | None:
    """Return an order as it was written; None where it is gone or is no order."""
    if data is None:
        return None
    try:
        order = msgspec.json.decode(data, type=Order)
        order.verdict()
    except (msgspec.DecodeError, KeyError, ValueError):
        return None
    return order


def _no_leader(index: str, *, own: Verdict) -> Verdict:
    detail = (
        f"{index} is ordered, and no leader makes it: run one indexer whose"
        " elasticsearch_leader_* may make indices (docs/rights.md), or let this one;"
        f" it was refused: {own.detail}"
    )
    return Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, detail, MAKING)
