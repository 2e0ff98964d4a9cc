"""Under which `_id` a dead letter's document stands: its own, and nobody stores it twice."""

from __future__ import annotations

from typing import Final

REFUSED_PREFIX: Final = "refused-"
"""Before the `_id` of the last form of a letter that Elasticsearch refused."""


def is_misnamed(document_id: str, *, dead_id: str) -> bool:
    """Tell whether a letter stands under an `_id` that no indexer gave it.

    One without an id of its own is none of ours, or was altered; its digest tells that.
    """
    is_own = document_id == dead_id or document_id.startswith(REFUSED_PREFIX)
    return bool(dead_id) and not is_own


def misnamed_text(document_id: str, *, dead_id: str) -> str:
    """Return in words what such a letter is."""
    return (
        f"a copy of dead letter {dead_id!r}, as it says itself, that stands under"
        f" {document_id!r}, which no indexer wrote"
    )
