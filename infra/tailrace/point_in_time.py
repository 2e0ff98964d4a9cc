"""One moment of an index: what is written by then is found, and nothing that comes later."""

from __future__ import annotations

import http
from collections.abc import Generator
from contextlib import contextmanager
from urllib.parse import quote

import orjson

from tailrace.clock import Clock
from tailrace.elasticsearch import MISSING_IS_NONE, Elastic

REFRESH_MS = 1_000
"""`refresh_interval` of our templates: how long a document may stay unseen by itself."""


@contextmanager
def point_in_time(elastic: Elastic, index: str, *, keep_alive: str) -> Generator[str]:
    """Yield the id of a point in time of what is behind `index`, empty if there is none.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
    """
    path = f"/{quote(index, safe=',*')}/_pit?keep_alive={keep_alive}"
    answer = elastic.look_up("POST", f"{path}&ignore_unavailable=true")
    pit = str(elastic.decoded(answer)["id"])
    try:
        yield pit
    finally:
        # One that is not closed ends by itself; nobody fails for it.
        elastic.request("DELETE", "/_pit", body=orjson.dumps({"id": pit}))


def refresh(elastic: Elastic, index: str, *, clock: Clock) -> None:
    """Let what is written be found: at once, or, without that right, by waiting.

    Raises:
        ServiceUnavailable: Elasticsearch cannot be reached, or refuses.
    """
    path = f"/{quote(index, safe=',*')}/_refresh{MISSING_IS_NONE}"
    answer = elastic.request("POST", path)
    if answer.status in {http.HTTPStatus.FORBIDDEN, http.HTTPStatus.UNAUTHORIZED}:
        clock.sleep_ms(2 * REFRESH_MS)
    elif not answer.is_success:
        raise elastic.refusal(answer)
