"""Who may not make an index has it made by one who may, and loses nothing where none does."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from tailrace.errors import ServiceUnavailable
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.hold_alarms import HoldAlarms
from tailrace_indexer.index_orders import (
    ANSWER_MS_MAX,
    UNANSWERED_MS,
    Order,
    OrderingMaker,
    answer_orders,
    orders_path,
)
from tailrace_indexer.outcomes import (
    STORED,
    ItemError,
    Outcome,
    Reason,
    Verdict,
    judge_item,
    judge_request,
)

INDEX = "t-app.log-2026.11.24"
PATH = orders_path("t")
REFUSED = Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, "403 no right to make it")
EXPIRED = Verdict(Outcome.DEAD_LETTER, Reason.INDEX_EXPIRED, "taken away")


class Book:
    """ZooKeeper's nodes in memory."""

    def __init__(self) -> None:
        self.nodes: dict[str, bytes] = {}
        self.is_away = False

    def children(self, path: str) -> list[str]:
        return [name.rpartition("/")[2] for name in self.nodes if name.startswith(path)]

    def get(self, path: str) -> bytes | None:
        return self.nodes.get(path)

    def set(self, path: str, data: bytes) -> None:
        self.nodes[path] = data

    def hold_ephemeral(self, path: str, data: bytes, *, is_news: bool = False) -> bool:
        if self.is_away:
            raise ServiceUnavailable("ZooKeeper", address="z", reason="away")
        if path not in self.nodes or is_news:
            self.nodes[path] = data
        return True


class SaysMaker:
    """Says of each index what it was told to."""

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.asked: list[str] = []

    def make(self, index: str) -> Verdict:
        self.asked.append(index)
        return self.verdict


class LeadingClock:
    """A clock in whose pauses a leader, if there is one, does its work."""

    def __init__(self, work: Callable[[], object] = lambda: None) -> None:
        self.now = 0
        self.work = work

    def now_ms(self) -> int:
        return self.now

    def monotonic_ms(self) -> int:
        return self.now

    def sleep_ms(self, wait_ms: int) -> None:
        self.now += wait_ms
        self.work()


def ordered(
    own: SaysMaker, *, leader: SaysMaker | None, book: Book, clock: LeadingClock
) -> OrderingMaker:
    if leader is not None:
        clock.work = lambda: answer_orders(book, namespace="t", maker=leader)
    return OrderingMaker(own, book=lambda: book, namespace="t", clock=clock)


def test_x13_an_index_that_a_writer_may_not_make_is_made_by_the_leader() -> None:
    book, leader = Book(), SaysMaker(STORED)
    maker = ordered(SaysMaker(REFUSED), leader=leader, book=book, clock=LeadingClock())

    others = [f"t-app.log-2026.11.{day}" for day in range(10, 20)]
    assert [maker.make(index) for index in (INDEX, *others)] == [STORED] * 11
    assert leader.asked == [INDEX, *others]
    # However many are ordered: the node is the asker's own, which nobody need remove.
    assert len(book.nodes) == 1


def test_x13_an_answer_that_comes_late_is_not_that_of_the_next_order() -> None:
    """The leader was slow, and writes what became of the last one over the present one."""
    book, clock = Book(), LeadingClock()
    maker = ordered(SaysMaker(REFUSED), leader=None, book=book, clock=clock)
    assert maker.make(INDEX).outcome is Outcome.HOLD
    clock.now += UNANSWERED_MS
    late = Order(INDEX).answered(EXPIRED)
    leader = SaysMaker(STORED)
    looks = iter(range(1_000))

    def work() -> None:
        if next(looks):
            answer_orders(book, namespace="t", maker=leader)
        else:
            (path,) = book.nodes
            book.nodes[path] = msgspec.json.encode(late)

    clock.work = work
    assert maker.make("t-app.log-2026.11.25") == STORED
    assert leader.asked == ["t-app.log-2026.11.25"]


def test_x13_who_may_make_an_index_orders_none() -> None:
    book = Book()
    book.is_away = True
    maker = ordered(SaysMaker(STORED), leader=None, book=book, clock=LeadingClock())
    assert maker.make(INDEX) == STORED


def test_e9_the_leaders_word_that_an_index_is_expired_is_the_writers() -> None:
    leader = SaysMaker(EXPIRED)
    maker = ordered(
        SaysMaker(REFUSED), leader=leader, book=Book(), clock=LeadingClock()
    )
    assert maker.make(INDEX) == EXPIRED


def test_x13_the_leaders_refusal_is_told_as_it_is() -> None:
    for told in (
        Verdict(Outcome.HOLD, Reason.SHARD_LIMIT, "too many shards"),
        Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, "l lacks manage", "manage"),
    ):
        leader = SaysMaker(told)
        maker = ordered(
            SaysMaker(REFUSED), leader=leader, book=Book(), clock=LeadingClock()
        )
        assert maker.make(INDEX) == told


def test_x13_indices_that_no_leader_makes_are_one_alarm() -> None:
    """As are those whose leader cannot be asked, or may not look or make them itself."""
    away = Book()
    away.is_away = True
    alarms, clock = Alarms(), LeadingClock()
    holds = HoldAlarms(alarms, clock=clock)
    for book in (Book(), away):
        maker = ordered(SaysMaker(REFUSED), leader=None, book=book, clock=clock)
        for day in range(10, 30):
            index = f"t-a-2026.11.{day}"
            holds.sound(index, maker.make(index))
        assert alarms.on == {"right create_index": "unauthorized"}


def test_x13_without_a_leader_an_index_is_held_and_others_are_not_waited_for() -> None:
    """An order that nobody answers costs seconds; a hundred indices must not cost each."""
    book, clock = Book(), LeadingClock()
    maker = ordered(SaysMaker(REFUSED), leader=None, book=book, clock=clock)

    verdicts = [maker.make(f"t-app-2026.11.{day}") for day in range(10, 30)]

    assert {v.outcome for v in verdicts} == {Outcome.HOLD}
    assert "no leader makes it" in verdicts[-1].detail
    assert ANSWER_MS_MAX <= clock.now < 2 * ANSWER_MS_MAX

    clock.now += UNANSWERED_MS
    leader = SaysMaker(STORED)
    clock.work = lambda: answer_orders(book, namespace="t", maker=leader)
    assert maker.make(INDEX) == STORED


def test_x13_without_zookeeper_an_index_is_held() -> None:
    book = Book()
    book.is_away = True
    maker = ordered(SaysMaker(REFUSED), leader=None, book=book, clock=LeadingClock())
    verdict = maker.make(INDEX)
    assert verdict.outcome is Outcome.HOLD
    assert "ZooKeeper" in verdict.detail


def test_x13_an_order_is_answered_once_and_what_is_none_is_passed_over() -> None:
    book, leader = Book(), SaysMaker(STORED)
    book.nodes[f"{PATH}/a"] = b'{"index":"t-a-2026.11.24"}'
    book.nodes[f"{PATH}/b"] = b'{"index":"t-a-2026.11.24"}'
    book.nodes[f"{PATH}/c"] = b"\xff no order"
    book.nodes[f"{PATH}/d"] = b'{"index":"t-d","outcome":"NONSENSE","reason":"x"}'

    counts = [answer_orders(book, namespace="t", maker=leader) for _ in range(2)]

    assert counts == [2, 0]
    assert leader.asked == ["t-a-2026.11.24"]


def unauthorized(action: str, rights: str, *, user: str = "w") -> ItemError:
    return ItemError(
        "security_exception",
        f"action [{action}] is unauthorized for user [{user}] with effective roles [{user}]"
        f" on indices [{INDEX}], this action is granted by the index privileges [{rights}]",
    )


def test_x13_a_missing_index_that_the_writer_may_not_make_is_ordered() -> None:
    """Elasticsearch does not say that it is missing, but that it may not be made."""
    error = unauthorized("indices:admin/auto_create", "auto_configure,create_index,all")
    verdict = judge_item(403, error)
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.MISSING_INDEX)


def test_x13_a_missing_right_is_one_sentence_that_names_it() -> None:
    error = unauthorized("indices:data/write/bulk[s]", "create_doc,create,write,all")
    for verdict in (judge_item(403, error), judge_request(403, error)):
        assert verdict.outcome is Outcome.HOLD
        assert verdict.right == "create_doc"
        assert verdict.detail.startswith(
            "user 'w' lacks the index privilege create_doc (or create, write) on"
            f" {INDEX}; give it that right"
        )


def test_x13_a_right_that_many_indices_lack_is_one_alarm_until_the_last_has_it() -> (
    None
):
    alarms, clock = Alarms(), LeadingClock()
    holds = HoldAlarms(alarms, clock=clock)
    lacking = Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, "no create_doc", "create_doc")
    for day in range(10, 30):
        holds.sound(f"t-a-2026.11.{day}", lacking)
    holds.sound("t-b-2026.11.24", Verdict(Outcome.HOLD, Reason.BLOCKED, "blocked"))
    assert alarms.on == {
        "right create_doc": "unauthorized",
        "index t-b-2026.11.24": "blocked",
    }
    assert [notice.kind for notice in alarms.take(now_ms=0)] == ["raised", "raised"]

    for day in range(10, 29):
        holds.clear(f"t-a-2026.11.{day}")
    assert "right create_doc" in alarms.on
    # Given the right, the last one has another trouble.
    holds.sound("t-a-2026.11.29", Verdict(Outcome.HOLD, Reason.BLOCKED, "blocked"))

    assert set(alarms.on) == {"index t-a-2026.11.29", "index t-b-2026.11.24"}
