"""Planted secrets: where they stand in what was written, and what must stand there instead.

A flush may part one: then each half is to be hidden, and each is looked for by itself.
"""

from __future__ import annotations

import re
from base64 import b64decode
from binascii import Error
from collections.abc import Iterator

import orjson

from tests.simulation.application import SECRET_HALVES
from tests.simulation.cluster import Cluster
from tests.simulation.filesystem import Life

_VALUE = re.compile(rb"password=([^ \t\r\n]+)")
_TOKEN = re.compile(rb"\[secret:[0-9a-f]{12}\]")
_ENCODED = re.compile(rb"[A-Za-z0-9+/]{16,}={0,2}")
LEAKS_SHOWN = 5


def is_hidden(stored: bytes) -> bool:
    """Tell whether something was taken out of an event."""
    return _TOKEN.search(stored) is not None


def is_hidden_form(stored: bytes, life: Life, start: int, end: int) -> bool:
    """Tell whether an event is a span of a life with a token for each secret, or begins so.

    What is stored may be cut, but never amid a token.
    """
    line_start = life.content.rfind(b"\n", 0, start) + 1
    read, shown = start, 0
    for value in _VALUE.finditer(life.content, line_start):
        first, last = max(value.start(1), start), min(value.end(1), end)
        if first >= end:
            break
        if last <= start:
            continue
        plain = life.content[read:first]
        if len(stored) <= shown + len(plain):
            return plain.startswith(stored[shown:])
        token = _TOKEN.match(stored, shown + len(plain))
        if token is None or not stored.startswith(plain, shown):
            return False
        read, shown = last, token.end()
    return life.content[read:end].startswith(stored[shown:])


def leaks(cluster: Cluster) -> list[str]:
    """Return where a secret, or half of one, has left its host."""
    found: list[str] = []
    for partition, log in cluster.kafka.logs.items():
        for kept in log:
            record = kept.record
            headers = b" ".join(value for _, value in record.headers or ())
            if _shows(b"%b %b" % (record.value or b"", headers)):
                found.append(f"a secret in {partition} at {record.offset}")
    for index, documents in cluster.elasticsearch.indices.items():
        found += [
            f"a secret in {index}/{name}"
            for name, document in documents.items()
            if _shows(orjson.dumps(document))
        ]
    return found[:LEAKS_SHOWN]


def _shows(text: bytes) -> bool:
    return any(half in one for one in _texts(text) for half in SECRET_HALVES)


def _texts(text: bytes) -> Iterator[bytes]:
    """Yield a text, and what stands in it in base64, as in dead letters."""
    yield text
    for encoded in _ENCODED.findall(text):
        try:
            yield b64decode(encoded)
        except Error:
            continue
