"""A first line is looked for only where a search can succeed."""

from __future__ import annotations

import pytest

from tailrace.first_line import is_searchable
from tests.infra.test_elasticsearch_wait import connections_to
from tests.support.saying import Said, in_turn, saying

FOUND = Said(200, {"hits": {"total": {"value": 1}}})


@pytest.mark.parametrize(
    ("health", "is_found"),
    [
        (Said(408, {"active_primary_shards": 0}), False),
        (Said(200, {"active_primary_shards": 0}), False),
        (Said(200, {"active_primary_shards": 1}), True),
        (Said(500, {"active_primary_shards": 1}), False),
    ],
)
def test_a_search_waits_for_a_shard_that_can_answer_it(
    health: Said, is_found: bool
) -> None:
    """A failed one would fill Elasticsearch's log with its trace."""
    with saying(in_turn(health, FOUND)) as server:
        port = server.server_address[1]
        assert is_searchable(connections_to(port), since_ms=1) == is_found
