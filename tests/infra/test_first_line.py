"""A first line is looked for only where a search can succeed."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.first_line import is_searchable
from tests.infra.test_elasticsearch_wait import connections_to, saying

FOUND = {"hits": {"total": {"value": 1}}}


@pytest.mark.parametrize(
    ("health", "is_found"),
    [
        ({"active_primary_shards": 0, "status": 408}, False),
        ({"active_primary_shards": 0}, False),
        ({"active_primary_shards": 1}, True),
        ({"active_primary_shards": 1, "status": 500}, False),
    ],
)
def test_a_search_waits_for_a_shard_that_can_answer_it(
    health: dict[str, Any], is_found: bool
) -> None:
    """A failed one would fill Elasticsearch's log with its trace."""
    with saying(health, FOUND) as port:
        assert is_searchable(connections_to(port), since_ms=1) == is_found
