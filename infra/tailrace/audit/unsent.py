"""Which documents bear numbers beyond all that was ever sent of their generation.

A document may be newer than the ledger's words, which are read first. So one that is seen
is judged by words that are read once the indexers have passed all that stood in
`tailrace.docs` when it was seen: they speak before they pass. What is beyond these, too,
came by no hop.
"""

from __future__ import annotations

from tailrace.audit.facts import GenerationFacts
from tailrace.audit.sources import Snapshot
from tailrace.audit.verdict import NAMED_MAX, Problem, ProblemKind
from tailrace.audit.windows import Sums

TEXT = "stored, and beyond all that was ever sent"


def beyond_of(facts: GenerationFacts, *, sums: Sums) -> int | None:
    """Return the highest number stored, where no hop has spoken of it."""
    highest = max((each.highest for each in sums.stored.values()), default=-1)
    return highest if highest >= facts.sent_number else None


def unsent_of(
    facts: GenerationFacts,
    *,
    highest: int,
    sums: Sums,
    snapshot: Snapshot,
    window_events: int,
) -> list[Problem]:
    """Return the documents up to `highest` of which these words do not speak.

    `highest` was stored before the words were said.

    Raises:
        SnapshotLost: an index was taken away while it was read.
    """
    sent = facts.sent_number
    spans = [
        range(max(window * window_events, sent), (window + 1) * window_events)
        for window, found in sorted(sums.stored.items())
        if found.highest >= sent and window * window_events <= highest
    ]
    if not spans:
        return []
    stored = snapshot.numbers(facts.generation, spans=spans).stored
    unsent = [n for span in spans for n in span if n <= highest and stored.count(n)]
    named = [
        Problem(kind=ProblemKind.UNSENT, text=TEXT, event_number=number)
        for number in unsent[:NAMED_MAX]
    ]
    left = len(unsent) - len(named)
    if left:
        text = f"{left} more documents {TEXT}"
        named.append(Problem(kind=ProblemKind.UNSENT, text=text, count=left))
    return named
