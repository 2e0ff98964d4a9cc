"""What is asked for and left out where the ledger's index has more words than one answer.

The newest words are read. Of a generation the word of one hop may be among them and that of
another not: what was stored of it is then not known, and it is no less stored. So the words
that are missing are asked for once more, and what is still not known counts as nothing that
waits. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tailrace.answers import Document
from tailrace.answers import field as field_of
from tailrace.heartbeat_claims import HEARTBEAT, number_in
from tailrace.ledger_answer import read_answer
from tailrace.ledger_tail import NO_TAIL, LedgerTail, with_tail
from tailrace.query import Body

FOREIGN_AGENT = "foreign"
"""What came without our agent: nobody says up to when it is all there is."""
TIMEOUT_S: Final = 5
MISSING_MAX: Final = 10_000
"""Two words of each file in a first answer; no index returns more at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerWords:
    """The words that were read, and which are not known for not being among them."""

    documents: Sequence[Document]
    is_partial: bool
    """There are more words in the ledger than these."""
    indexed_at_ms: int | None
    """When the newest word of all was written; None where that is not known."""
    left_out: frozenset[str] = frozenset()
    """Generations of which it is not known how much is stored."""
    read_after_ms: int = 0
    """Every word that was written later is among these."""


def missing_body(answer: Mapping[str, Any], *, source: Sequence[str]) -> Body | None:
    """Build the search for what the answer lacks of its files; None where it lacks nothing.

    `source` are the fields that the first search asked for.
    """
    read = read_answer(answer)
    if not read.is_partial:
        return None
    wanted = sorted(_without_indexer(read.documents))
    if not wanted:
        return None
    return {
        "size": MISSING_MAX,
        "query": {
            "bool": {
                "filter": [
                    {"terms": {"tailrace.hop": ["stream", "indexer"]}},
                    {"terms": {"tailrace.generation": wanted}},
                ]
            }
        },
        "track_total_hits": True,
        "timeout": f"{TIMEOUT_S}s",
        "_source": list(source),
    }


def words_in(
    answer: Mapping[str, Any],
    *,
    missing: Mapping[str, Any] | None = None,
    tail: LedgerTail = NO_TAIL,
) -> LedgerWords:
    """Return the words of an answer and of that to `missing_body`, where one came.

    With those of the topic that are not in the index yet, where they were read.
    """
    read = read_answer(answer)
    if not read.is_partial:
        return LedgerWords(
            documents=with_tail(read.documents, tail),
            is_partial=not tail.is_whole,
            indexed_at_ms=read.indexed_at_ms,
        )
    rest = None if missing is None else read_answer(missing)
    # The later answer last: it is the newer one.
    known = [*read.documents, *(rest.documents if rest else ())]
    documents = with_tail(known, tail)
    left_out = _without_indexer(documents)
    if rest is not None and not rest.is_partial:
        # Those that it was asked for: where it has no word, nothing is stored of them.
        left_out -= _without_indexer(read.documents)
    return LedgerWords(
        documents=documents,
        is_partial=True,
        indexed_at_ms=read.indexed_at_ms,
        left_out=left_out,
        read_after_ms=0 if read.is_cut_short else _oldest_ms(read.documents),
    )


def _without_indexer(documents: Iterable[Document]) -> frozenset[str]:
    """Return the generations of our agents of which some hop spoke, and no indexer did."""
    spoken: set[str] = set()
    stored: set[str] = set()
    for document in documents:
        generation = field_of(document, "tailrace.generation")
        if not isinstance(generation, str):
            continue
        if field_of(document, "tailrace.hop") == "indexer":
            stored.add(generation)
        elif field_of(document, "agent.id") != FOREIGN_AGENT:
            spoken.add(generation)
    return frozenset(spoken - stored)


def _oldest_ms(documents: Iterable[Document]) -> int:
    """Return when the oldest word was written of those that are read newest first."""
    said_at_ms = [
        number_in(document, "@timestamp")
        for document in documents
        if field_of(document, "tailrace.hop") != HEARTBEAT
    ]
    return min(said_at_ms, default=2**63)
