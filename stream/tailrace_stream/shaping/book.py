"""The rules of one worker, and how those of a partition become known before they hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tailrace.topics import STATE
from tailrace.wire import encode
from tailrace_stream.records import Outgoing
from tailrace_stream.shaping.config import ShapingSettings, rules_of
from tailrace_stream.shaping.editions import (
    EDITIONS_KEY,
    Editions,
    editions_in,
    with_rules,
)
from tailrace_stream.shaping.rules import NO_RULES, Rules
from tailrace_stream.state_store import ReadBack


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleBook:
    """The rules that a worker begins with."""

    rules: Rules = NO_RULES
    namespace: str = ""

    def editions_of(
        self, found: ReadBack, partition: int
    ) -> tuple[Editions, list[Outgoing]]:
        """Return which rules hold in a partition, and what must be delivered of it first.

        The partition's own record is taken out of what was read back.
        """
        before = editions_in(found.take_editions())
        after = with_rules(before, self.rules, end_offset=found.fresh_offset)
        if after == before:
            return before, []
        record = Outgoing(
            topic=STATE.name(self.namespace),
            partition=partition,
            key=EDITIONS_KEY.encode(),
            value=encode(after),
        )
        return after, [record]


NO_BOOK: Final = RuleBook()
"""Of a worker without rules, in partitions that never had any."""


def book_of(settings: Sequence[ShapingSettings], *, namespace: str) -> RuleBook:
    """Return the rules that settings name."""
    return RuleBook(rules=rules_of(settings), namespace=namespace)
