"""What a request asked for: a path mostly; of a proxy a whole URL, or a host and its port."""

from __future__ import annotations

import polars as pl

PATH = "url.path"
_URL = (
    r"^([A-Za-z][A-Za-z0-9+.-]{0,31})://(?:[^/@]*@)?"
    r"(\[[0-9A-Fa-f:.]{2,64}\]|[^/:@\[\]]{1,255})(?::([0-9]{1,5}))?(/.*)?$"
)
_AUTHORITY = r"^(\[[0-9A-Fa-f:.]{2,64}\]|[^/:@\[\]]{1,255}):([0-9]{1,5})$"
_PARTS = ("url.scheme", "url.domain", "url.port", PATH)


def with_whole_urls(frame: pl.DataFrame) -> pl.DataFrame:
    """Part what stands in `url.path` and is no path: its host is what was asked for.

    Where no line has such a thing the frame stays as it is, without the other columns.
    """
    paths = frame.get_column(PATH)
    if (paths.str.starts_with("/") | (paths == "*")).all():
        return frame
    url = paths.str.extract_groups(_URL).struct.rename_fields(list(_PARTS))
    parts = url.struct.unnest().with_columns(
        *paths.str.extract_groups(_AUTHORITY)
        .struct.rename_fields(["host", "port"])
        .struct.unnest()
        .get_columns(),
        paths.alias("whole"),
    )
    domain, port = pl.coalesce("url.domain", "host"), pl.coalesce("url.port", "port")
    return frame.with_columns(
        parts.select(
            "url.scheme",
            domain.str.strip_chars("[]").alias("url.domain"),
            port.cast(pl.Int64).alias("url.port"),
            pl.when(domain.is_null())
            .then(pl.col("whole"))
            .otherwise(pl.col(PATH))
            .alias(PATH),
        ).get_columns()
    )
