"""An event loop without threads and without real time, so that a worker can be replayed.

What runs in a thread elsewhere runs here at once, and its result comes after a wait of
simulated time. To kill a worker is to run its loop no more.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

T = TypeVar("T")


class SimulatedLoop(asyncio.AbstractEventLoop):
    """The part of a loop that the stream worker needs; first come, first served."""

    def __init__(
        self, *, now_ms: Callable[[], int], thread_wait_ms: Callable[[], int]
    ) -> None:
        self._now_ms = now_ms
        self._thread_wait_ms = thread_wait_ms
        self._ready: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._timer_count = 0
        self._tasks: list[asyncio.Task[Any]] = []
        self.is_dead = False
        self.crash: BaseException | None = None
        """What ends the process, wherever in its tasks it was raised."""
        self.errors: list[str] = []

    def run_due(self) -> None:
        """Run everything that is due now, and all that follows from it at this moment.

        Raises:
            SimulatedCrash: one of the tasks met its end.
        """
        outer = asyncio._get_running_loop()  # pyright: ignore[reportPrivateUsage]
        asyncio._set_running_loop(self)  # pyright: ignore[reportPrivateUsage]
        try:
            while not self.is_dead and self._take_due():
                self._ready.popleft()._run()  # pyright: ignore[reportPrivateUsage]
                if self.crash is not None:
                    raise self.crash
        finally:
            asyncio._set_running_loop(outer)  # pyright: ignore[reportPrivateUsage]
        self._tasks = [task for task in self._tasks if not task.done()]

    def next_due_ms(self) -> int | None:
        """When something is to run next; None where nothing waits."""
        if self._ready:
            return self._now_ms()
        return int(self._timers[0][0] * 1_000) if self._timers else None

    def kill(self) -> None:
        """Run nothing more, and let nobody complain of what was left undone."""
        self.is_dead = True
        self._ready.clear()
        self._timers.clear()
        for task in self._tasks:
            if not task.done():
                setattr(task, "_log_destroy_pending", False)  # noqa: B010
                coroutine: Any = task.get_coro()
                if not coroutine.cr_running:
                    coroutine.close()
        self._tasks.clear()

    def _take_due(self) -> bool:
        now_s = self.time()
        while self._timers and self._timers[0][0] <= now_s:
            handle = heapq.heappop(self._timers)[2]
            self._ready.append(handle)
        while self._ready and self._ready[0].cancelled():
            self._ready.popleft()
        return bool(self._ready)

    # The face that asyncio's futures, tasks and waits ask for.

    def time(self) -> float:
        return self._now_ms() / 1_000

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return self.is_dead

    def call_soon(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        if not self.is_dead:
            self._ready.append(handle)
        return handle

    def call_later(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        when: float,
        callback: Callable[..., object],
        *args: object,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        # Whole milliseconds, so that no rounding makes a timer due for ever.
        when = -(-round(when * 1_000_000) // 1_000) / 1_000
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        if not self.is_dead:
            self._timer_count += 1
            heapq.heappush(self._timers, (when, self._timer_count, handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is passed over when its time comes."""

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        coro: Coroutine[Any, Any, T] | Generator[Any, None, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append(task)
        return task

    def run_in_executor(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, executor: object, func: Callable[..., T], *args: object
    ) -> asyncio.Future[T]:
        """Give the result after a while; what it does is done when that is over."""
        del executor
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.done():
                return
            try:
                future.set_result(func(*args))
            except BaseException as error:  # noqa: BLE001 - whoever awaits it is told
                future.set_exception(error)

        self.call_later(self._thread_wait_ms() / 1_000, work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self.errors.append(
                f"{context.get('message')}: {context.get('exception')!r}"
            )
