"""Whether the dead letters in the index are what was stored: their original bytes above all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, cast

import orjson

from tailrace.audit.sources import StoredLetter
from tailrace.audit.verdict import NAMED_MAX, Problem, ProblemKind
from tailrace.digest import DIGEST_FIELD, letter_digest


def altered_letters(letters: Iterable[StoredLetter]) -> tuple[Problem, ...]:
    """Return the letters whose documents are not what was stored, the first by name."""
    named: list[Problem] = []
    count = 0
    for letter in letters:
        if _is_unaltered(letter):
            continue
        count += 1
        if len(named) < NAMED_MAX:
            named.append(
                Problem(
                    kind=ProblemKind.ALTERED,
                    text="the dead letter does not fit its digest",
                    documents=(f"{letter.index}/{letter.document_id}",),
                )
            )
    left = count - len(named)
    if left:
        text = f"{left} more dead letters altered"
        named.append(Problem(kind=ProblemKind.ALTERED, text=text, count=left))
    return tuple(named)


def _is_unaltered(letter: StoredLetter) -> bool:
    source = cast("dict[str, Any]", orjson.loads(bytes(letter.source)))
    return source.get(DIGEST_FIELD) == letter_digest(source)
