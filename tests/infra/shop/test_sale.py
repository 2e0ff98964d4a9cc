"""A flash sale is never oversold: neither by its gate nor by the seller behind the queue."""

from __future__ import annotations

import threading
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tailrace_shop.sale import Gate, Verdict
from tailrace_shop.stock import Order, Outcome, Stock


def order(order_id: str, *, quantity: int = 1, item: str = "lamp") -> Order:
    return Order(order_id=order_id, item=item, quantity=quantity, trace_id="t")


@given(
    stock=st.integers(1, 20),
    waiting_max=st.integers(1, 8),
    events=st.lists(st.sampled_from(["ask", "durable"]), max_size=200),
)
def test_a_gate_never_admits_more_than_there_is(
    stock: int, waiting_max: int, events: list[str]
) -> None:
    gate = Gate(stock=stock, waiting_max=waiting_max)
    durable = under_way = 0
    for event in events:
        if event == "ask":
            verdict = gate.ask()
            under_way += verdict is Verdict.ADMITTED
            if verdict is Verdict.SOLD_OUT:
                assert durable + under_way == stock
            if verdict is Verdict.WAITING:
                assert under_way == waiting_max
        elif under_way:
            under_way -= 1
            gate.settle()
            durable += 1
        assert durable + under_way <= stock
        assert under_way <= waiting_max
    assert gate.admitted_count == durable


def test_who_comes_while_too_many_are_let_in_waits_and_who_comes_late_does_not() -> (
    None
):
    gate = Gate(stock=2, waiting_max=1)
    assert gate.ask() is Verdict.ADMITTED
    assert gate.ask() is Verdict.WAITING
    gate.settle()
    assert gate.ask() is Verdict.ADMITTED
    # The last ticket is on its way: no place will be free.
    assert gate.ask() is Verdict.SOLD_OUT
    assert gate.admitted_count == 1


def test_an_order_counts_once_however_often_it_comes(tmp_path: Path) -> None:
    stock = Stock(tmp_path / "stock.db")
    stock.put("lamp", 10)
    outcomes = [stock.take(order("a", quantity=3)) for _ in range(4)]
    assert outcomes == [Outcome.TAKEN, *[Outcome.DUPLICATE] * 3]
    assert (stock.left("lamp"), stock.taken("lamp")) == (7, 3)
    stock.close()


def test_an_order_counts_once_also_after_a_restart(tmp_path: Path) -> None:
    for _life in range(3):
        stock = Stock(tmp_path / "stock.db")
        stock.put("lamp", 10)
        stock.take(order("a"))
        assert stock.left("lamp") == 9
        stock.close()


def test_more_than_there_is_takes_nothing_and_stays_refused(tmp_path: Path) -> None:
    stock = Stock(tmp_path / "stock.db")
    stock.put("lamp", 2)
    assert stock.take(order("a", quantity=3)) is Outcome.SOLD_OUT
    assert stock.take(order("a", quantity=3)) is Outcome.DUPLICATE
    assert stock.take(order("b", item="boat")) is Outcome.SOLD_OUT
    assert (stock.left("lamp"), stock.taken("lamp")) == (2, 0)
    assert stock.left("boat") is None
    stock.close()


def test_many_threads_sell_no_more_than_there_is(tmp_path: Path) -> None:
    stock = Stock(tmp_path / "stock.db")
    stock.put("lamp", 20)
    outcomes: list[Outcome] = []

    def sell(number: int) -> None:
        outcomes.extend(stock.take(order(f"{number}-{n}")) for n in range(10))

    threads = [threading.Thread(target=sell, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes.count(Outcome.TAKEN) == 20
    assert outcomes.count(Outcome.SOLD_OUT) == 30
    assert stock.left("lamp") == 0
    stock.close()
