"""A worker's loop ends in bounded time, whatever a library's task makes of its end."""

from __future__ import annotations

import asyncio

import structlog
from structlog.testing import capture_logs

from tailrace_stream.ending import run_and_end


def test_s10_a_task_that_goes_on_when_it_is_cancelled_is_named_and_left() -> None:
    left: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[None]]] = []
    may_end = asyncio.Event()

    async def tries_again() -> None:
        while not may_end.is_set():
            try:
                await may_end.wait()
            except asyncio.CancelledError:
                continue

    async def main() -> int:
        task = asyncio.create_task(tries_again())
        left.append((asyncio.get_running_loop(), task))
        await asyncio.sleep(0)
        return 7

    with capture_logs() as said:
        assert run_and_end(main(), log=structlog.get_logger(), cancel_ms_max=50) == 7
    (warning,) = said
    assert warning["event"] == "tasks_given_up"
    assert warning["count"] == 1
    assert "tries_again" in warning["tasks"][0]
    ((loop, task),) = left
    may_end.set()
    loop.run_until_complete(task)
    loop.close()


def test_what_is_left_is_cancelled_and_the_loop_closed() -> None:
    ended: list[asyncio.AbstractEventLoop] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(asyncio.get_running_loop())

    tasks: list[asyncio.Task[None]] = []

    async def main() -> str:
        tasks.append(asyncio.create_task(waits()))
        await asyncio.sleep(0)
        return "done"

    with capture_logs() as said:
        assert run_and_end(main(), log=structlog.get_logger()) == "done"
    assert not said
    assert tasks[0].cancelled()
    assert ended[0].is_closed()
