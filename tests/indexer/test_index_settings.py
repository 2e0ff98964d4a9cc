"""E10: shards and replicas of a dataset are those of its settings, by template and after."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import structlog

from tailrace.elasticsearch import Elastic
from tailrace.index_templates import Capabilities, DatasetIndices, dataset_templates
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.config import DatasetSettings, IndexerSettings
from tailrace_indexer.fence import LeadLost
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.index_settings import (
    IndexSettings,
    ReplicaChange,
    ReplicaFacts,
    replica_changes,
    stray_templates,
)
from tailrace_indexer.outcomes import Outcome
from tests.indexer.test_fence import LostLead
from tests.support.fakes.lead_register import claimed_fence

PLAIN = Capabilities()


def test_e10_replicas_that_are_others_are_changed_and_no_more_than_these() -> None:
    facts = [
        ReplicaFacts(name="t-app-2026.11.23", replicas=1),
        ReplicaFacts(name="t-app-2026.11.24", replicas=2),
        ReplicaFacts(name="t-app-2026.11.25", replicas=2, auto_expand="0-1"),
        ReplicaFacts(name="t-other-2026.11.23", replicas=0),
    ]

    changes = replica_changes(facts, replicas_of={"app": 2}.get, namespace="t")

    assert changes == [
        ReplicaChange("t-app-2026.11.23", 2),
        ReplicaChange("t-app-2026.11.25", 2),
    ]


def test_e10_the_first_entry_that_fits_serves_also_where_it_says_nothing() -> None:
    templates = dataset_templates(
        "t",
        capabilities=PLAIN,
        datasets=[
            DatasetIndices(name="nginx.access"),
            DatasetIndices(name="nginx.*", shards=3, replicas=2),
        ],
    )

    first, second = templates["t-events-00"], templates["t-events-01"]
    assert first["index_patterns"] == ["t-nginx.access-*"]
    assert 300 > first["priority"] > second["priority"] > 200
    settings = second["template"]["settings"]["index"]
    assert (settings["number_of_shards"], settings["number_of_replicas"]) == (3, 2)
    assert "auto_expand_replicas" not in settings
    assert first["template"]["settings"]["index"]["auto_expand_replicas"] == "0-1"
    assert first["_meta"]["fingerprint"] != second["_meta"]["fingerprint"]


def test_e10_where_no_entry_says_anything_there_is_no_template() -> None:
    plain = [DatasetIndices(name="nginx.access"), DatasetIndices(name="*")]
    assert dataset_templates("t", capabilities=PLAIN, datasets=plain) == {}


def test_e10_what_differs_is_written_and_what_is_too_much_goes() -> None:
    wanted = {name: {"_meta": {"fingerprint": name}} for name in "abc"}

    to_write, to_delete = stray_templates(
        wanted, found={"a": "a", "b": "older", "d": "d"}
    )

    assert (to_write, to_delete) == (["b", "c"], ["d"])


@dataclass(frozen=True, slots=True)
class Kept:
    """A namespace, and whose settings are kept on it."""

    connections: Connections
    elastic: Elastic

    def keep(self, *datasets: DatasetSettings) -> None:
        settings = IndexerSettings(datasets=datasets)
        namespace = self.connections.namespace
        IndexSettings(
            self.elastic,
            namespace=namespace,
            guard=claimed_fence(self.elastic, namespace=namespace),
            datasets=settings.dataset_indices(),
            replicas_of=lambda dataset: settings.of_dataset(dataset).replicas,
            log=structlog.get_logger(),
        ).keep()

    def made(self, name: str) -> tuple[str, str, str]:
        """Make an index, or find it; return its shards, replicas and their bounds."""
        index = f"{self.connections.namespace}-{name}"
        maker = IndexMaker(
            self.elastic, connections=self.connections, is_expired=lambda _index: False
        )
        assert maker.make(index).outcome is Outcome.STORED
        answer: Any = self.elastic.ask("GET", f"/{index}/_settings")
        found = answer[index]["settings"]["index"]
        return (
            found["number_of_shards"],
            found["number_of_replicas"],
            found.get("auto_expand_replicas", "false"),
        )


@pytest.fixture
def kept(stack: Endpoints, namespace: str) -> Iterator[Kept]:
    connections = Connections().model_copy(
        update={"elasticsearch_url": stack.elasticsearch_url, "namespace": namespace}
    )
    provision_templates(connections)
    with Elastic(connections) as elastic:
        yield Kept(connections, elastic)


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_e10_new_indices_are_made_by_it_and_old_ones_changed(kept: Kept) -> None:
    assert kept.made("app.log-2026.11.23") == ("1", "0", "0-1")
    entry = DatasetSettings(name="app.*", shards=2, replicas=0)

    kept.keep(entry)
    assert kept.made("app.log-2026.11.23") == ("1", "0", "false")
    assert kept.made("app.log-2026.11.24") == ("2", "0", "false")
    assert kept.made("other-2026.11.24") == ("1", "0", "0-1")
    assert kept.made("dead-2026.11.24") == ("1", "0", "0-1")

    # Other settings, in another order: those of the younger leader count.
    kept.keep(DatasetSettings(name="app.log", shards=3), entry)
    assert kept.made("app.log-2026.11.25") == ("3", "0", "0-1")
    kept.keep()
    assert kept.made("app.log-2026.11.26") == ("1", "0", "0-1")


@pytest.mark.stack
@pytest.mark.timeout(120)
def test_z6_no_template_is_written_without_the_lead(kept: Kept) -> None:
    lost = IndexSettings(
        kept.elastic,
        namespace=kept.connections.namespace,
        guard=LostLead(),
        datasets=[DatasetIndices(name="*", shards=2)],
        replicas_of=lambda _dataset: None,
        log=structlog.get_logger(),
    )

    with pytest.raises(LeadLost):
        lost.keep()

    assert kept.made("app-2026.11.24")[0] == "1"
