"""What a Java runtime says of its collections: unified logging, and that of Java 8.

The names of the fields are those of Elastic's integration `elasticsearch`, data stream `gc`.
"""

from __future__ import annotations

import polars as pl

from tailrace_stream.parsers.columns import (
    GUESSED,
    MATCHED,
    MESSAGE,
    TIME_NS,
    by_shape,
    has,
)
from tailrace_stream.parsers.dating import Dating
from tailrace_stream.parsers.shared import always, ms_as_ns, whole
from tailrace_stream.times import (
    ISO,
    iso_columns_ns,
)

_WHEN = ("moment", "fraction", "zone")
_SHAPES = (
    (
        (
            rf"^\[{ISO}\](?:\[([0-9.,]+)s\])?\[([0-9]{{1,10}})\]"
            r"(?:\[(trace|debug|info|warning|error) *\])?\[([a-z0-9,+]+) *\] ?((?s:.*))$"
        ),
        (*_WHEN, "runtime", "pid", "level", "tags", "text"),
    ),
    (
        rf"^{ISO}: ([0-9]+[.,][0-9]+): ((?s:.*))$",
        (*_WHEN, "runtime", "text"),
    ),
)
_PAUSE = r"GC\([0-9]+\) (.*?) (?:[0-9]+[KMG]->[0-9]+[KMG]\([0-9]+[KMG]\) )?([0-9.]+)ms$"
_HEAP = r" [0-9]+M->([0-9]{1,9})M\(([0-9]{1,9})M\)"
_GC = "elasticsearch.gc."
# What the collector CMS of Java 8 to 13 says of one step, and any of the threads it stopped.
_STEP = r"\[GC \(([^)]{1,64})\) \[(?:YG occupancy|[0-9] CMS-initial-mark)"
_SECONDS = {
    "threads_total_stop_time_sec": r"application threads were stopped: ([0-9.]+) seconds",
    "stopping_threads_time_sec": r" Stopping threads took: ([0-9.]+) seconds",
    "phase.parallel_rescan_time_sec": r"\[Rescan \(parallel\) , ([0-9.]+) secs\]",
    "phase.weak_refs_processing_time_sec": r"\[weak refs processing, ([0-9.]+) secs\]",
    "phase.class_unload_time_sec": r"\[class unloading, ([0-9.]+) secs\]",
    "phase.scrub_symbol_table_time_sec": r"\[scrub symbol table, ([0-9.]+) secs\]",
    "phase.scrub_string_table_time_sec": r"\[scrub string table, ([0-9.]+) secs\]",
    "phase.cpu_time.user_sec": r"\[Times: user=([0-9.]+) ",
    "phase.cpu_time.sys_sec": r"\[Times: user=[0-9.]+ sys=([0-9.]+),",
    "phase.cpu_time.real_sec": r"\[Times: [^\]]{1,64}, real=([0-9.]+) secs\]",
}
_KILOBYTES = {
    "young_gen.used_kb": r"\[YG occupancy: ([0-9]{1,9}) K|ParNew: [0-9]+K->([0-9]{1,9})K",
    "young_gen.size_kb": (
        r"\[YG occupancy: [0-9]+ K \(([0-9]{1,9}) K\)"
        r"|ParNew: [0-9]+K->[0-9]+K\(([0-9]{1,9})K\)"
    ),
    "old_gen.used_kb": (
        r"CMS-(?:remark|initial-mark): ([0-9]{1,9})K|\) Old: [0-9]+K->([0-9]{1,9})K"
    ),
    "old_gen.size_kb": (
        r"CMS-(?:remark|initial-mark): [0-9]+K\(([0-9]{1,9})K\)"
        r"|\) Old: [0-9]+K->[0-9]+K\(([0-9]{1,9})K\)"
    ),
}
_WHOLE = (
    r"CMS-(?:remark|initial-mark): [0-9]+K\([0-9]+K\)\]"
    r" ([0-9]{1,9})K\(([0-9]{1,9})K\), ([0-9.]{1,18}) secs\]"
)


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    frame = has(
        by_shape(lines, _SHAPES), *_WHEN, "runtime", "pid", "level", "tags", "text"
    )
    text = frame.get_column("text")
    pause = text.str.extract_groups(_PAUSE).struct.rename_fields(["phase", "ms"])
    heap = text.str.extract_groups(_HEAP).struct.rename_fields(["used", "size"])
    step = text.str.extract_groups(_WHOLE).struct.rename_fields(
        ["used_kb", "size_kb", "seconds"]
    )
    frame = frame.with_columns(
        *pause.struct.unnest().get_columns(),
        *heap.struct.unnest().get_columns(),
        *step.struct.unnest().get_columns(),
    )
    seconds = pl.col("seconds").cast(pl.Float64, strict=False)
    zone = pl.col("zone")
    return frame.select(
        MATCHED,
        iso_columns_ns(dating.time_zone).alias(TIME_NS),
        zone.is_null().alias(GUESSED),
        pl.col("level").alias("log.level"),
        whole("pid").alias("process.pid"),
        pl.col("tags").str.split(",").alias(_GC + "tags"),
        pl.col("runtime")
        .str.replace(",", ".", literal=True)
        .cast(pl.Float64, strict=False)
        .alias(_GC + "jvm_runtime_sec"),
        pl.coalesce("phase", pl.col("text").str.extract(_STEP)).alias(
            _GC + "phase.name"
        ),
        pl.coalesce(pl.col("ms").cast(pl.Float64, strict=False) / 1_000, seconds).alias(
            _GC + "phase.duration_sec"
        ),
        pl.coalesce(
            ms_as_ns("ms"), (seconds * 1e9).round().cast(pl.Int64, strict=False)
        ).alias("event.duration"),
        pl.coalesce(whole("used") * 1_024, whole("used_kb")).alias(
            _GC + "heap.used_kb"
        ),
        pl.coalesce(whole("size") * 1_024, whole("size_kb")).alias(
            _GC + "heap.size_kb"
        ),
        *[
            pl.col("text")
            .str.extract(pattern)
            .cast(pl.Float64, strict=False)
            .alias(_GC + name)
            for name, pattern in _SECONDS.items()
        ],
        *[
            pl.coalesce(
                pl.col("text").str.extract(pattern, 1),
                pl.col("text").str.extract(pattern, 2),
            )
            .cast(pl.Int64, strict=False)
            .alias(_GC + name)
            for name, pattern in _KILOBYTES.items()
        ],
        always(["database"]).alias("event.category"),
        always(["info"]).alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )
