"""One look at something slow for all who ask for it, so that who asks never makes it slower."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar

FoundT = TypeVar("FoundT")


class SharedLook(Generic[FoundT]):
    """Looks in a thread, once at a time; it belongs to one event loop.

    Who asks amid a look shares the next one with all others who do: what he did before he
    asked is to be seen. So nobody waits for more than two looks, however many ask.
    """

    def __init__(self, ask: Callable[[], FoundT]) -> None:
        self._ask = ask
        self._under_way: asyncio.Task[FoundT] | None = None
        self._next: asyncio.Task[FoundT] | None = None

    async def look(self) -> FoundT:
        """Return what a look shows that began after this was called.

        Raises:
            Exception: whatever the look raises, to each who shares it.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._look_after(self._under_way))
            # Where all who asked are gone by then, nobody else takes what it raised.
            self._next.add_done_callback(lambda one: one.cancelled() or one.exception())
        # One who goes away does not take it from the others.
        return await asyncio.shield(self._next)

    async def _look_after(self, previous: asyncio.Task[FoundT] | None) -> FoundT:
        if previous is not None:
            await asyncio.wait((previous,))
        self._under_way, self._next = self._next, None
        return await asyncio.to_thread(self._ask)
