"""Whether the dead letters in the index are what was stored, and each stands there once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, cast

import orjson

from tailrace.audit.sources import StoredLetter
from tailrace.audit.tally import Misnamed
from tailrace.audit.verdict import NAMED_MAX, Problem, ProblemKind
from tailrace.digest import DIGEST_FIELD, letter_digest
from tailrace.letter_ids import is_misnamed, misnamed_text

Letter = dict[str, Any]


def wrong_letters(letters: Iterable[StoredLetter]) -> tuple[Problem, ...]:
    """Return the letters that are not what was stored, or copies; the first by name."""
    named: dict[ProblemKind, list[Problem]] = {}
    counts: dict[ProblemKind, int] = {}
    for letter in letters:
        for problem in _wrongs_of(letter):
            kind = problem.kind
            counts[kind] = counts.get(kind, 0) + 1
            if len(named.setdefault(kind, [])) < NAMED_MAX:
                named[kind].append(problem)
    for kind, found in named.items():
        left = counts[kind] - len(found)
        if left:
            text = f"{left} more dead letters {kind.value}"
            found.append(Problem(kind=kind, text=text, count=left))
    return tuple(problem for found in named.values() for problem in found)


def misnamed_letters(found: Iterable[Misnamed]) -> tuple[Problem, ...]:
    """Return the copies of letters that were met while numbers were looked at."""
    return tuple(
        Problem(
            kind=ProblemKind.DOUBLED,
            text=misnamed_text(each.document_id, dead_id=each.dead_id),
            event_number=each.number,
            documents=(f"{each.index}/{each.document_id}",),
        )
        for each in found
    )


def _wrongs_of(letter: StoredLetter) -> Iterator[Problem]:
    said = cast("Letter", orjson.loads(bytes(letter.source)))
    placed = Problem(
        kind=ProblemKind.ALTERED,
        text="",
        event_number=_number(said.get("event.sequence")),
        offset=_number(said.get("log.offset")),
        host_name=_text(said.get("host.name")),
        path=_text(said.get("log.file.path")),
        documents=(f"{letter.index}/{letter.document_id}",),
    )
    if said.get(DIGEST_FIELD) != letter_digest(said):
        # Where it belongs nothing else tells: it is the letter's own word.
        is_placed = bool(placed.path) or placed.offset is not None
        word = "; file and offset are its own word, which may be altered, too"
        text = f"the dead letter does not fit its digest{word if is_placed else ''}"
        yield replace(placed, text=text)
    dead_id = _text(said.get("dead.id"))
    if is_misnamed(letter.document_id, dead_id=dead_id):
        text = misnamed_text(letter.document_id, dead_id=dead_id)
        yield replace(placed, kind=ProblemKind.DOUBLED, text=text)


def _number(value: object) -> int | None:
    """Return a place; a letter that belongs to no place says -1."""
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if value >= 0 else None


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
