"""Which answer of Elasticsearch means what, for every status in the list of faults."""

from __future__ import annotations

import pytest

from tailrace_indexer.outcomes import (
    Cause,
    ItemError,
    Outcome,
    Reason,
    judge_item,
    judge_request,
)

ITEMS = [
    (200, "", "", Outcome.STORED, Reason.STORED),
    (201, "", "", Outcome.STORED, Reason.STORED),
    (409, "version_conflict_engine_exception", "document already exists",
     Outcome.STORED, Reason.ALREADY_THERE),
    (429, "es_rejected_execution_exception", "rejected execution of primary",
     Outcome.RETRY, Reason.BUSY),
    (429, "es_rejected_execution_exception",
     "Request contains an operation that exceeds the maximum allowed limit of [8] bytes",
     Outcome.DEAD_LETTER, Reason.TOO_LARGE),
    (429, "circuit_breaking_exception", "[parent] Data too large",
     Outcome.RETRY, Reason.BUSY),
    (503, "unavailable_shards_exception", "primary shard is not active",
     Outcome.RETRY, Reason.UNAVAILABLE),
    (503, "cluster_block_exception", "blocked by: [SERVICE_UNAVAILABLE/2/no master];",
     Outcome.RETRY, Reason.UNAVAILABLE),
    (500, "i_o_exception", "read past EOF", Outcome.RETRY, Reason.UNAVAILABLE),
    (500, "i_o_exception", "No space left on device", Outcome.HOLD, Reason.DISK_FULL),
    (502, "", "", Outcome.RETRY, Reason.UNAVAILABLE),
    (401, "security_exception", "missing authentication credentials",
     Outcome.HOLD, Reason.UNAUTHORIZED),
    (403, "security_exception", "action [indices:data/write/bulk] is unauthorized",
     Outcome.HOLD, Reason.UNAUTHORIZED),
    (403, "cluster_block_exception", "blocked by: [FORBIDDEN/8/index write (api)];",
     Outcome.HOLD, Reason.BLOCKED),
    (403, "cluster_block_exception", "[FORBIDDEN/12/index read-only / allow delete]",
     Outcome.HOLD, Reason.BLOCKED),
    (429, "cluster_block_exception",
     "[TOO_MANY_REQUESTS/12/disk usage exceeded flood-stage watermark]",
     Outcome.HOLD, Reason.DISK_FULL),
    (404, "index_not_found_exception", "no such index [t-x]",
     Outcome.HOLD, Reason.MISSING_INDEX),
    (400, "validation_exception",
     "this cluster currently has [1000]/[1000] maximum shards open;",
     Outcome.HOLD, Reason.SHARD_LIMIT),
    (400, "validation_exception", "something else",
     Outcome.HOLD, Reason.UNEXPECTED),
    (400, "document_parsing_exception", "[1:10] object mapping for [host]",
     Outcome.DEAD_LETTER, Reason.MAPPING_CONFLICT),
    (400, "document_parsing_exception",
     "failed to parse. Preview of field's value: 'No space left, maximum shards'",
     Outcome.DEAD_LETTER, Reason.MAPPING_CONFLICT),
    (400, "mapper_parsing_exception", "failed to parse field [x] of type [long]",
     Outcome.DEAD_LETTER, Reason.MAPPING_CONFLICT),
    (400, "strict_dynamic_mapping_exception", "mapping set to strict",
     Outcome.DEAD_LETTER, Reason.MAPPING_CONFLICT),
    (400, "illegal_argument_exception", "Document contains at least one immense term",
     Outcome.DEAD_LETTER, Reason.DOCUMENT_INVALID),
    (400, "illegal_argument_exception", "no write index is defined for alias [t-a]",
     Outcome.HOLD, Reason.UNEXPECTED),
    (400, "illegal_argument_exception",
     "only write ops with an op_type of create are allowed in data streams",
     Outcome.HOLD, Reason.UNEXPECTED),
    (400, "invalid_index_name_exception", "must be lowercase",
     Outcome.HOLD, Reason.UNEXPECTED),
    (413, "", "too large", Outcome.DEAD_LETTER, Reason.TOO_LARGE),
    (418, "", "", Outcome.HOLD, Reason.UNEXPECTED),
]  # fmt: skip


@pytest.mark.parametrize(("status", "kind", "text", "outcome", "reason"), ITEMS)
def test_e1_e3_each_item_is_judged_by_its_own_status(
    status: int, kind: str, text: str, outcome: Outcome, reason: Reason
) -> None:
    error = ItemError(kind, text) if kind or text else None
    verdict = judge_item(status, error)

    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert text[:100] in verdict.detail or outcome is Outcome.STORED


def test_a_cause_counts_as_much_as_the_error_itself() -> None:
    error = ItemError("exception", "failed", Cause("x", "No space left on device"))

    assert judge_item(500, error).reason is Reason.DISK_FULL


@pytest.mark.parametrize("status", [401, 403, 404, 405, 406, 429, 500, 502, 503, 504])
def test_e4_a_whole_request_is_never_a_dead_letter_for_a_fault_of_the_server(
    status: int,
) -> None:
    verdict = judge_request(status, ItemError("any", "any"))

    assert verdict.outcome in {Outcome.RETRY, Outcome.HOLD}


@pytest.mark.parametrize("status", range(300, 600))
def test_only_a_known_fault_of_the_document_makes_a_dead_letter(status: int) -> None:
    """Whatever is unknown waits for a person: it could be wrong with a million lines."""
    verdict = judge_item(status, ItemError("new_kind_of_exception", "who knows"))

    assert (verdict.outcome is Outcome.DEAD_LETTER) == (status == 413)
