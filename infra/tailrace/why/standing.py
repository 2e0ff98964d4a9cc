"""Documents as they stand in an index, and whether each is what was stored there.

Whoever asks for a line by its place finds what lies under that place, whatever somebody
made of it since. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgspec
import orjson

from tailrace.answers import field
from tailrace.audit.bodies import Hit, HitsAnswer
from tailrace.audit.line import alteration
from tailrace.digest import DIGEST_FIELD


@dataclass(frozen=True, slots=True)
class StandingDocument:
    """One document that was found."""

    name: str
    """`<index>/<_id>`."""
    altered: str
    """What is wrong with it; empty where it is as it was stored, or bears no digest."""


def as_they_stand(answer: bytes) -> list[StandingDocument]:
    """Return the documents of a search that asked for their sources."""
    hits = msgspec.json.decode(answer, type=HitsAnswer).hits.hits
    return [StandingDocument(f"{hit.index}/{hit.id}", _wrong(hit)) for hit in hits]


def _wrong(hit: Hit) -> str:
    source = bytes(hit.source)
    document = orjson.loads(source)
    if field(document, DIGEST_FIELD) is None:
        return ""
    return alteration(source, document, document_id=hit.id, born_at_ms=None) or ""
