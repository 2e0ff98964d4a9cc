"""What a person's query says before Elasticsearch reads it, and what was wrong with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import cast

from tailrace.errors import QueryInvalid

_REASON = re.compile(r"Cannot parse '.*?':\s*(?P<why>.+)", re.DOTALL)
_PLACE = re.compile(r"line (\d+), column (\d+)")
_AT_END = re.compile(r"Encountered:?\s+\"?\s*<EOF>")


def explain_query_error(query: str, *, answer: object) -> QueryInvalid | None:
    """Say what is wrong with `query` where Elasticsearch refused it, else None.

    `answer` is the body of its answer with status 400; it is None when the fault is not
    in what the person typed.
    """
    causes = list(reasons_in(answer))
    reason = next((text for text in causes if "Cannot parse" in text), None)
    if reason is None:
        if any("too_many" in text or "maxClauseCount" in text for text in causes):
            return QueryInvalid(
                f"The query {query[:200]!r} matches too many different words.",
                remedy="write more of the word before its `*`",
            )
        refused = next((text for text in causes if "ailed to parse" in text), None)
        return (
            QueryInvalid(
                f"The query {query[:200]!r} cannot be read: {refused[:300]}",
                remedy="correct the value, or put it in double quotes",
            )
            if refused
            else None
        )
    found = _REASON.search(reason)
    why = found["why"] if found else reason
    if "not allowed as first character" in why:
        return QueryInvalid(
            f"The query {query[:200]!r} has a word that begins with `*` or `?`, which"
            " would read every word of every index.",
            remedy="begin the word with a letter, or search for whole words",
        )
    place = _PLACE.search(why)
    where = "at its end"
    if place and not _AT_END.search(why):
        column = _typed_column(query, escaped_column=int(place[2]))
        where = f"at character {column + 1}, before {query[column : column + 20]!r}"
    return QueryInvalid(
        f"The query {query[:200]!r} cannot be read {where}.",
        remedy=(
            "close every bracket and double quote, put a word after AND, OR and NOT,"
            " and put text with signs such as : ( [ in double quotes"
        ),
    )


def without_regex(query: str) -> str:
    """Escape `/`: a path is found as typed, and no regular expression is run."""
    return re.sub(
        r'"(?:[^"\\]|\\.)*"|\\.|/',
        lambda match: "\\/" if match[0] == "/" else match[0],
        query,
        flags=re.DOTALL,
    )


def _typed_column(query: str, *, escaped_column: int) -> int:
    """Return the index in what was typed of a column in what was sent."""
    words = query.lstrip()
    leading = len(query) - len(words)
    for index in range(len(words)):
        if len(without_regex(words[: index + 1])) > escaped_column:
            return leading + index
    return max(len(query.rstrip()) - 1, 0)


def reasons_in(answer: object) -> Iterator[str]:
    """Yield every type and reason in the tree of an error that Elasticsearch answered."""
    if isinstance(answer, Mapping):
        for key, value in cast("Mapping[str, object]", answer).items():
            if key in {"type", "reason"} and isinstance(value, str):
                yield value
            else:
                yield from reasons_in(value)
    elif isinstance(answer, list):
        for value in cast("list[object]", answer):
            yield from reasons_in(value)
