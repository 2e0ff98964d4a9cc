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


def parse(lines: pl.Series, dating: Dating) -> pl.DataFrame:
    """Return the fields of each line."""
    frame = has(
        by_shape(lines, _SHAPES), *_WHEN, "runtime", "pid", "level", "tags", "text"
    )
    text = frame.get_column("text")
    pause = text.str.extract_groups(_PAUSE).struct.rename_fields(["phase", "ms"])
    heap = text.str.extract_groups(_HEAP).struct.rename_fields(["used", "size"])
    frame = frame.with_columns(
        *pause.struct.unnest().get_columns(), *heap.struct.unnest().get_columns()
    )
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
        pl.col("phase").alias(_GC + "phase.name"),
        (pl.col("ms").cast(pl.Float64, strict=False) / 1_000).alias(
            _GC + "phase.duration_sec"
        ),
        ms_as_ns("ms").alias("event.duration"),
        (whole("used") * 1_024).alias(_GC + "heap.used_kb"),
        (whole("size") * 1_024).alias(_GC + "heap.size_kb"),
        always(["database"]).alias("event.category"),
        always(["info"]).alias("event.type"),
        pl.col("text").alias(MESSAGE),
    )
