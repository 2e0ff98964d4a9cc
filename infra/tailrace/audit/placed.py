"""Whether a document lies in the index where its file and its time put it.

Sent again, one that lies elsewhere would be stored a second time where it belongs. An agent's
word has the file's birth and placement. Of another collector's events the stream's word has
the day of arrival, which is their birth and alone decides. Where neither has spoken, the
document's own `_id` tells a birth, and its own fields dataset and time; whether its file is
routed to another name than that dataset's, nobody can tell then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.line import IdParts
from tailrace.audit.sources import StoredDocument
from tailrace.floors import span_of
from tailrace.identity import DAY_MS, index_name
from tailrace.revised_indices import base_of
from tailrace.wire import Placement

_NEVER_MS = 2**63


def born_at_ms_of(facts: GenerationFacts) -> int | None:
    """Return when a generation was born, as its ledger has it; None where it has not."""
    if facts.agent is not None:
        return facts.agent.identity.born_at_ns // 1_000_000
    if facts.is_foreign and facts.stream is not None:
        # One a day: any moment of its records tells which.
        return facts.stream.observed_at_ms // DAY_MS * DAY_MS
    return None


def is_elsewhere(
    stored: StoredDocument,
    document: Document,
    *,
    facts: GenerationFacts,
    parts: IdParts,
) -> bool:
    """Return whether a document lies where neither its time nor its birth puts it.

    Which of the two it is, where both can be, a document does not tell. `parts` are those
    of its `_id`, which is held to its generation's birth before.
    """
    namespace = stored.index.partition("-")[0]
    born_at_ms = born_at_ms_of(facts)
    if born_at_ms is None:
        born_at_ms = parts.birth_second * 1_000
    # A namespace has no hyphen; a replay's index has `-r2` behind its name.
    index = base_of(stored.index)
    if facts.agent is not None:
        placement = facts.agent.placement
    else:
        span = span_of(index, namespace=namespace)
        lies_under = span.dataset if span is not None else ""
        placement = _placement_of(
            facts,
            document,
            index=lies_under if facts.stream is None else facts.stream.index,
        )
    return index not in {
        index_name(
            event_ms,
            namespace=namespace,
            placement=placement,
            born_at_ms=born_at_ms,
        )
        for event_ms in _moments(document)
    }


def _placement_of(
    facts: GenerationFacts, document: Document, *, index: str
) -> Placement:
    """Return a placement as far as it is known without the agent's word."""
    return Placement(
        dataset=facts.dataset or str(field_of(document, "event.dataset")),
        index=index,
        parser="",
        time_rule="generation" if facts.is_foreign else "event",
        time_zone="UTC",
        anchor_ms=0,
        earliest_ms=-_NEVER_MS,
        latest_ms=_NEVER_MS,
    )


def _moments(document: Document) -> Iterable[int | None]:
    """Yield no time, for an event whose time is not believed, and the time of this one."""
    yield None
    written = field_of(document, "@timestamp")
    if isinstance(written, str):
        try:
            moment = datetime.fromisoformat(f"{written[:19]}+00:00")
        except ValueError:
            return
        yield int(moment.timestamp()) * 1_000
