"""Elasticsearch alone: the very bulk bodies that the indexer sends, with nothing between.

What this reaches is the most that any pipeline in front of the same Elasticsearch could;
the whole pipeline is told as a part of it, measured in the same run.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from tailrace.errors import CommandFailed

SENDERS = 2
"""As many bulks at a time as the indexer settles on with two cores."""
BULK_BYTES = 5 * 1_024 * 1_024
SEND_WAIT_S_MAX = 120

_INDEX = re.compile(rb'"_index":"([^"]+)"')


def joined(bodies: Sequence[bytes], *, bulk_bytes: int = BULK_BYTES) -> list[bytes]:
    """Join bodies to bulks of about `bulk_bytes`, as the indexer does."""
    bulks: list[bytes] = []
    pending: list[bytes] = []
    size_bytes = 0
    for body in bodies:
        if pending and size_bytes + len(body) > bulk_bytes:
            bulks.append(b"".join(pending))
            pending, size_bytes = [], 0
        pending.append(body)
        size_bytes += len(body)
    if pending:
        bulks.append(b"".join(pending))
    return bulks


def renamed(bodies: Sequence[bytes], *, namespace: str, into: str) -> list[bytes]:
    """Return the bodies for the indices of another namespace, else the same."""
    old = f'"_index":"{namespace}-'.encode()
    new = f'"_index":"{into}-'.encode()
    return [body.replace(old, new) for body in bodies]


def indices_of(bodies: Sequence[bytes]) -> set[str]:
    """Return the names of every index that the bodies write to."""
    return {
        match.group(1).decode() for body in bodies for match in _INDEX.finditer(body)
    }


def lines_of(bodies: Sequence[bytes]) -> int:
    """Return how many documents the bodies hold: each is an action and a document."""
    return sum(body.count(b"\n") for body in bodies) // 2


def send(bulks: Sequence[bytes], *, url: str, senders: int = SENDERS) -> None:
    """Send every bulk, several at a time, over connections that stay open.

    Raises:
        CommandFailed: Elasticsearch refused a document or a bulk.
    """
    shares = [bulks[number::senders] for number in range(senders)]
    with ThreadPoolExecutor(senders) as pool:
        sent = [pool.submit(_send_share, share, url=url) for share in shares]
        for one in sent:
            one.result()


def _send_share(bulks: Sequence[bytes], *, url: str) -> None:
    place = urlsplit(url)
    connection = http.client.HTTPConnection(
        place.hostname or "", place.port or 9200, timeout=SEND_WAIT_S_MAX
    )
    try:
        for answer in _answers(connection, bulks):
            if b'"errors":false' not in answer:
                raise CommandFailed(
                    f"Elasticsearch refused a part of a bulk: {answer[:300]!r}",
                    remedy="look into its log; a benchmark needs a fresh data folder",
                )
    finally:
        connection.close()


def _answers(
    connection: http.client.HTTPConnection, bulks: Sequence[bytes]
) -> Iterator[bytes]:
    headers = {"Content-Type": "application/x-ndjson"}
    for bulk in bulks:
        connection.request("POST", "/_bulk?filter_path=errors", bulk, headers)
        yield connection.getresponse().read()
