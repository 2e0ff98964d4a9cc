"""What an audit finds beside the counts of a generation, each as a problem in words."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.audit.facts import GenerationFacts
from tailrace.audit.line import IdParts, alteration, read_id
from tailrace.audit.placed import born_at_ms_of, is_elsewhere
from tailrace.audit.sources import Snapshot, StoredDocument
from tailrace.audit.unsent import TEXT as UNSENT_TEXT
from tailrace.audit.verdict import (
    NAMED_MAX,
    GenerationVerdict,
    Problem,
    ProblemKind,
)
from tailrace.audit.windows import Sums
from tailrace.ledger_topic import UnreadableEntry
from tailrace.text import printable

UNKNOWN_NAMED_MAX = 5
"""Documents of a generation that no ledger knows, of which each is named."""
TEXT_CHARACTERS_MAX = 300
"""Of a key or a reason that is shown; whoever wrote them may have written anything."""


def altered(stored: StoredDocument, *, facts: GenerationFacts) -> Problem | None:
    """Return that a document is not what was stored, or None where it is."""
    source = bytes(stored.source)
    document = orjson.loads(source)
    wrong = alteration(
        source,
        document,
        document_id=stored.document_id,
        born_at_ms=born_at_ms_of(facts),
    )
    parts = read_id(stored.document_id)
    if wrong is None and parts is not None:
        is_away = is_elsewhere(stored, document, facts=facts, parts=parts)
        wrong = "it lies in an index of another day or dataset" if is_away else None
    if wrong is None:
        return None
    return Problem(
        kind=ProblemKind.ALTERED,
        text=wrong,
        event_number=stored.number,
        offset=_true_offset(document, facts=facts, parts=parts),
        documents=(f"{stored.index}/{stored.document_id}",),
    )


def _true_offset(
    document: Document, *, facts: GenerationFacts, parts: IdParts | None
) -> int | None:
    """Return where an altered document's event begins in its file.

    That stands in its `_id`, which nobody alters without making it another document; in
    one that is none of its generation's stands nothing of the kind.
    """
    if parts is not None and facts.generation.startswith(parts.generation_start):
        return parts.offset
    offset = field_of(document, "log.offset")
    return offset if isinstance(offset, int) else None


def more_altered(count: int) -> tuple[Problem, ...]:
    """Return the altered documents of which there was no room to name each."""
    if count <= 0:
        return ()
    text = f"{count} more documents altered"
    return (Problem(kind=ProblemKind.ALTERED, text=text, count=count),)


def unknown(generation: str, *, sums: Sums, snapshot: Snapshot) -> GenerationVerdict:
    """Return the verdict on documents of a generation that no ledger tells of."""
    ends = {n for each in sums.stored.values() for n in (each.lowest, each.highest)}
    numbers = sorted(ends)[:UNKNOWN_NAMED_MAX]
    places = snapshot.places(generation, numbers=numbers)[:UNKNOWN_NAMED_MAX]
    where = ""
    if places:
        where = f"; they say that they are of {places[0].host_name}:{places[0].path}"
    stored = sum(each.count for each in sums.stored.values())
    dead = sum(each.count for each in sums.dead.values())
    return GenerationVerdict(
        facts=GenerationFacts(generation=generation),
        stored_count=stored,
        dead_count=dead,
        is_settled=True,
        problems=(
            Problem(
                kind=ProblemKind.UNKNOWN_GENERATION,
                text=f"{stored} documents and {dead} dead letters are of a generation"
                f" of which no ledger tells{where}",
                count=stored + dead,
                event_number=places[0].number if places else None,
                offset=places[0].offset if places else None,
                documents=tuple(place.document for place in places),
            ),
        ),
    )


def unreadable(entries: Sequence[UnreadableEntry]) -> tuple[Problem, ...]:
    """Return each record that cannot be read, its key and the reason made harmless."""
    kind = ProblemKind.UNREADABLE_RECORD
    named = [
        Problem(kind=kind, text=printable(_unreadable_text(each)))
        for each in entries[:NAMED_MAX]
    ]
    left = len(entries) - len(named)
    if left:
        text = f"{left} more records of the ledger cannot be read"
        named.append(Problem(kind=kind, text=text, count=left))
    return tuple(named)


def _unreadable_text(entry: UnreadableEntry) -> str:
    key = (entry.key or b"").decode("utf-8", "backslashreplace")
    return (
        f"the ledger's record of the key {key[:TEXT_CHARACTERS_MAX]!r}, at offset"
        f" {entry.offset} of partition {entry.partition}, may say something else:"
        f" {entry.reason[:TEXT_CHARACTERS_MAX]}"
    )


def unreached(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Return the documents whose numbers no file ever reaches, whatever the ledger says."""
    found = snapshot.unreached()
    named = [
        Problem(
            kind=ProblemKind.UNSENT,
            text=UNSENT_TEXT,
            event_number=number,
            documents=(document,),
        )
        for number, document in found.named
    ]
    left = found.count - len(named)
    if left:
        text = f"{left} more documents {UNSENT_TEXT}"
        named.append(Problem(kind=ProblemKind.UNSENT, text=text, count=left))
    return tuple(named)


def ambiguous(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Return the indices whose documents bear more generations than they are documents.

    Such a one counts as an event of each, and so hides that another's is missing.
    """
    return tuple(
        Problem(
            kind=ProblemKind.AMBIGUOUS,
            text=f"documents of {index} bear {surplus} generations too many, and may stand"
            " for events of other files that are missing; `tailrace audit --deep` names"
            " them",
            count=surplus,
        )
        for index, surplus in sorted(snapshot.ambiguous().items())
    )


def unplaced(snapshot: Snapshot) -> tuple[Problem, ...]:
    """Return the documents that no number places."""
    found = snapshot.unnumbered()
    if not found.count:
        return ()
    return (
        Problem(
            kind=ProblemKind.UNNUMBERED,
            text=f"{found.count} documents have no generation, or no event number that"
            " can be one, so nothing says whether they should be there",
            count=found.count,
            documents=found.named,
        ),
    )
