"""What a refusal by Elasticsearch says of an index that somebody closed or blocked."""

from __future__ import annotations

import pytest

from tailrace.errors import IndexShut
from tailrace.shut_indices import closed, shut_by

CLOSED = {"type": "index_closed_exception", "reason": "closed", "index": "t-a-1"}


def blocked(what: str) -> dict[str, object]:
    reason = f"index [t-a-1] blocked by: [FORBIDDEN/{what}];"
    return {"type": "cluster_block_exception", "reason": reason}


@pytest.mark.parametrize(
    ("cause", "what", "remedy"),
    [
        (CLOSED, "The index t-a-1 is closed", "POST /t-a-1/_open"),
        (blocked("4/index closed"), "The index t-a-1 is closed", "_open"),
        (blocked("7/index read (api)"), "index.blocks.read is true", "_settings"),
        (blocked("5/index read-only (api)"), "index.blocks.read_only is", "null"),
    ],
)
@pytest.mark.parametrize("is_of_a_shard", [True, False])
def test_a_shut_index_is_named_with_the_remedy(
    cause: dict[str, object], what: str, remedy: str, *, is_of_a_shard: bool
) -> None:
    error: dict[str, object] = {**cause, "root_cause": [cause]}
    if is_of_a_shard:
        shards = [{"shard": 0, "index": "t-a-1", "reason": cause}]
        error = {"type": "search_phase_execution_exception", "failed_shards": shards}

    found = shut_by({"error": error, "status": 403})

    assert isinstance(found, IndexShut)
    assert what in str(found)
    assert remedy in found.remedy


@pytest.mark.parametrize(
    "body",
    [
        None,
        "a text",
        {"error": "a text"},
        {"error": {"type": "index_not_found_exception", "index": "t-a-1"}},
        {"error": {"type": "cluster_block_exception", "reason": "blocked by: [no]"}},
    ],
)
def test_any_other_refusal_is_about_no_shut_index(body: object) -> None:
    assert shut_by(body) is None


def test_of_many_closed_indices_the_first_are_named() -> None:
    found = closed([f"t-{n}" for n in range(5)])

    assert "The indices t-0, t-1, t-2 and 2 more are closed" in str(found)
