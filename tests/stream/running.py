"""How a test runs a coroutine to its end, whatever other tests have left running.

A loop can run only where the thread has none yet. Playwright's keeps running in the main
thread for as long as a browser of other tests is open, so these get a thread of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


def to_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what the coroutine returns, or raise what it raises."""
    ended: Future[T] = Future()

    def work() -> None:
        try:
            ended.set_result(asyncio.run(coroutine))
        # A failing assertion or `pytest.fail` of the coroutine is the test's.
        except BaseException as error:  # noqa: BLE001
            ended.set_exception(error)

    # A daemon, so that one that hangs costs its test and not the end of the run.
    Thread(target=work, name="to_end", daemon=True).start()
    return ended.result()
