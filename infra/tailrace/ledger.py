"""What each hop says of each generation: records of `tailrace.ledger`, and their documents.

Every figure is absolute, so the record of a key with the greatest revision is the truth, and
a record read twice changes nothing. Keys are `<hop>|<name>`; each stands in the partition of
its name (`tailrace.topics.partition_of`), a generation's records in that of its chunks. The
index `<namespace>-ledger` holds one document a key, written with `version_type=external_gte`
and the record's revision: an older one is refused by Elasticsearch with a 409, and done.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from tailrace.errors import WireError
from tailrace.topics import partition_of
from tailrace.wire import WIRE_VERSION, AgentLedger

DOUBTFUL: Final = "doubtful"
"""The reason of a loss that is possible and cannot be known: what was read of a life as the
rest of it may be of an earlier one, which began with the same lines, and they are lost then."""
WINDOW_EVENTS: Final = 10_000
"""Events of a generation are compared with the index by windows of so many event numbers:
small enough for exact sums, and to look at every document of one that does not add up."""
GAPS_MAX: Final = 100
DROPPED_SPANS_MAX: Final = 1_000
"""Spans of dropped event numbers that are told of one generation, of all reasons together:
some 30 kB at most. What is dropped beyond them is told by its count, and where it lies."""
EXPIRED: Final = "expired"
"""The reason of events below the floor of their dataset."""
OVERLOAD: Final = "overload"
"""The reason of events beyond the rate of their source, which their agent did not send."""
REDIRECTED: Final = "redirected"
"""Of those of them that it sent to the topic of what overflows."""
UNSENT: Final = frozenset({OVERLOAD, REDIRECTED})
"""Why an agent may tell of events without sending them (`Origin.dropped_reason`)."""
SAMPLED: Final = "sampled:"
"""Begins the reason of events that a rule of the stream left out of a sample; the rule's
name follows."""
SAMPLE_WEIGHT: Final = "tailrace.sample_weight"
"""The field of a document that stands for so many events, itself among them."""
RULED_OUT: Final = "rule:"
"""Likewise, of those that a rule leaves out altogether."""
LEFT_OUT_WINDOWS_MAX: Final = 2_000
"""Windows of one generation of which it is told how much of them rules left out: some
50 kB. What lies in older ones is told by its count, and where it lies."""
INDEX_EXPIRED: Final = "index_expired"
"""The reason of a dead letter whose document came when its index was gone for good."""


class StreamLedger(
    msgspec.Struct, frozen=True, kw_only=True, tag="stream", tag_field="hop"
):
    """What the stream made of one generation, each event counted once.

    It is acknowledged by Kafka after the documents that it speaks of, and before the raw
    record is. Of an event of another collector both number and offset are its offset in
    Kafka: numbers between two of them belong to others, so count, first and next number
    need not agree, there are no gaps, and `event_numbers` tells which there are.
    """

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int
    """That of the state it is told from; never falls."""
    agent_id: str
    host_name: str
    path: str
    dataset: str
    index: str = ""
    """That of the placement, for whoever has not heard the agent's word."""
    first_event_number: int
    """The lowest that came; 0, but where a record is an event of another collector."""
    next_event_number: int
    next_offset: int
    """The highest reached; what lies before it may have gaps, see `gaps`."""
    event_count: int
    """Documents, dead letters and what was dropped, together."""
    document_count: int
    """With those that Kafka refused (`document_refused`): found too late to be told."""
    dead: dict[str, int] = {}
    """Dead-lettered events by reason, as the stream read them first."""
    dropped: dict[str, int] = {}
    """Events of which nothing is kept, by reason: `expired`, one of `UNSENT`, or a rule
    (`is_of_rule`)."""
    dropped_spans: dict[str, tuple[tuple[int, int], ...]] = {}
    """Their event numbers `[from, to)`, ascending, by reason, `DROPPED_SPANS_MAX` spans of
    them, of those that were not sent the newest; a record of before there were spans has
    none. What `dropped` counts beyond these numbers is known by its count alone."""
    dropped_untold: tuple[int, int] | None = None
    """Between which event numbers `[from, to)` what is known by its count alone lies; None
    where nothing is, or where that is not known either."""
    left_out: dict[str, tuple[int, int]] = {}
    """What rules left out, in no span: for each window of `WINDOW_EVENTS` event numbers, by
    its number, how many of it, and the sum of their numbers."""
    event_numbers: tuple[tuple[int, int], ...] = ()
    """Of another collector's: the numbers `[from, to)` that came, ascending. Empty where
    they are in too many spans for a state, and in a record of before they were told."""
    gaps: tuple[tuple[int, int], ...] = ()
    """Spans of offsets `[from, to)` below `next_offset` of which nothing has come, the
    first `GAPS_MAX` of them."""
    observed_at_ms: int
    """When the agent read the newest chunk."""
    raw_partition: int
    raw_next_offset: int
    """Every record before it is in the figures; after a crash it goes back for a while."""
    updated_at_ms: int


class IndexerLedger(
    msgspec.Struct, frozen=True, kw_only=True, tag="indexer", tag_field="hop"
):
    """How far the documents of one generation are stored, or their dead letters safe.

    It is acknowledged by Kafka after step 1 of the indexer (stored) and before step 2
    (committed), so all that it speaks of is in Elasticsearch, and a crash loses no word.
    """

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int
    """`next_event_number`: an older record, sent again, never wins over a newer one."""
    agent_id: str
    host_name: str
    path: str
    next_offset: int
    next_event_number: int
    """Of what came on `tailrace.docs`, every event below it is stored or dead."""
    observed_at_ms: int
    """When the agent read the newest chunk that is stored."""
    docs_partition: int
    docs_next_offset: int
    updated_at_ms: int


class RetentionLedger(
    msgspec.Struct, frozen=True, kw_only=True, tag="retention", tag_field="hop"
):
    """What retention takes of one generation with one index; written before it is taken."""

    wire_version: int = WIRE_VERSION
    generation: str
    index: str
    revision: int
    """`document_count`."""
    document_count: int
    windows: dict[str, tuple[int, int]]
    """For each window of `WINDOW_EVENTS` event numbers, by its number: how many documents
    go, and the sum of their event numbers."""
    updated_at_ms: int


class FloorLedger(
    msgspec.Struct, frozen=True, kw_only=True, tag="floor", tag_field="hop"
):
    """Below which time events of one dataset are expired, and kept no more.

    The stream counts them as dropped for `expired`, and nothing makes their index again.
    It stands on `tailrace.floors`, which every worker reads whole.
    """

    wire_version: int = WIRE_VERSION
    dataset: str
    period: Literal["day", "month"]
    """Which of the dataset's indices it is about."""
    floor_ms: int
    """Events whose index ends at or before it are expired; it is only ever raised."""
    updated_at_ms: int

    @property
    def revision(self) -> int:
        """The floor itself: it is only ever raised."""
        return self.floor_ms


class AgentHeartbeat(
    msgspec.Struct, frozen=True, kw_only=True, tag="heartbeat", tag_field="hop"
):
    """That an agent lives, and up to when its files are looked at.

    The records of its generations that were acknowledged before say what there was at
    `swept_at_ms`: once all of that is stored, its host is complete up to then. They stand
    in other partitions: whoever reads makes sure to have read those as far.
    """

    wire_version: int = WIRE_VERSION
    agent_id: str
    host_id: str
    host_name: str
    swept_at_ms: int
    files: int
    unread_bytes: int
    """Seen on disk and not yet acknowledged by Kafka, also of files that were never opened:
    those have no generation."""
    lost_bytes: int
    """Declared as lost since the agent started: each generation's record says all of it,
    and no record speaks of files that were gone before they could be opened."""
    interval_ms: int
    """When the next one comes, at the latest."""
    waiting_bytes: int = 0
    """Of those not yet acknowledged: in files beyond what their sources follow, which are
    read once there is room."""
    unreadable_bytes: int = 0
    """Of those: in files that cannot be opened, or are not to be."""
    gone_bytes: int = 0
    """Of those lost: in files that were gone before they could be opened, or had room."""
    told_at_ms: dict[str, int] = {}
    """By partition of the ledger when the newest record there was written that it stands on,
    those of the last hour: whoever lacks one of them knows less than is claimed."""
    swept_before_ms: int = 0
    """What the claim before this one claimed; 0 where there was none in this life."""
    told_before_ms: dict[str, int] = {}
    """By partition that `told_at_ms` names a newer record of than that claim did: when the
    one of that claim was written, 0 where it stood on none there. Whoever lacks the newer
    one alone knows what was claimed before."""
    updated_at_ms: int

    @property
    def revision(self) -> int:
        """The time: the newest is the truth."""
        return self.updated_at_ms


class HoleAnswer(
    msgspec.Struct, frozen=True, kw_only=True, tag="hole", tag_field="hop"
):
    """What an agent did about a span that it was asked to read again."""

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int
    """The time of the answer in milliseconds."""
    agent_id: str
    first_offset: int
    next_offset: int
    first_event_number: int
    event_count: int
    """How many were sent again; 0 where none could be."""
    refusal: str = ""
    """Why it could not be read again, in words; empty where it was."""
    updated_at_ms: int


LedgerRecord: TypeAlias = (
    AgentLedger
    | StreamLedger
    | IndexerLedger
    | RetentionLedger
    | FloorLedger
    | AgentHeartbeat
    | HoleAnswer
)
_decoder: Final = msgspec.json.Decoder(LedgerRecord)


def is_of_rule(reason: str) -> bool:
    """Tell whether what was dropped for a reason was left out by a rule of the stream."""
    return reason.startswith((SAMPLED, RULED_OUT))


def ledger_key(record: LedgerRecord) -> bytes:
    """Return the key under which the newest record is the truth; also its `_id`."""
    match record:
        case AgentLedger():
            key = f"agent|{record.generation}"
        case StreamLedger():
            key = f"stream|{record.generation}"
        case IndexerLedger():
            key = f"indexer|{record.generation}"
        case RetentionLedger():
            key = f"retention|{record.generation}|{record.index}"
        case FloorLedger():
            key = f"floor|{record.dataset}|{record.period}"
        case AgentHeartbeat():
            key = f"heartbeat|{record.agent_id}"
        case HoleAnswer():
            key = f"hole|{record.generation}|{record.first_offset}"
    return key.encode()


def lost_of_seen(lost_bytes: Mapping[str, int]) -> int:
    """Return how much was lost of what was seen of a life, for which nothing is unread.

    What is doubtful may have stood in another life, and was never seen of this one.
    """
    return sum(lost_bytes.values()) - lost_bytes.get(DOUBTFUL, 0)


def unread_bytes_of(
    *,
    seen_size_bytes: int,
    next_offset: int,
    blank_bytes: int,
    lost_bytes: int,
    is_over: bool,
) -> int:
    """Return what an agent saw on disk of a generation and Kafka has not acknowledged.

    Of a life that is over, what was declared lost is never read: its file is gone, or a
    copy or an archive holds what is left of it. `lost_bytes` is what `lost_of_seen` tells.
    """
    unread_bytes = seen_size_bytes - next_offset - blank_bytes
    return max(unread_bytes - (lost_bytes if is_over else 0), 0)


def ledger_partition(record: LedgerRecord) -> int:
    """Return where a record goes: with its generation, else by its own name."""
    match record:
        case FloorLedger():
            name = record.dataset
        case AgentHeartbeat():
            name = record.agent_id
        case _:
            name = record.generation
    return partition_of(name.encode())


def decode_ledger(value: bytes) -> LedgerRecord:
    """Read a record of whichever hop.

    Raises:
        WireError: the bytes are not one, or of a newer wire version.
    """
    try:
        record = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"a ledger record cannot be read: {error}") from error
    if record.wire_version > WIRE_VERSION:
        raise WireError(
            f"a ledger record has wire version {record.wire_version},"
            f" and this Tailrace reads up to {WIRE_VERSION}; upgrade this role first"
        )
    return record
