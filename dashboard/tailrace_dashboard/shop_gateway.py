"""How the shop of the demonstration is asked, in a thread of its own, so that a page can go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
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
        self._threads = ThreadPoolExecutor(4, "shop")

    def is_there(self) -> bool:
        """Tell whether a shop runs on this data folder, without asking it."""
        try:
            return psutil.pid_exists(ShopLink.read(self._data_dir).pid)
        except CommandFailed:
            return False

    def state(self) -> Future[ShopState]:
        """Start asking what it says of itself."""
        return self._ask(lambda link: link.state())

    def tell(self, order: str) -> Future[ShopState]:
        """Start giving it an order."""
        return self._ask(lambda link: link.tell(order))

    def room(self) -> Future[RoomState]:
        """Start asking what was said in its chat room."""
        return self._ask(lambda link: link.room())

    def speak(self, member: str, *, text: str, kind: str) -> Future[RoomState]:
        """Start saying something there."""
        return self._ask(lambda link: link.speak(member, text=text, kind=kind))

    def close(self) -> None:
        """Finish what was asked; no question may follow."""
        self._threads.shutdown()

    def _ask(self, question: Callable[[ShopLink], AnswerT]) -> Future[AnswerT]:
        # Read anew each time: a shop that is started again has another port and key.
        return self._threads.submit(lambda: question(ShopLink.read(self._data_dir)))
