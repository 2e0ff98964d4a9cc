"""What crosses a topic: one definition is schema, validation and codec.

A record of `tailrace.raw` is a *chunk*: bytes of one file, cut at an event boundary, with
its `Origin` as JSON in the header `tailrace`. A record of `tailrace.docs` is a piece of a
`_bulk` body, with its `DocumentsOrigin` in the same header. Field names are the schema:
they are never given another meaning, and `WIRE_VERSION` grows when one is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeVar

import msgspec

from tailrace.errors import WireError

WIRE_VERSION = 1
ORIGIN_HEADER = "tailrace"


DroppedReason = Literal["", "overload", "redirected"]
"""Why an agent tells of events without their bytes; empty where it does not."""


class MultilineRule(msgspec.Struct, frozen=True, kw_only=True):
    """Which lines of a file make one event; ids depend on it, so it never changes."""

    rule: str
    """A name of `tailrace.multiline.shapes.SHAPES`, `start`, `continuation`; `pieces` of
    one line of a container, or `docker` and `cri`, by which pieces make one event only
    where they stand one behind the other; or `journald`, whose events are entries of
    fields: the limits are then not asked."""
    pattern: str = ""
    """What a line matches that begins an event (`start`) or goes on with one."""
    max_lines: int
    """An event ends with this many lines."""
    max_bytes: int
    """A line that would make an event longer than this begins the next one."""
    container: str = ""
    """The format of a container's log, `docker` or `cri`, where the rule is asked of what
    its program wrote, stdout and stderr each by itself; empty elsewhere."""


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """The columns of a file of separated values, as its head told them."""

    columns: tuple[str, ...]
    separator: str
    has_header: bool = True
    """Whether the file begins with their names; else they were told, or are numbered."""


class Placement(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=False):
    """Where a generation's documents go: fixed at first sight, so that it never moves.

    It travels in the origin and in the ledger; changed rules serve new generations.
    """

    dataset: str
    """Names the shape: `[a-z0-9_.]+`, such as `nginx.access`."""
    index: str = ""
    """What stands in the index name in the dataset's place; empty where the dataset does."""
    parser: str
    """Which parser reads the lines: a name of `tailrace.detect.PARSERS`, or `auto`."""
    time_rule: Literal["event", "generation"]
    """`event`: the index follows the time in the line; `generation`: the file's birth."""
    time_zone: str
    """IANA zone of times that carry none."""
    anchor_ms: int
    """First sight; a time without a year lies in the year that begins 180 days before."""
    earliest_ms: int
    """Event times before this are not believed for the index name."""
    latest_ms: int
    """Event times from this on are not believed for the index name."""
    multiline: MultilineRule | None = None
    """Which lines make one event; None where each line is one."""
    inner: str = ""
    """Which parser reads what a container wrote, in its runtime's lines; `auto` looks at
    each by itself; empty where it stays text."""
    table: Table | None = None
    """What the columns are, where the parser is `csv`."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a chunk's bytes stand: host, file, generation, span and event numbers."""

    wire_version: int = WIRE_VERSION
    agent_id: str
    host_id: str
    host_name: str
    path: str
    """As the agent opened it; bytes that are not UTF-8 are written `\\xNN`."""
    generation: str
    """32 hexadecimal digits, see `tailrace.identity.generation_of`."""
    born_at_ms: int
    first_offset: int
    """File offset of the first byte of the first event."""
    size_bytes: int
    """Bytes of the file that the chunk covers: it ends at `first_offset + size_bytes`."""
    skipped_before_bytes: int = 0
    """Bytes directly before `first_offset` of which no event is made: a hole, a byte
    order mark, the newline of a line that was already flushed without it, what
    `start_at = "end"` leaves out, what a recognised copy holds of another generation."""
    first_event_number: int
    """How many events of this generation stand before the first one here."""
    event_count: int
    source: str
    placement: Placement
    tags: tuple[str, ...] = ()
    fields: dict[str, str] = {}
    time_zone: str
    """The host's IANA zone."""
    framing: Literal["newline", "mapped"] = "newline"
    observed_at_ms: int
    is_repeat: bool = False
    """Sent again to fill a hole: it says nothing of how far the generation is."""
    dead_reason: Literal["", "record_too_large"] = ""
    """Why the agent dead-lettered these events itself; the record then holds no bytes, and
    says their place and numbers to whoever counts them. Its dead letter is safe before."""
    dropped_reason: DroppedReason = ""
    """Why the agent sent no bytes of these events: they were beyond the rate of their source.
    What was `redirected` is safe on the topic of what overflows before this says so."""

    @property
    def next_offset(self) -> int:
        """The file offset of the first byte after this chunk."""
        return self.first_offset + self.size_bytes


class DocumentsOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """Which span of which generation a record of `tailrace.docs` holds documents of."""

    wire_version: int = WIRE_VERSION
    agent_id: str
    host_name: str
    path: str
    generation: str
    first_offset: int
    next_offset: int
    first_event_number: int
    event_count: int
    """Events of the chunk in this span; dead-lettered ones are among them."""
    document_count: int
    """Documents in this record: two lines of the value each."""
    observed_at_ms: int
    raw_partition: int
    raw_offset: int
    is_repeat: bool = False
    """Of a chunk that filled a hole: the ledger is not told of it. It would be told less
    than before by an indexer that does not remember, and compaction keeps the newest."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A record or event that could not be processed, with its original bytes.

    `dead_id` is deterministic (stage, place and bytes), so a re-send is stored once.
    """

    wire_version: int = WIRE_VERSION
    dead_id: str
    stage: Literal["agent", "stream", "indexer"]
    reason: str
    """A stable word in snake case, such as `origin_unreadable` or `mapping_conflict`."""
    detail: str
    """What exactly was wrong, for a person; at most 2,000 characters."""
    original: bytes
    """The bytes as they were (base64 in JSON); for the indexer, the two `_bulk` lines."""
    truncated_size_bytes: int = 0
    """Where `original` had to be cut: how long it was."""
    died_at_ms: int
    topic: str
    partition: int
    offset: int
    generation: str = ""
    first_offset: int = -1
    first_event_number: int = -1
    """Of the `event_count` events in `original`; -1 where it is not known."""
    event_count: int = 1
    host_name: str = ""
    path: str = ""
    dataset: str = ""


class FileIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """The facts that name one life of one file; none changes while it grows."""

    host_id: str
    filesystem_id: str
    inode: int
    born_at_ns: int
    born_at_known: bool
    """False where the filesystem has no birth time, and first sight stands in for it."""
    truncation_count: int


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """An event boundary made by time or size, so that a re-read makes it again."""

    offset: int
    """Where the event that the cut ended begins."""
    next_offset: int
    """Where the next event begins."""
    reason: Literal["flushed", "too_long"]


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """A place in a generation, and the hash of the bytes directly before it."""

    offset: int
    tail_size_bytes: int
    tail_hash: str


class AgentLedger(
    msgspec.Struct, frozen=True, kw_only=True, tag="agent", tag_field="hop"
):
    """What the agent knows of one generation: the checkpoint's second home.

    Absolute figures, so the newest record of a key is the truth; `revision` grows by one
    with each record of a generation.
    """

    wire_version: int = WIRE_VERSION
    generation: str
    revision: int
    agent_id: str
    host_id: str
    host_name: str
    path: str
    source: str
    identity: FileIdentity
    placement: Placement
    head_size_bytes: int
    head_hash: str
    tail_size_bytes: int
    """How many bytes directly before `next_offset` `tail_hash` covers."""
    tail_hash: str
    next_offset: int
    """Everything before it is acknowledged by Kafka."""
    next_event_number: int
    seen_size_bytes: int
    """The largest size this generation was seen to have."""
    blank_bytes: int = 0
    """How much of what lies between `next_offset` and `seen_size_bytes` is not unread, at its
    newest look: NULs with nothing behind them, half a character, or what was cut off."""
    lost_bytes: dict[str, int] = {}
    """Bytes that can never be read any more, by reason."""
    cuts: tuple[Cut, ...] = ()
    """Only those that a re-read from `next_offset` or later could meet."""
    head_line_ends: tuple[tuple[int, str], ...] = ()
    """Where the head's last lines end, each with the hash of all before it: a copy that was
    made while the file was shorter than its head is known by them."""
    marks: tuple[Mark, ...] = ()
    """Some earlier places, oldest first: a copy that was made before the last bytes were
    read is shorter than `next_offset`, and is known by them."""
    copied: Mark | None = None
    """Where a copy ended that was seen to hold all before that place, while not all of it
    was read: no event need begin there."""
    held_by: FileIdentity | None = None
    """The file that holds these bytes now, where it is not the one that `identity` names:
    a copy made before a truncation, or a compressed rotation."""
    is_orphaned: bool = False
    """No file that is known holds these bytes any more; one that does may yet be met."""
    first_path: str = ""
    """Where the file was when it began: a copy made before it was renamed bears this name
    with something after it. Empty where that is not known."""
    archive_size_bytes: int = 0
    """The compressed size at which an archive was read to its end; 0 for other files."""
    identity_rebuilt: bool = False
    """Checkpoint and ledger were both gone: duplicates of earlier lines are possible."""
    repeatable_bytes: int = 0
    """How much stood in the file when a life of its agent began that knew of none before: if
    there was one, it may have sent so much, which is then there a second time. Of an archive
    that is all it holds, and this its size on the disk. 0 where nothing of the kind may be."""
    unwatched_since_ms: int = 0
    """When an agent had last looked at this life, where a truncation ended it while no agent
    looked and no copy was met: what was written since may be lost, and `lost_bytes` counts
    only what was seen. 0 where nothing of the kind is known."""
    unlooked_since_ms: int = 0
    """When its agent had last looked for the file, where that is longer before this word than
    a sweep is before the next: it told of it before it could look, or stood still. 0 where
    `updated_at_ms` tells that."""
    is_outside: bool = False
    """Its file bears a name that no glob means, and is read to its end all the same: what
    rotation copied there stands nowhere else."""
    rests: tuple[tuple[int, int], ...] = ()
    """Moments at which a sweep found all of it read, each with the offset that was its end,
    oldest first: every line of before the moment stands before the offset."""
    passed_bytes: int = 0
    """So much at its head was read elsewhere, as it stood in the file that this is a copy of:
    nothing was sent of it here. Should it go on otherwise than that, it is read from its head.
    0 where nothing was passed over."""
    is_closed: bool = False
    """The file is gone and read to its end."""
    updated_at_ms: int


T = TypeVar("T")
_encoder = msgspec.json.Encoder()


def encode(record: msgspec.Struct) -> bytes:
    """Return the JSON of a wire record."""
    return _encoder.encode(record)


def decode(raw: bytes, *, as_type: type[T]) -> T:
    """Read a wire record.

    Raises:
        WireError: the bytes are not JSON of that type, or of a newer wire version.
    """
    try:
        record = msgspec.json.decode(raw, type=as_type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WireError(f"a {as_type.__name__} cannot be read: {error}") from error
    version = getattr(record, "wire_version", WIRE_VERSION)
    if version > WIRE_VERSION:
        raise WireError(
            f"a {as_type.__name__} has wire version {version},"
            f" and this Tailrace reads up to {WIRE_VERSION}; upgrade this role first"
        )
    return record


def header_of(headers: Iterable[tuple[str, bytes]] | None) -> bytes | None:
    """Return the bytes of our header, or None where a record has none."""
    for name, value in headers or ():
        if name == ORIGIN_HEADER:
            return value
    return None
