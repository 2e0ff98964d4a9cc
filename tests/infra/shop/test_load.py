"""What the load generator counts where the shop breaks connections amid a flash sale."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from tailrace_shop.http import Request, Response, serve
from tailrace_shop.load import CONNECTIONS, Counted, storm

REQUESTS = 200


async def last_answers() -> None:
    """Let the server see that its clients are gone."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    await asyncio.gather(*others, return_exceptions=True)


class Breaks:
    """Sells nothing, and breaks the connections of the requests of these numbers."""

    def __init__(self, numbers: Sequence[int]) -> None:
        self._numbers = numbers
        self.count = 0

    async def answer(self, request: Request) -> Response:
        del request
        self.count += 1
        if self.count in self._numbers:
            raise ConnectionResetError
        return Response(status=410)

    async def stormed(self) -> Counted:
        server = await serve(self.answer, address="127.0.0.1", port=0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            url = f"http://127.0.0.1:{port}"
            counted = await storm(url, sale="s", requests=REQUESTS, per_s=5_000)
            await last_answers()
            return counted


@pytest.mark.parametrize("broken", [(), (1,), (7, 80, 150)])
def test_a_request_without_an_answer_is_counted_and_ends_no_storm(
    broken: Sequence[int],
) -> None:
    counted = asyncio.run(Breaks(broken).stormed())
    assert counted.requests == REQUESTS
    assert counted.unanswered == len(broken)
    assert counted.answers == {"410": REQUESTS - len(broken)}


def test_where_the_shop_is_gone_what_it_answered_is_kept() -> None:
    shop = Breaks(range(100, REQUESTS + 1))
    counted = asyncio.run(shop.stormed())
    assert counted.answers == {"410": 99}
    assert counted.unanswered == CONNECTIONS
    assert counted.requests == shop.count == 99 + CONNECTIONS
