"""How the rules' questions are put to Elasticsearch, page by page and within bounds."""

from __future__ import annotations

import http
from collections.abc import Collection
from typing import Any, Protocol
from urllib.parse import quote

from tailrace.alerts.judging import Group, Observed, history_ms
from tailrace.alerts.kinds import IDS_MAX, Kinds, companions
from tailrace.alerts.news import Sighting
from tailrace.alerts.queries import (
    counts_body,
    documents_of,
    holes_body,
    keys_of,
    last_seen_body,
    losses_body,
    older_datasets_body,
    older_templates_body,
    read_counts,
    read_last_seen,
    read_sightings,
    sample_body,
    sampled,
    sightings_body,
    target_of,
)
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.answers import Document, is_partial
from tailrace.completeness import (
    Completeness,
    completeness_body,
    ledger_index,
    missing_body,
)
from tailrace.completeness_answer import read_completeness
from tailrace.elasticsearch import MISSING_IS_NONE, Elastic
from tailrace.errors import ServiceUnavailable, TailraceError
from tailrace.ledger_answer import read_answer
from tailrace.query import Body, events_alias
from tailrace.rights import error_reason
from tailrace.template_alias_index import AliasReader, asking
from tailrace.template_aliases import TemplateGroups
from tailrace.template_list import read_texts, texts_body
from tailrace.template_patterns import TemplatePatterns

ALIASES_FRESH_MS = 5_000
"""How old what is known of templates' groups may be."""
GROUPS_MAX = 1_000
CELLS_MAX = 200_000
"""Groups times buckets of one question."""


class RuleFault(TailraceError):
    """A rule asks for what cannot be answered: it is the rule that must change."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The rule cannot be judged: {reason}.",
            remedy="change its query, groups or times; `tailrace alerts test` tries it",
        )
        self.reason = reason


class Questions(Protocol):
    """What is asked of the indices; every one raises `ServiceUnavailable` without answer."""

    def observe(self, rule: RuleSettings, *, after_ms: int, to_ms: int) -> Observed:
        """Return what must be known to judge a rule at moments in `(after_ms, to_ms]`.

        Raises:
            RuleFault: it asks for what cannot be answered.
        """
        ...

    def sightings(
        self, rule: RuleSettings, *, since_ms: int, until_ms: int
    ) -> dict[str, Sighting]:
        """Return the templates that arrived in a range of time, by their ids.

        Raises:
            RuleFault: it asks for what cannot be answered.
        """
        ...

    def older_templates(self, ids: Collection[str], *, before_ms: int) -> set[str]:
        """Return of which of these an event had arrived before a moment."""
        ...

    def kinds(self, ids: Collection[str], *, before_ms: int, now_ms: int) -> Kinds:
        """Return what is known of these templates' groups, of which none is older itself."""
        ...

    def older_datasets(self, *, before_ms: int) -> set[str]:
        """Return the datasets of which an event had arrived before a moment."""
        ...

    def sample(
        self, rule: RuleSettings, sighting: Sighting, *, since_ms: int
    ) -> Sighting:
        """Return a sighting with what its first event says."""
        ...

    def ledger(self, *, now_ms: int) -> tuple[Completeness, list[Document]]:
        """Return up to when all is there, and the agents' heartbeats."""
        ...

    def losses(self, *, now_ms: int) -> list[Document]:
        """Return the words of agents about files of which something is lost."""
        ...

    def holes(self) -> list[Document]:
        """Return the words of the stream about files of which it has a gap."""
        ...


class ElasticQuestions:
    """Puts them to Elasticsearch."""

    def __init__(self, elastic: Elastic, *, namespace: str) -> None:
        self._elastic = elastic
        self._namespace = namespace
        self._ask_templates = asking(elastic, namespace=namespace)
        self._aliases = AliasReader(self._ask_templates, fresh_ms=ALIASES_FRESH_MS)
        self._patterns: tuple[TemplateGroups, TemplatePatterns] | None = None

    def observe(self, rule: RuleSettings, *, after_ms: int, to_ms: int) -> Observed:
        """Return what must be known to judge a rule at moments in `(after_ms, to_ms]`.

        Raises:
            RuleFault: it asks for what cannot be answered.
            ServiceUnavailable: Elasticsearch does not answer.
        """
        # The first moment's bucket begins one step before it.
        since_ms = after_ms // rule.every_ms * rule.every_ms - history_ms(rule)
        span = (max(since_ms, 0), to_ms)
        counts = self._counts(rule, rule.query, span)
        if rule.kind == "ratio":
            return Observed(
                counts=counts, whole=self._counts(rule, rule.of_query, span)
            )
        if rule.kind == "change":
            former = (max(since_ms - rule.before_ms, 0), to_ms - rule.before_ms)
            return Observed(
                counts=counts, before=self._counts(rule, rule.query, former)
            )
        if rule.kind == "absence":
            first_ms = max(span[0] - rule.before_ms, 0)
            return Observed(
                counts=counts, last_seen_ms=self._last_seen(rule, first_ms, span[0])
            )
        return Observed(counts=counts)

    def _counts(
        self, rule: RuleSettings, query: str, span: tuple[int, int]
    ) -> dict[Group, dict[int, int]]:
        counts: dict[Group, dict[int, int]] = {}
        cells_count = 0
        after = None
        while True:
            answer = self._search(
                target_of(rule, namespace=self._namespace),
                counts_body(
                    rule, query=query, since_ms=span[0], until_ms=span[1], after=after
                ),
            )
            cells, after = read_counts(answer, rule)
            cells_count += len(cells)
            for group, start_ms, count in cells:
                # What differs only in what is cut off is one group.
                buckets = counts.setdefault(group, {})
                buckets[start_ms] = buckets.get(start_ms, 0) + count
            _require_bounds(len(counts), cells_count)
            if after is None:
                return counts

    def _last_seen(
        self, rule: RuleSettings, since_ms: int, until_ms: int
    ) -> dict[Group, int]:
        seen: dict[Group, int] = {}
        after = None
        while True:
            answer = self._search(
                target_of(rule, namespace=self._namespace),
                last_seen_body(rule, since_ms=since_ms, until_ms=until_ms, after=after),
            )
            found, after = read_last_seen(answer, rule)
            for group, at_ms in found:
                seen[group] = max(at_ms, seen.get(group, 0))
            _require_bounds(len(seen), len(seen))
            if after is None:
                return seen

    def sightings(
        self, rule: RuleSettings, *, since_ms: int, until_ms: int
    ) -> dict[str, Sighting]:
        """Return the templates that arrived in a range of time, by their ids.

        Raises:
            RuleFault: it asks for what cannot be answered.
            ServiceUnavailable: Elasticsearch does not answer.
        """
        body = sightings_body(rule, since_ms=since_ms, until_ms=until_ms)
        return read_sightings(self._search(self._events, body))

    def older_templates(self, ids: Collection[str], *, before_ms: int) -> set[str]:
        """Return of which of these an event had arrived before a moment."""
        if not ids:
            return set()
        body = older_templates_body(ids, before_ms=before_ms)
        return keys_of(self._search(self._events, body))

    def kinds(self, ids: Collection[str], *, before_ms: int, now_ms: int) -> Kinds:
        """Return what is known of these templates' groups, of which none is older itself."""
        groups = self._aliases.groups(now_ms=now_ms) if ids else TemplateGroups()
        if not len(groups):
            return Kinds()
        texts = read_texts(self._ask_templates(texts_body(sorted(ids))))
        of_group = companions(
            ids, texts=texts, groups=groups, patterns=self._patterns_of(groups)
        )
        asked = sorted({one for each in of_group.values() for one in each})[:IDS_MAX]
        older = self.older_templates(asked, before_ms=before_ms)
        return Kinds(
            older=frozenset(
                one for one in of_group if not older.isdisjoint(of_group[one])
            ),
            untold=frozenset(set(ids) - texts.keys() - of_group.keys()),
        )

    def _patterns_of(self, groups: TemplateGroups) -> TemplatePatterns:
        if self._patterns is None or self._patterns[0] is not groups:
            self._patterns = groups, TemplatePatterns(groups.patterns())
        return self._patterns[1]

    def older_datasets(self, *, before_ms: int) -> set[str]:
        """Return the datasets of which an event had arrived before a moment."""
        body = older_datasets_body(before_ms=before_ms)
        return keys_of(self._search(self._events, body))

    def sample(
        self, rule: RuleSettings, sighting: Sighting, *, since_ms: int
    ) -> Sighting:
        """Return a sighting with what its first event says."""
        body = sample_body(rule, sighting.template_id, since_ms=since_ms)
        return sampled(sighting, documents_of(self._search(self._events, body)))

    def ledger(self, *, now_ms: int) -> tuple[Completeness, list[Document]]:
        """Return up to when all is there, and the agents' heartbeats."""
        index = ledger_index(self._namespace)
        answer = self._search(index, completeness_body())
        lacking = missing_body(answer)
        stated = read_completeness(
            answer,
            now_ms=now_ms,
            until_ms=now_ms,
            missing=None if lacking is None else self._search(index, lacking),
        )
        words = read_answer(answer).documents
        return stated, [one for one in words if one.get("tailrace.hop") == "heartbeat"]

    def losses(self, *, now_ms: int) -> list[Document]:
        """Return the words of agents about files of which something is lost."""
        index = ledger_index(self._namespace)
        return documents_of(self._search(index, losses_body(now_ms=now_ms)))

    def holes(self) -> list[Document]:
        """Return the words of the stream about files of which it has a gap."""
        index = ledger_index(self._namespace)
        return documents_of(self._search(index, holes_body()))

    @property
    def _events(self) -> str:
        return events_alias(self._namespace)

    def _search(self, target: str, body: Body) -> dict[str, Any]:
        path = f"/{quote(target, safe='*')}/_search{MISSING_IS_NONE}"
        answer = self._elastic.look_up("POST", path, body=body)
        if answer.status == http.HTTPStatus.BAD_REQUEST:
            raise RuleFault(error_reason(answer.json()))
        found: dict[str, Any] = self._elastic.decoded(answer)
        if found.get("timed_out"):
            raise RuleFault("its search took too long")
        if is_partial(found):
            raise ServiceUnavailable(
                "Elasticsearch",
                address=self._elastic.address,
                reason="not every shard answers",
            )
        return found


def _require_bounds(groups_count: int, cells_count: int) -> None:
    if groups_count > GROUPS_MAX:
        raise RuleFault(f"it has more than {GROUPS_MAX:,} groups")
    if cells_count > CELLS_MAX:
        raise RuleFault(f"it counts more than {CELLS_MAX:,} groups times moments")
