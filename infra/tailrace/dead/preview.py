"""What a fix would do to the failed documents themselves, before anything is sent.

Pure. It is the very function that a retry calls, so what is shown is what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.dead.fixes import Fix, FixFailed, mended
from tailrace.dead.letters import (
    FailedDocument,
    Fields,
    Letter,
    read_document,
    text_of,
)
from tailrace.dead.plan import why_unfit
from tailrace.digest import DIGEST_FIELD

LINE_CHARACTERS_MAX = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field before and after, as JSON; None where there is none."""

    field: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """One letter, and what a retry would send of it."""

    letter: Letter
    line: str
    """The line as it was written, or the beginning of what the letter holds."""
    index: str = ""
    document_id: str = ""
    changes: tuple[Change, ...] = ()
    why_not: str = ""
    """Why nothing can be sent of it; empty where it can."""


def preview_of(letter: Letter, *, fix: Fix | None, namespace: str) -> Preview:
    """Return what a retry with this fix would send of a letter."""
    document = read_document(letter.original)
    why_not = why_unfit(letter, document, namespace=namespace)
    if document is None:
        line = letter.original[:LINE_CHARACTERS_MAX].decode("utf-8", "backslashreplace")
        return Preview(letter=letter, line=line, why_not=why_not)
    changes: tuple[Change, ...] = ()
    if fix is not None and not why_not:
        try:
            changes = changes_of(document, fix)
        except FixFailed as error:
            why_not = f"{fix} does not fit: {error}"
    fields = document.fields
    line = text_of(fields, "event.original") or text_of(fields, "message")
    return Preview(
        letter=letter,
        line=line[:LINE_CHARACTERS_MAX],
        index=document.index,
        document_id=document.document_id,
        changes=changes,
        why_not=why_not,
    )


def changes_of(document: FailedDocument, fix: Fix) -> tuple[Change, ...]:
    """Return which fields a fix changes, those of the outermost level.

    Raises:
        FixFailed: the fix does not fit the document.
    """
    before = document.fields
    after = mended(fix, before)
    names = [*before, *(name for name in after if name not in before)]
    return tuple(
        Change(field=name, before=_shown(before, name), after=_shown(after, name))
        for name in names
        if name != DIGEST_FIELD and before.get(name) != after.get(name)
    )


def _shown(fields: Fields, name: str) -> str | None:
    raw = fields.get(name)
    return None if raw is None else bytes(raw).decode("utf-8", "replace")
