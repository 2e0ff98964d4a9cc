"""One partition while it is ours: its states, its records in flight, its position.

A lane is made when a partition is assigned and thrown away when it is revoked. While it
waits for that it begins nothing more, so that what it still has is finished and committed:
what is not, whoever has the partition next does again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from tailrace.template_records import TemplateRecord
from tailrace.topics import STATE
from tailrace.wire import Origin
from tailrace_stream.ledger_turns import LedgerTurns
from tailrace_stream.records import Outgoing
from tailrace_stream.resting import Silences, rested
from tailrace_stream.seeding import Remembered, beginning_of
from tailrace_stream.shaping.editions import (
    NO_EDITIONS,
    Editions,
    RuledBy,
    RuleMarks,
    ruled_by_none,
    ruling_of,
)
from tailrace_stream.shaping.fates import Ruling
from tailrace_stream.state_store import ReadBack
from tailrace_stream.templates.table import TemplateTable

HOLE_ASKS_MAX = 3
"""A hole that is really there costs so many seeks, and is rare; a record that is passed
over is lost."""


@dataclass(slots=True)
class Lane:
    """What the worker holds of one assigned partition."""

    partition: int
    next_offset: int = -1
    """Of the record to take next; negative while it is being asked for."""
    acked_offset: int = -1
    """Every record before it is acknowledged; what may be committed."""
    committed_offset: int = -1
    states: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The newest state record of each generation, as it was or will be written."""
    words: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """What the ledger said of each when the partition became ours, until it is met."""
    loading: asyncio.Task[None] | None = None
    last: asyncio.Task[None] | None = None
    """The completion of the record taken last, which the next one waits for."""
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    templates: TemplateTable | None = None
    """None where templates are off."""
    editions: Editions = NO_EDITIONS
    """Which rules its records are judged by."""
    ledger_turns: LedgerTurns = field(default_factory=LedgerTurns)
    silences: Silences = field(default_factory=Silences)
    raw_end: int = 0
    """Where the partition ended when its states were read."""
    resting: frozenset[str] = frozenset()
    """Generations whose windows are being closed."""
    rest: asyncio.Task[None] | None = None
    is_open: bool = True
    is_taking: bool = True
    """False from when it is being given up, while what has begun is still completed."""
    begun_count: int = 0
    """How many records it has begun to send."""
    acked_count: int = 0
    committed_count: int = 0
    """How many of them were acknowledged, and how many of these are committed."""
    hole_end: int | None = None
    """The record that came too early, while those before it are asked for again."""
    hole_asks: int = 0
    """How often they were asked for."""

    def remember(
        self, found: ReadBack, templates: TemplateTable | None, editions: Editions
    ) -> None:
        """Begin with what was read back of the partition."""
        self.states, self.words = found.states, found.words
        self.templates, self.editions = templates, editions
        self.silences = Silences(found.open_since_ms.items())
        self.raw_end = found.raw_end

    def begin_at(self, offset: int) -> None:
        """Say where the partition is read from."""
        self.next_offset = self.acked_offset = self.committed_offset = offset

    def rule(self, offset: int) -> RuledBy:
        """Return what says by which rules the events of a record are judged.

        To be asked before the next record of the partition is counted.
        """

        def ruled(origin: Origin) -> tuple[Ruling, RuleMarks]:
            if not self.editions.revision:
                return ruled_by_none(origin)
            name = origin.generation
            known = Remembered(self.states.get(name), self.words.get(name))
            return ruling_of(
                beginning_of(known, origin=origin).state,
                origin=origin,
                offset=offset,
                editions=self.editions,
            )

        return ruled

    @property
    def uncommitted_count(self) -> int:
        """Return how many records would be done again were the lane closed now."""
        return self.begun_count - self.committed_count

    def untold_templates(self) -> list[TemplateRecord]:
        """Return, as told from now on, what is known of templates and was not told."""
        return [] if self.templates is None else self.templates.untold()

    def begin_rest(self, *, until_ms: int, namespace: str) -> dict[str, Outgoing]:
        """Return the states with nothing open of generations that are silent since then.

        Their records wait until these are durable and `end_rest` says so: what was told
        of a record that was counted to the one state, no crash may bring to the other. No
        generation begins while others are not done, nor before all is done again that may
        have been in work when a worker died.
        """
        is_read = self.is_taking and self.loading is None
        if not is_read or self.resting or self.acked_offset < self.raw_end:
            return {}
        told: dict[str, Outgoing] = {}
        for generation in self.silences.take(until_ms=until_ms):
            value = rested(self.states[generation])
            if value is not None:
                told[generation] = Outgoing(
                    topic=STATE.name(namespace),
                    partition=self.partition,
                    key=generation.encode(),
                    value=value,
                )
        self.resting = frozenset(told)
        return told

    def end_rest(self, told: Mapping[str, Outgoing]) -> None:
        """Count on from these states: they are durable."""
        self.states.update({name: one.value for name, one in told.items()})
        self.resting = frozenset()

    def close(self) -> None:
        """Give the partition up: nothing more of it is sent or acknowledged."""
        self.is_open = self.is_taking = False
        if self.loading is not None:
            self.loading.cancel()
        for task in tuple(self.tasks):
            task.cancel()


@dataclass(frozen=True, slots=True)
class Arrival:
    """What to do with a record that came, told by its offset alone."""

    is_taken: bool
    seek_offset: int | None = None
    missing_count: int = 0


def arrival(lane: Lane, offset: int) -> Arrival:
    """Decide about a record: take it, skip it, or ask again for one before it.

    Faust may drop records that it fetched before a rebalance. Were the next one taken,
    the commit would pass over them; so a hole is asked for again. What was fetched before
    that still comes, and after two rebalances it may come twice, so that it looks like
    the answer: a hole is believed (retention, a transaction's marker) only when it was
    asked for `HOLE_ASKS_MAX` times.
    """
    if offset < lane.next_offset:
        return Arrival(is_taken=False)  # In flight already, or done.
    if offset == lane.next_offset:
        return Arrival(is_taken=True)
    if lane.hole_end is not None and offset > lane.hole_end:
        return Arrival(is_taken=False)
    if lane.hole_asks < HOLE_ASKS_MAX:
        return Arrival(is_taken=False, seek_offset=lane.next_offset)
    return Arrival(is_taken=True, missing_count=offset - lane.next_offset)


def positions(lanes: Mapping[int, Lane]) -> dict[int, int]:
    """Return which offset to commit for each partition, where it has advanced."""
    return {
        lane.partition: lane.acked_offset
        for lane in lanes.values()
        if lane.is_open and lane.acked_offset > lane.committed_offset
    }
