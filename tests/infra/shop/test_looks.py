"""A slow look is shared: however many ask, it is under way once, and shows what they did."""

from __future__ import annotations

import asyncio
import threading

from tailrace.errors import ServiceUnavailable
from tailrace_shop.looks import SharedLook

MANY = 100


class Slow:
    """Something to look at, which shows nothing until it is let."""

    def __init__(self) -> None:
        self.value = 0
        self.looks = 0
        self.at_once = 0
        self.at_once_max = 0
        self.began = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)

    def ask(self) -> int:
        self.at_once += 1
        self.at_once_max = max(self.at_once_max, self.at_once)
        seen = self.value
        self.began.release()
        assert self.may_end.acquire(timeout=60)
        self.looks += 1
        self.at_once -= 1
        return seen


def test_many_who_ask_amid_a_slow_look_share_the_next_one() -> None:
    async def scenario() -> None:
        slow = Slow()
        shared = SharedLook(slow.ask)
        first = asyncio.create_task(shared.look())
        await asyncio.to_thread(slow.began.acquire)
        slow.value = 1
        later = [asyncio.create_task(shared.look()) for _ in range(MANY)]
        await asyncio.sleep(0)
        slow.may_end.release(2)
        assert await first == 0
        assert await asyncio.gather(*later) == [1] * MANY
        assert (slow.looks, slow.at_once_max) == (2, 1)

    asyncio.run(scenario())


def test_who_gives_up_takes_the_look_from_nobody() -> None:
    async def scenario() -> None:
        slow = Slow()
        shared = SharedLook(slow.ask)
        gone, stays = (asyncio.create_task(shared.look()) for _ in range(2))
        await asyncio.to_thread(slow.began.acquire)
        gone.cancel()
        slow.may_end.release()
        assert await stays == 0
        assert gone.cancelled()

    asyncio.run(scenario())


def test_a_look_that_fails_says_so_to_each_and_the_next_one_looks_again() -> None:
    async def scenario() -> None:
        answers = [ServiceUnavailable("Kafka", address="here", reason="it is away"), 7]

        def ask() -> int:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        shared = SharedLook(ask)
        both = (shared.look(), shared.look())
        found = await asyncio.gather(*both, return_exceptions=True)
        assert [type(one) for one in found] == [ServiceUnavailable] * 2
        assert await shared.look() == 7

    asyncio.run(scenario())
