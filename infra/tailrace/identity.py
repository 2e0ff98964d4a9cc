"""What names a file's life, an event and its index: functions of facts that do not change.

A line that is sent again, with other chunk boundaries, by another agent process, or
through another worker, gets the same `_id` in the same `_index`, so `op_type=create` makes
every re-send a no-op (design: "Identity, and why nothing comes twice").
"""

from __future__ import annotations

import hashlib
import re
from base64 import urlsafe_b64encode
from datetime import UTC, datetime
from functools import lru_cache

from tailrace.wire import FileIdentity, Placement

GENERATION_BYTES = 16
ID_BYTES = 21
"""4 birth second, 6 offset, 7 of the generation, 4 checksum: 168 bits, and a multiple of
three, so that one base64 call encodes a whole column of ids without padding."""
ID_CHARACTERS = 28
DAY_MS = 86_400_000
OLD_EVENT_MS = 31 * DAY_MS
"""Events this much older than their generation's birth go to a month's index: one
imported archive must not create a thousand day indices."""
EARLIEST_BEFORE_MS = 3_650 * DAY_MS
"""How long before it was read a line may have been written, and be believed. Ten years:
archives are imported, but a device without a clock says 1970."""
RESERVED_DATASETS = frozenset(
    {"dead", "rates", "alerts", "ledger", "templates", "events"}
)
_INDEX_PART = re.compile(r"[a-z0-9][a-z0-9_.]{0,99}")
"""No hyphen, which ends it in the name. With namespace, day and `-r<N>` around it a name has
at most 155 bytes of the 255 that Elasticsearch takes."""


def generation_of(identity: FileIdentity) -> str:
    """Return the name of one life of one file, 32 hexadecimal digits."""
    facts = "\0".join(
        (
            identity.host_id,
            identity.filesystem_id,
            str(identity.inode),
            str(identity.born_at_ns),
            str(identity.truncation_count),
        )
    )
    digest = hashlib.blake2b(
        facts.encode("utf-8", "surrogateescape"), digest_size=GENERATION_BYTES
    )
    return digest.hexdigest()


def document_id(*, generation: str, born_at_ms: int, offset: int, checksum: int) -> str:
    """Return the `_id` of the event at `offset`, 28 characters of URL-safe base64.

    `checksum` is CRC-32C (RFC 3720) of the event's original bytes without the newline
    that ended it. Birth and offset lead, big endian, so ids of a file arrive sorted.
    """
    raw = (
        birth_second(born_at_ms).to_bytes(4, "big")
        + offset.to_bytes(6, "big")
        + bytes.fromhex(generation)[:7]
        + checksum.to_bytes(4, "big")
    )
    return urlsafe_b64encode(raw).decode("ascii")


def birth_second(born_at_ms: int) -> int:
    """Return the birth as seconds, clamped to what four bytes hold (1970 to 2106)."""
    return min(max(born_at_ms // 1_000, 0), 0xFFFF_FFFF)


def index_time_ms(
    event_ms: int | None, *, placement: Placement, born_at_ms: int
) -> int:
    """Return the time that decides the index: the event's where it can be believed."""
    if placement.time_rule == "generation" or event_ms is None:
        return born_at_ms
    if not placement.earliest_ms <= event_ms < placement.latest_ms:
        return born_at_ms
    return event_ms


def index_part_problem(name: str) -> str:
    """Return why no index of events can be called so; empty where one can."""
    if not _INDEX_PART.fullmatch(name):
        return "must be 1 to 100 lower-case letters, digits, _ and ., a letter or digit first"
    if name in RESERVED_DATASETS:
        return f"must not be {name!r}, which names indices of Tailrace's own"
    return ""


def index_prefix(placement: Placement, *, namespace: str) -> str:
    """Return what stands before the date in the name of a placement's indices."""
    return f"{namespace}-{placement.index or placement.dataset}-"


def index_name(
    event_ms: int | None, *, namespace: str, placement: Placement, born_at_ms: int
) -> str:
    """Return `<namespace>-<dataset>-<yyyy.MM.dd>`, or `<yyyy.MM>` for old events.

    The placement may have another name in its dataset's place.
    """
    at_ms = index_time_ms(event_ms, placement=placement, born_at_ms=born_at_ms)
    is_old = at_ms < born_at_ms - OLD_EVENT_MS
    prefix = index_prefix(placement, namespace=namespace)
    return f"{prefix}{_date(at_ms // DAY_MS, is_old)}"


@lru_cache(maxsize=4_096)
def _date(day: int, is_month: bool) -> str:  # noqa: FBT001 - the cache wants positions
    moment = datetime.fromtimestamp(day * DAY_MS / 1_000, tz=UTC)
    return moment.strftime("%Y.%m" if is_month else "%Y.%m.%d")
