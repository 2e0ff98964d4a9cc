"""A test's coroutine runs also where another loop runs already."""

from __future__ import annotations

import asyncio

import pytest

from tests.stream.running import to_end


async def seven() -> int:
    await asyncio.sleep(0)
    return 7


async def failing() -> None:
    await asyncio.sleep(0)
    pytest.fail("as it should")


def test_a_loop_that_runs_in_this_thread_is_no_hindrance() -> None:
    """As playwright's does while a browser of other tests is open."""

    async def outside() -> int:
        return to_end(seven())

    assert to_end(outside()) == 7


def test_what_fails_in_the_coroutine_fails_the_test() -> None:
    with pytest.raises(pytest.fail.Exception, match="as it should"):
        to_end(failing())
