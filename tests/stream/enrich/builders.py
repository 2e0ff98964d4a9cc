"""Enrichments, databases and documents for the tests of enrichment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import netaddr
from mmdb_writer import MMDBWriter

from tailrace.clock import Clock, SystemClock
from tailrace.wire import Origin
from tailrace_stream.chunk import process_chunk
from tailrace_stream.enrich.build import enrichment_of
from tailrace_stream.enrich.config import EnrichmentSettings
from tailrace_stream.enrich.enrichment import Enrichment
from tests.stream.builders import NAMESPACE, origin, placement, stored

NOTHING = {
    "geo": False,
    "user_agent": False,
    "templates": False,
    "trace_ids": False,
    "severity": False,
    "origin_fields": False,
}


class StepClock:
    """A clock that stands where it was put; monotonic time goes with it."""

    def __init__(self, at_ms: int = 1_000_000) -> None:
        self.at_ms = at_ms

    def now_ms(self) -> int:
        # Ahead of the disk's, so that every stamp is old enough to be believed.
        return SystemClock().now_ms() + 3_600_000 + self.at_ms

    def monotonic_ms(self) -> int:
        return self.at_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self.at_ms += wait_ms


def only(clock: Clock | None = None, **on: object) -> Enrichment:
    """Return an enrichment of which only some parts are on."""
    settings = EnrichmentSettings.model_validate({**NOTHING, **on})
    return enrichment_of(settings, clock=clock or SystemClock())


def enriched(
    *lines: bytes | str,
    by: Enrichment,
    parser: str = "plain",
    made: Origin | None = None,
) -> list[dict[str, Any]]:
    """Return the whole documents of some lines."""
    raw = [line if isinstance(line, bytes) else line.encode() for line in lines]
    value = b"\n".join(raw) + b"\n"
    made = made or origin(value, placed=placement(parser, dataset="x"))
    chunk = process_chunk(value, origin=made, namespace=NAMESPACE, enrichment=by)
    assert not chunk.dead
    for piece in chunk.pieces:
        for text in piece.body.splitlines():
            json.loads(text, object_pairs_hook=_each_once)
    return [one.document for one in stored(chunk)]


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Return an object that has no name twice: an index refuses one that has."""
    names = [name for name, _ in pairs]
    assert len(set(names)) == len(names), names
    return dict(pairs)


def write_database(
    path: Path,
    networks: Mapping[str, Mapping[str, Any]],
    *,
    kind: str = "GeoLite2-City",
) -> Path:
    """Write a database of MaxMind's format."""
    writer = MMDBWriter(ip_version=6, database_type=kind, ipv4_compatible=True)
    for network, record in networks.items():
        writer.insert_network(netaddr.IPSet([network]), dict(record))
    writer.to_db_file(str(path))
    return path
