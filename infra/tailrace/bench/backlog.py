"""What an agent holds and costs that meets far more than fits into memory at once.

The backlog is written in one pass, whole bytes and no holes, and read once. The topic
keeps little of it, so that the disk need not hold it twice; that all of it was
acknowledged the ledger says.
"""

from __future__ import annotations

from itertools import cycle, islice

import msgspec

from tailrace.bench.memory import Sampled, sampled
from tailrace.bench.progress import corpus_of, rate, require_all, running, shipped_at
from tailrace.bench.records import events_acknowledged
from tailrace.bench.stand import FILES, Stand
from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tailrace.topics import MEBIBYTE, RAW

GIGABYTE = 1_000_000_000
PATTERN_LINES = 500_000
"""So many lines are made, and repeated: to make each anew would take longer than all the
rest. A chunk is too small to be packed the better for it."""
KEPT_BYTES = 64 * MEBIBYTE
"""What each partition of the topic keeps, about."""


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """The agent's figures while it reads what waited."""

    size_bytes: int
    lines: int
    lines_per_s: float
    mb_per_s: float
    cpu_us_per_line: float
    rss_mb_at_rest: float
    """What it held before there was anything to read."""
    rss_mb_first_tenth: float
    """The most it held in the first tenth of the time."""
    rss_mb: float
    """The most it ever held: no more than that, where memory does not follow the size."""


def measure_backlog(stand: Stand, *, size_bytes: int) -> Backlog:
    """Measure an agent that finds `size_bytes` in a few files.

    Raises:
        CommandFailed: lines were lost or doubled.
    """
    written_bytes, lines = _write(stand, size_bytes=size_bytes)
    one = stand.round("backlog")
    _keep_little(one.connections)
    with running(one, "agent"):
        role = one.role("agent")
        rest_mb = role.meter.rss_mb()
        role.begin()
        with sampled(role.meter, clock=stand.clock) as samples:
            began_ms = one.pour()
            ended_ms = shipped_at(one, events=lines)
        role.end()
    # Stopped by now: the ledger has had the last word of each file.
    acknowledged = events_acknowledged(one.connections)
    require_all(acknowledged, lines=lines, what="acknowledged")
    stand.empty_corpus_dir()
    return Backlog(
        size_bytes=written_bytes,
        lines=lines,
        lines_per_s=rate(lines, began_ms=began_ms, ended_ms=ended_ms),
        mb_per_s=rate(written_bytes // 1_000_000, began_ms=began_ms, ended_ms=ended_ms),
        cpu_us_per_line=round(role.cpu_s * 1e6 / lines, 2),
        rss_mb_at_rest=round(rest_mb, 1),
        rss_mb_first_tenth=round(_first_tenth(samples, until_ms=ended_ms), 1),
        rss_mb=round(role.rss_mb_max, 1),
    )


def _write(stand: Stand, *, size_bytes: int) -> tuple[int, int]:
    """Write the files; return their bytes and their lines.

    Each begins at another place of the pattern, as files that begin alike are copies.
    """
    pattern = list(corpus_of(stand, lines=PATTERN_LINES).blocks())
    counts = [block.count(b"\n") for block in pattern]
    folder = stand.empty_corpus_dir()
    written_bytes = lines = 0
    for number in range(FILES):
        first = number * len(pattern) // FILES
        with (folder / f"access-{number}.log").open("wb") as file:
            for index in islice(cycle(range(len(pattern))), first, None):
                if written_bytes >= size_bytes * (number + 1) // FILES:
                    break
                written_bytes += file.write(pattern[index])
                lines += counts[index]
    return written_bytes, lines


def _keep_little(connections: Connections) -> None:
    """Have the topic of chunks keep next to nothing."""
    settings = {
        "retention.bytes": str(KEPT_BYTES),
        "segment.bytes": str(KEPT_BYTES // 2),
    }
    with KafkaAdmin(connections) as admin:
        admin.alter_topic_settings({RAW.name(connections.namespace): settings})


def _first_tenth(samples: Sampled, *, until_ms: float) -> float:
    """Return the most that was held in the first tenth of the time up to `until_ms`."""
    began_ms = samples.rss_mb[0][0]
    limit_ms = began_ms + (until_ms - began_ms) / 10
    return max(rss_mb for at_ms, rss_mb in samples.rss_mb if at_ms <= limit_ms)
