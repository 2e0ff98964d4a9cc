"""How the shop of the demonstration is asked, in a thread of its own, so that a page can go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

import psutil

from tailrace.errors import CommandFailed
from tailrace.shop_link import RoomState, ShopLink, ShopState

AnswerT = TypeVar("AnswerT")


class ShopGateway(Protocol):
    """Who knows the shop; futures raise `ServiceUnavailable` or `CommandFailed`."""

    def is_there(self) -> bool:
        """Tell whether a shop runs on this data folder, without asking it."""
        ...

    def state(self) -> Future[ShopState]:
        """Return what it says of itself."""
        ...

    def tell(self, order: str) -> Future[ShopState]:
        """Give it an order, and return what is then."""
        ...

    def room(self) -> Future[RoomState]:
        """Return what was said in its chat room."""
        ...

    def speak(self, member: str, *, text: str, kind: str) -> Future[RoomState]:
        """Say something there."""
        ...


class RunningShop:
    """The real shop of this data folder; it may come and go."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._looks = ThreadPoolExecutor(4, "shop-look")
        # One thread each, as what a person orders or says has an order of its own; and
        # apart, as an order may take seconds, which no word is to wait for.
        self._orders = ThreadPoolExecutor(1, "shop-order")
        self._words = ThreadPoolExecutor(1, "shop-word")

    def is_there(self) -> bool:
        """Tell whether a shop runs on this data folder, without asking it."""
        try:
            return psutil.pid_exists(ShopLink.read(self._data_dir).pid)
        except CommandFailed:
            return False

    def state(self) -> Future[ShopState]:
        """Start asking what it says of itself."""
        return self._ask(self._looks, lambda link: link.state())

    def tell(self, order: str) -> Future[ShopState]:
        """Give it an order, after those that it was given before."""
        return self._ask(self._orders, lambda link: link.tell(order))

    def room(self) -> Future[RoomState]:
        """Start asking what was said in its chat room."""
        return self._ask(self._looks, lambda link: link.room())

    def speak(self, member: str, *, text: str, kind: str) -> Future[RoomState]:
        """Say something there, after what was said before; a sign of life is a look."""
        threads = self._words if text else self._looks
        return self._ask(threads, lambda link: link.speak(member, text=text, kind=kind))

    def close(self) -> None:
        """Finish what was asked; no question may follow."""
        for threads in (self._looks, self._orders, self._words):
            threads.shutdown()

    def _ask(
        self, threads: Executor, question: Callable[[ShopLink], AnswerT]
    ) -> Future[AnswerT]:
        # Read anew each time: a shop that is started again has another port and key.
        return threads.submit(lambda: question(ShopLink.read(self._data_dir)))
