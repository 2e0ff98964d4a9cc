"""E9: a real index is merged to one segment a shard, and remembers it."""

from __future__ import annotations

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.merge_indices import ElasticMergeIndices
from tailrace_indexer.merging import MergeFacts
from tailrace_indexer.outcomes import Outcome
from tests.support.fakes.lead_register import claimed_fence
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


def test_e9_an_index_is_merged_marked_and_still_takes_its_documents(
    stack: Endpoints, namespace: str
) -> None:
    connections = Connections().model_copy(
        update={"elasticsearch_url": stack.elasticsearch_url, "namespace": namespace}
    )
    provision_templates(connections)
    index = f"{namespace}-app-2026.11.23"
    with Elastic(connections) as elastic:
        guard = claimed_fence(elastic, namespace=namespace)
        indices = ElasticMergeIndices(elastic, namespace=namespace, guard=guard)
        assert indices.merge_facts() == []
        maker = IndexMaker(
            elastic, connections=connections, is_expired=lambda _index: False
        )
        assert maker.make(index).outcome is Outcome.STORED

        def put(number: int) -> None:
            document = {"@timestamp": "2026-11-23T10:00:00Z", "event.sequence": number}
            path = f"/{index}/_create/{number}?refresh=true"
            elastic.ask("PUT", path, body=document)

        def facts() -> MergeFacts:
            (only,) = indices.merge_facts()
            return only

        for number in range(3):
            put(number)
        before = facts()
        assert (before.name, before.shards, before.segments) == (index, 1, 3)
        assert (before.written_count, before.is_marked) == (3, False)

        indices.merge(index)
        eventually(lambda: facts().segments == 1, 60, what="it is merged")
        eventually(lambda: not indices.is_merging(), 60)
        indices.mark(index)

        assert facts().is_marked
        put(3)
        after = facts()
        assert (after.written_count, after.is_marked) == (4, True)
        assert elastic.count(index) == 4
