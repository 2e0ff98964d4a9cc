"""What Elasticsearch's answer means for a document: stored, retry, hold, or dead letter.

Pure: a status and an error in, a verdict out. The rule behind the table is that only a
fault of the document itself makes a dead letter. Whatever a person can put right (rights, a
missing index, limits, blocks, a full disk), and whatever is unknown, holds the index and is
retried for ever: a mistake in rights must never turn a million good lines into dead letters.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import msgspec

from tailrace import ledger
from tailrace.rights import REMEDY, missing_right


class Outcome(Enum):
    """What happens to one document next."""

    STORED = "it is in the index, by this request or an earlier one"
    RETRY = "the server could not now; the same request again will do"
    HOLD = "its index takes nothing until someone or something changes"
    DEAD_LETTER = "the document itself is at fault; no retry can help"


class Reason(Enum):
    """Why, in a stable word: it names alarms, dead letters and figures."""

    STORED = "stored"
    ALREADY_THERE = "already_there"
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed_out"
    UNAUTHORIZED = "unauthorized"
    MISSING_INDEX = "missing_index"
    SHARD_LIMIT = "shard_limit"
    BLOCKED = "blocked"
    DISK_FULL = "disk_full"
    UNEXPECTED = "unexpected_answer"
    MAPPING_CONFLICT = "mapping_conflict"
    DOCUMENT_INVALID = "document_invalid"
    TOO_LARGE = "too_large"
    INDEX_EXPIRED = ledger.INDEX_EXPIRED


class Cause(msgspec.Struct, frozen=True):
    """What Elasticsearch says is behind an error."""

    type: str = ""
    reason: str = ""


class ItemError(msgspec.Struct, frozen=True):
    """The error of one item of a bulk, or of a whole request."""

    type: str = ""
    reason: str | None = ""
    caused_by: Cause | None = None

    def sentence(self) -> str:
        """Return type, reason and cause as one line of at most 1,000 characters."""
        deeper = ""
        if self.caused_by is not None and self.caused_by.reason:
            deeper = f" ({self.caused_by.type}: {self.caused_by.reason})"
        return f"{self.type}: {self.reason or ''}{deeper}"[:1_000]


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome with its reason, and the server's own words."""

    outcome: Outcome
    reason: Reason
    detail: str = ""
    right: str = ""
    """The right that is missing, where one is: one alarm for all that lack it."""


STORED = Verdict(Outcome.STORED, Reason.STORED)
ALREADY_THERE = Verdict(Outcome.STORED, Reason.ALREADY_THERE)

_DOCUMENT_ERRORS = frozenset(
    {
        "document_parsing_exception",
        "mapper_parsing_exception",
        "strict_dynamic_mapping_exception",
    }
)
# What `illegal_argument_exception` says when the document is at fault; the same type also
# reports aliases without a write index and other faults of the cluster.
_DOCUMENT_FAULTS = (
    "immense term",
    "is too long",
    "document contains",
    "limit of total fields",
    "limit of mapping depth",
    "nested documents",
    "field name",
    "failed to parse",
    "can't get text",
    "depth_limit",
)
_OPERATION_TOO_LARGE = "exceeds the maximum allowed limit"
"""Said by 429 of every document that goes to a shard beside one that it never takes."""
_SHARD_LIMITS = ("maximum shards", "maximum normal shards", "maximum frozen shards")
_DISK_FULL = ("no space left", "disk usage exceeded", "disk is full")


def judge_item(status: int, error: ItemError | None) -> Verdict:
    """Return what one item of a bulk answer means for its document.

    `TOO_LARGE` is a suspicion only, as another document may be meant: the caller divides
    what has it until a single one is left.
    """
    if 200 <= status < 300:
        return STORED
    # Of a create: the id is there. Of a revision: a newer one is there.
    if status == 409:
        return ALREADY_THERE
    found = error or ItemError()
    detail = f"{status} {found.sentence()}"
    text = detail.lower()
    if status == 413 or (status == 429 and _OPERATION_TOO_LARGE in text):
        return Verdict(Outcome.DEAD_LETTER, Reason.TOO_LARGE, detail)
    known = _known_state(status, found, text=text)
    if known is not None:
        return _explained(known, found, detail=detail)
    if status == 400 and found.type in _DOCUMENT_ERRORS:
        return Verdict(Outcome.DEAD_LETTER, Reason.MAPPING_CONFLICT, detail)
    is_fault = any(fault in text for fault in _DOCUMENT_FAULTS)
    if status == 400 and found.type == "illegal_argument_exception" and is_fault:
        return Verdict(Outcome.DEAD_LETTER, Reason.DOCUMENT_INVALID, detail)
    return Verdict(Outcome.HOLD, Reason.UNEXPECTED, detail)


def judge_request(status: int, error: ItemError | None) -> Verdict:
    """Return what an answer to a whole bulk, which is not a list of items, means.

    `DEAD_LETTER` here is a suspicion only: something in the body is at fault, and the
    caller divides it until a single document is left, which `is_bulk_document` checks.
    """
    found = error or ItemError()
    detail = f"{status} {found.sentence()}"
    known = _known_state(status, found, text=detail.lower())
    if known is not None:
        return _explained(known, found, detail=detail)
    if status == 413:
        return Verdict(Outcome.DEAD_LETTER, Reason.TOO_LARGE, detail)
    if status == 400:
        return Verdict(Outcome.DEAD_LETTER, Reason.DOCUMENT_INVALID, detail)
    return Verdict(Outcome.HOLD, Reason.UNEXPECTED, detail)


def _explained(
    known: tuple[Outcome, Reason], error: ItemError, *, detail: str
) -> Verdict:
    """Return a known state, with the right that is missing where that is what it is."""
    outcome, reason = known
    right = missing_right(error.reason or "")
    if reason is not Reason.UNAUTHORIZED or right is None:
        return Verdict(outcome, reason, detail)
    if right.makes_index:
        # Without the right to make one, an index that is missing is not said to be so.
        return Verdict(outcome, Reason.MISSING_INDEX, detail)
    return Verdict(outcome, reason, f"{right.sentence()}; {REMEDY}", right.name)


def _known_state(
    status: int, error: ItemError, *, text: str
) -> tuple[Outcome, Reason] | None:
    """Return what a state of the cluster or the index means, None for anything else."""
    # Not of a status that speaks of the document: its own text may say such words.
    if status >= 429 and any(words in text for words in _DISK_FULL):
        return Outcome.HOLD, Reason.DISK_FULL
    if error.type == "cluster_block_exception":
        # 403 for a block by hand; 429, and before 7.x 403, for the flood stage; 503 while
        # there is no master, which cures itself.
        if status == 503:
            return Outcome.RETRY, Reason.UNAVAILABLE
        return Outcome.HOLD, Reason.BLOCKED
    if status in {401, 403}:
        return Outcome.HOLD, Reason.UNAUTHORIZED
    if error.type == "index_not_found_exception":
        return Outcome.HOLD, Reason.MISSING_INDEX
    is_limit = error.type in {"validation_exception", "illegal_argument_exception"}
    if is_limit and any(limit in text for limit in _SHARD_LIMITS):
        return Outcome.HOLD, Reason.SHARD_LIMIT
    # Also the circuit breakers, and a node whose indexing pressure is too high.
    if status == 429:
        return Outcome.RETRY, Reason.BUSY
    if status >= 500:
        return Outcome.RETRY, Reason.UNAVAILABLE
    return None
