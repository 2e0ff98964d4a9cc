"""The end of a worker's event loop, for which nobody waits longer than so.

`asyncio.run` waits until each task that is left has ended. One of a library's that catches
its cancellation and tries again, as aiokafka's sender does for a topic that is gone, would
keep a process that its supervisor takes for one that works.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from tailrace.log import FilteringBoundLogger

CANCEL_MS_MAX = 5_000
"""How long what is cancelled may take to end. `main` has done its own draining by then."""

ResultT = TypeVar("ResultT")


def run_and_end(
    main: Coroutine[Any, Any, ResultT],
    *,
    log: FilteringBoundLogger,
    cancel_ms_max: int = CANCEL_MS_MAX,
) -> ResultT:
    """Run `main`, and then end what it left; tasks that do not end are named and left.

    Raises:
        Exception: whatever `main` raises.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main)
    finally:
        left = _ended(loop, wait_s_max=cancel_ms_max / 1_000)
        if left:
            # Not closed: the loop would complain of each that it is still to be run.
            names = sorted({_name(task) for task in left})
            log.warning("tasks_given_up", count=len(left), tasks=names)
        else:
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()


def _ended(
    loop: asyncio.AbstractEventLoop, *, wait_s_max: float
) -> set[asyncio.Task[Any]]:
    """Cancel all tasks; return those that have not ended in time."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if not tasks:
        return set()
    _, left = loop.run_until_complete(asyncio.wait(tasks, timeout=wait_s_max))
    return left


def _name(task: asyncio.Task[Any]) -> str:
    coroutine = task.get_coro()
    return getattr(coroutine, "__qualname__", type(coroutine).__name__)
