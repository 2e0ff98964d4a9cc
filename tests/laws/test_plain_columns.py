"""What one chunk becomes: laws that the columns and the simulation's plain way obey."""

from __future__ import annotations

from random import Random
from typing import Any

import crc32c
import numpy as np
import orjson
import polars as pl
import pytest

from tailrace.digest import DIGEST_FIELD, is_unaltered
from tailrace.floors import Floors
from tailrace.framing import FLAG_CUT, FLAG_REDACTED, MappedEvent, encode_mapped
from tailrace.ledger import FloorLedger
from tailrace.wire import Origin
from tailrace_stream import windows
from tailrace_stream.chunk import ProcessedChunk, process_chunk
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.templates.sightings import sightings_of
from tailrace_stream.window_groups import GroupColumns
from tests.simulation.application import BANNER, Applications, LogFile
from tests.simulation.filesystem import Files, Life, Node
from tests.simulation.world import World
from tests.stream.builders import NAMESPACE, SEEN_AT_MS, origin, placement
from tests.support.fakes.columns import (
    grouped_plainly,
    process_chunk_plainly,
    sightings_plainly,
)


def lines_as_simulated(seed: int) -> bytes:
    """Return lines of every kind that the simulation writes."""
    applications = Applications(World(seed), Files(), [])
    node = Node(1, 1.0, Life(0, "host", "app"), 0)
    log = LogFile("host", "app")
    lines = [applications.line(log, node) for _ in range(60)]
    halves = [line[: len(line) // 2].replace(b"\n", b"") + b"\n" for line in lines[:20]]
    return BANNER + b"".join(lines + halves) + b"2026-11-24 01:0"


def made_of(value: bytes, **changes: Any) -> Origin:  # noqa: ANN401
    placed = placement("log4j", dataset="java.log")
    return origin(value, placed=placed, first_offset=77, **changes)


def said(done: ProcessedChunk) -> list[tuple[Any, dict[str, Any]]]:
    body = b"".join(piece.body for piece in done.pieces)
    lines = body.split(b"\n")[:-1]
    assert all(is_unaltered(line) for line in lines[1::2])
    decoded = [orjson.loads(line) for line in lines]
    for document in decoded[1::2]:
        del document[DIGEST_FIELD]  # The order of the fields is in it.
    return list(zip(decoded[::2], decoded[1::2], strict=True))


@pytest.mark.parametrize("seed", range(20))
def test_the_plain_way_says_what_the_columns_say(seed: int) -> None:
    value = lines_as_simulated(seed)
    made = made_of(value)
    real = process_chunk(value, origin=made, namespace=NAMESPACE)
    plain = process_chunk_plainly(value, origin=made, namespace=NAMESPACE)

    for (real_action, real_document), (action, document) in zip(
        said(real), said(plain), strict=True
    ):
        assert action == real_action
        assert document == real_document
    assert plain.offsets.tolist() == real.offsets.tolist()
    assert plain.times_ns.to_list() == real.times_ns.to_list()
    assert plain.levels.to_list() == real.levels.to_list()


def test_what_lies_below_a_floor_is_left_out_both_ways() -> None:
    days = [b"2026-11-%d 01:02:03 INFO of a day\n" % day for day in (22, 24, 23, 22)]
    value = BANNER + b"".join(days)
    made = made_of(value)
    day_ms = 86_400_000
    floor = FloorLedger(
        dataset="java.log",
        period="day",
        floor_ms=1_795_392_000_000,
        updated_at_ms=1_795_392_000_000 + day_ms,
    )
    floors = Floors([floor])
    real = process_chunk(value, origin=made, namespace=NAMESPACE, floors=floors)
    plain = process_chunk_plainly(
        value, origin=made, namespace=NAMESPACE, floors=floors
    )

    assert said(plain) == said(real)
    assert len(said(plain)) < plain.event_count == real.event_count
    assert plain.expired_positions.tolist() == real.expired_positions.tolist()
    assert [(p.document_count, p.event_count) for p in plain.pieces] == [
        (p.document_count, p.event_count) for p in real.pieces
    ]


def test_an_event_that_was_cut_says_so_both_ways() -> None:
    whole = b"2026-11-24 01:02:03 INFO " + b"x" * 9_000
    rows = [MappedEvent(5, len(whole), crc32c.crc32c(whole), whole[:4_096], FLAG_CUT)]
    value = encode_mapped(rows)
    made = made_of(value, framing="mapped")
    real = process_chunk(value, origin=made, namespace=NAMESPACE)
    plain = process_chunk_plainly(value, origin=made, namespace=NAMESPACE)
    assert said(plain) == said(real)


def test_x11_event_of_which_something_was_hidden_says_so_both_ways() -> None:
    whole = b"2026-11-24 01:02:03 INFO password=hunter2 was typed"
    shown = whole.replace(b"hunter2", b"[secret:0123456789ab]")
    checksum = crc32c.crc32c(whole)
    value = encode_mapped([MappedEvent(5, len(whole), checksum, shown, FLAG_REDACTED)])
    made = made_of(value, framing="mapped")
    real = process_chunk(value, origin=made, namespace=NAMESPACE)
    plain = process_chunk_plainly(value, origin=made, namespace=NAMESPACE)
    assert said(plain) == said(real)


@pytest.mark.parametrize("seed", range(20))
def test_windows_are_counted_the_same_both_ways(seed: int) -> None:
    random = Random(seed)
    count = random.randrange(1, 50)
    minute_ns = 60_000_000_000
    times = [random.choice([None, n % 5 * minute_ns + n]) for n in range(count)]
    levels = [random.choice([None, "info", "error", "odd"]) for _ in range(count)]
    events = GroupColumns(
        times_ns=pl.Series(times, dtype=pl.Int64),
        levels=pl.Series(levels, dtype=pl.String),
        template_ids=pl.Series([f"t{n % 3}" for n in range(count)]),
    )
    is_new = pl.Series([random.random() < 0.7 for _ in range(count)])
    real, plain = (
        group(
            events,
            None if seed == 1 else is_new,
            observed_at_ms=SEEN_AT_MS,
            window_ms=60_000,
            has_all=seed % 2 == 1,
        )
        for group in (windows.grouped, grouped_plainly)
    )
    assert plain == real


@pytest.mark.parametrize("seed", range(5))
def test_the_plain_way_sees_of_templates_what_the_columns_see(seed: int) -> None:
    """Its masks are simpler, so of one and the same ids."""
    value = lines_as_simulated(seed)
    made = made_of(value)
    plain = process_chunk_plainly(
        value,
        origin=made,
        namespace=NAMESPACE,
        enrichment=Enrichment(has_templates=True),
    )
    assert plain.templates is not None
    is_new = np.array([n % 3 > 0 for n in range(plain.event_count)])
    seen, plainly = (
        see(plain.templates, times_ns=plain.times_ns, is_new=is_new, origin=made)
        for see in (sightings_of, sightings_plainly)
    )
    assert seen == plainly
    assert len(seen) > 3
    assert [
        document["tailrace.template.id"] for _, document in said(plain)
    ] == plain.templates.ids.to_list()
