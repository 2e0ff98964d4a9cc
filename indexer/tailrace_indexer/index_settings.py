"""How many shards and replicas the indices of each dataset have, as the settings say.

1. A template for each entry of the settings serves the indices that are made from now on.
   What another leader's settings left is replaced, or taken away.
2. Replicas of indices that are there are changed where they are others. The number of
   shards is fixed when an index is made. An entry that says nothing of replicas, or is
   taken out of the settings, leaves indices as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import quote

from tailrace.elasticsearch import Elastic
from tailrace.floors import span_of
from tailrace.index_templates import (
    DatasetIndices,
    dataset_templates,
    events_alias,
    template_name,
)
from tailrace.log import FilteringBoundLogger
from tailrace_indexer.fence import Guard

AUTO_EXPANDS_NOT = "false"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFacts:
    """How an index is copied now."""

    name: str
    replicas: int
    auto_expand: str = AUTO_EXPANDS_NOT
    """Within which bounds Elasticsearch follows the number of nodes, `false` for none."""


@dataclass(frozen=True, slots=True)
class ReplicaChange:
    """An index that is to have another number of replicas."""

    index: str
    replicas: int


def replica_changes(
    facts: Sequence[ReplicaFacts],
    *,
    replicas_of: Callable[[str], int | None],
    namespace: str,
) -> list[ReplicaChange]:
    """Return the indices whose replicas are not those of their dataset."""
    changes: list[ReplicaChange] = []
    for each in facts:
        span = span_of(each.name, namespace=namespace)
        wanted = None if span is None else replicas_of(span.dataset)
        if wanted is None:
            continue
        if each.replicas != wanted or each.auto_expand != AUTO_EXPANDS_NOT:
            changes.append(ReplicaChange(each.name, wanted))
    return changes


def stray_templates(
    wanted: Mapping[str, Mapping[str, Any]], *, found: Mapping[str, str]
) -> tuple[list[str], list[str]]:
    """Return which templates are to be written, and which are to be taken away.

    `found` are the fingerprints of those that are there, by name.
    """
    to_write = [
        name
        for name, body in wanted.items()
        if found.get(name) != body["_meta"]["fingerprint"]
    ]
    return to_write, [name for name in found if name not in wanted]


class IndexSettings:
    """Keeps templates and replicas of one namespace's datasets; one leader runs it."""

    def __init__(
        self,
        elastic: Elastic,
        *,
        namespace: str,
        guard: Guard,
        datasets: Sequence[DatasetIndices],
        replicas_of: Callable[[str], int | None],
        log: FilteringBoundLogger,
    ) -> None:
        self._elastic = elastic
        self._namespace = namespace
        self._guard = guard
        self._datasets = datasets
        self._replicas_of = replicas_of
        self._log = log
        self._wanted: dict[str, dict[str, Any]] | None = None

    def keep(self) -> None:
        """Put right what is not as the settings say; safe to call again.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        # 1. Before an index is made by the old one.
        self._keep_templates()
        # 2. Only where an entry says something of it.
        if any(each.replicas is not None for each in self._datasets):
            self._keep_replicas()

    def _keep_templates(self) -> None:
        if self._wanted is None:
            self._wanted = dataset_templates(
                self._namespace,
                capabilities=self._elastic.capabilities(),
                datasets=self._datasets,
            )
        found = self._found_templates()
        to_write, to_delete = stray_templates(self._wanted, found=found)
        # Two of the same priority and pattern are refused: what is too much goes first.
        for name in to_delete + [name for name in to_write if name in found]:
            self._guard.require()
            self._elastic.ask("DELETE", f"/_index_template/{quote(name)}")
        for name in to_write:
            self._guard.require()
            self._elastic.put_template(name, body=self._wanted[name])
        if to_write or to_delete:
            self._log.info("templates_kept", written=to_write, removed=to_delete)

    def _found_templates(self) -> dict[str, str]:
        pattern = f"{template_name(self._namespace, kind='events')}-*"
        answer = self._elastic.request("GET", f"/_index_template/{quote(pattern)}")
        if answer.status == 404:
            return {}
        found = cast("dict[str, Any]", self._elastic.decoded(answer))
        return {each["name"]: _fingerprint(each) for each in found["index_templates"]}

    def _keep_replicas(self) -> None:
        changes = replica_changes(
            self._facts(), replicas_of=self._replicas_of, namespace=self._namespace
        )
        for change in changes:
            self._guard.require()
            self._elastic.ask(
                "PUT",
                f"/{quote(change.index, safe='')}/_settings",
                body={
                    "index.auto_expand_replicas": False,
                    "index.number_of_replicas": change.replicas,
                },
            )
            self._log.info(
                "replicas_changed", index=change.index, replicas=change.replicas
            )

    def _facts(self) -> list[ReplicaFacts]:
        alias = quote(events_alias(self._namespace))
        answer = self._elastic.request(
            "GET", f"/{alias}/_settings?filter_path=*.settings.index"
        )
        if answer.status == 404:
            return []  # Nothing was ever indexed.
        found = cast("dict[str, Any]", self._elastic.decoded(answer) or {})
        return [
            ReplicaFacts(
                name=name,
                replicas=int(described["settings"]["index"]["number_of_replicas"]),
                auto_expand=str(
                    described["settings"]["index"].get(
                        "auto_expand_replicas", AUTO_EXPANDS_NOT
                    )
                ),
            )
            for name, described in found.items()
        ]


def _fingerprint(described: dict[str, Any]) -> str:
    meta = cast("dict[str, Any]", described["index_template"].get("_meta") or {})
    return str(meta.get("fingerprint", ""))
