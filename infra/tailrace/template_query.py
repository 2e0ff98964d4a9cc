"""Whoever asks for a template asks for all ids of its group: how a request says so. Pure.

Documents keep the id of their own text for good; that several are one template is told
later (`tailrace.template_aliases`), so it is the question that changes.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final

from tailrace.errors import QueryInvalid
from tailrace.query import AnyOf, SearchRequest
from tailrace.template_aliases import TemplateGroups

FIELD: Final = "tailrace.template.id"
LISTED_MAX: Final = 500
"""Ids of a group in the midst of a query; Elasticsearch takes at least twice as many."""

_NAMED: Final = r'tailrace\.template\.id:"?([0-9a-f]{16})"?'
_WHOLE = re.compile(_NAMED)
_QUOTED: Final = r'"(?:\\.|[^"\\])*"'
_WITHIN = re.compile(rf"(?<![\w.]){_NAMED}(?![\w*?~^])|{_QUOTED}")
_WORD = re.compile(rf'(?:{_QUOTED}|[^\s"])+')
_AND: Final = frozenset({"AND", "&&"})
_JOINS_OTHERWISE = re.compile(r"OR|NOT|\|\|.*|[!+-].*|[^\"]*[()].*", re.DOTALL)
"""A word by which not all words of a query are demanded."""


def named_templates(request: SearchRequest) -> frozenset[str]:
    """Return the templates that a request names by their ids."""
    words = (found[1] for found in _WITHIN.finditer(request.query))
    filters = (one.value for one in request.filters if one.field == FIELD)
    return frozenset(one for one in (*words, *filters) if one)


def with_groups(request: SearchRequest, groups: TemplateGroups) -> SearchRequest:
    """Return a request that asks for every id of the groups of those that it names.

    Raises:
        QueryInvalid: a group has more than `LISTED_MAX` ids, and is named in the midst of
            words that are not all demanded.
    """
    if not any(groups.is_group(one) for one in named_templates(request)):
        return request
    query, any_of = _with_words(request.query, groups)
    filters = tuple(
        one
        for one in request.filters
        if one.field != FIELD or not groups.is_group(one.value)
    )
    moved = [one for one in request.filters if one not in filters]
    any_of += [AnyOf(FIELD, groups.ids_of(one.value), one.is_excluded) for one in moved]
    return replace(request, query=query, filters=filters, any_of=tuple(any_of))


def _with_words(query: str, groups: TemplateGroups) -> tuple[str, list[AnyOf]]:
    words = [found[0] for found in _WORD.finditer(query)]
    if any(_JOINS_OTHERWISE.fullmatch(word) for word in words):
        return _WITHIN.sub(lambda found: _listed(found, groups), query), []
    rest: list[str] = []
    any_of: list[AnyOf] = []
    for word in words:
        found = _WHOLE.fullmatch(word)
        if found is not None:
            any_of.append(AnyOf(FIELD, groups.ids_of(found[1])))
        elif word not in _AND:
            rest.append(word)
    return " ".join(rest), any_of


def _listed(found: re.Match[str], groups: TemplateGroups) -> str:
    """Return the same with all ids of the group, where it names one."""
    if found[1] is None or not groups.is_group(found[1]):
        return found[0]
    ids = groups.ids_of(found[1])
    if len(ids) > LISTED_MAX:
        raise QueryInvalid(
            f"The template {found[1]} has {len(ids):,} ids, too many for the midst of a"
            " query.",
            remedy="ask for it without OR, NOT, signs and brackets, or choose it as a"
            " filter",
        )
    return f"{FIELD}:({' OR '.join(ids)})"
