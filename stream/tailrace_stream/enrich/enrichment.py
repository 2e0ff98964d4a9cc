"""What is added to the fields of a chunk's lines: each part of it on or off by itself.

A part that is off is not there, and costs nothing a line. What is added depends on the line
and on data; the data may differ between two readings of a chunk, so nothing of it is in an
event's id, its index, its numbers or its windows. Of a line that is stored the first words
stay, as the second document of its id is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from tailrace.wire import Origin
from tailrace_stream.documents import Common
from tailrace_stream.enrich import origins, severity, trace_ids
from tailrace_stream.enrich.addresses import Addresses
from tailrace_stream.enrich.fragments import Fragments
from tailrace_stream.enrich.reverse_dns import ReverseNames
from tailrace_stream.enrich.tables import Table, joined_labels
from tailrace_stream.enrich.user_agents import UserAgents
from tailrace_stream.parsers.columns import ENRICHED, LABELS

Added = tuple[pl.Series, tuple[str, ...]]
"""A text for each line, and what the names of the fields in it begin with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrichment:
    """The parts that are on."""

    addresses: Addresses | None = None
    user_agents: UserAgents | None = None
    severity_numbers: Fragments | None = None
    """Where levels are normalised."""
    has_templates: bool = False
    """Whether a document bears the id of its line's template."""
    has_trace_ids: bool = False
    has_origin_fields: bool = False
    tables: tuple[Table, ...] = ()
    names: ReverseNames | None = None

    def enriched(
        self, parsed: pl.DataFrame, *, text: pl.Series, origin: Origin
    ) -> pl.DataFrame:
        """Return the fields of lines with what is added to them; `text` are the lines."""
        if self.has_trace_ids:
            parsed = trace_ids.with_ids(parsed, text)
        added: list[Added] = []
        # First: a document's own fields end with the user agent that they follow from.
        if self.user_agents is not None:
            column = self.user_agents.column(parsed)
            if column is not None:
                names = ("name", "version", "os.", "device.")
                added.append((column, tuple(f"user_agent.{name}" for name in names)))
        if self.severity_numbers is not None and severity.LEVEL in parsed.columns:
            words = severity.normalised(parsed.get_column(severity.LEVEL))
            parsed = parsed.with_columns(words)
            numbers = self.severity_numbers.column(words)
            added.append((numbers, (severity.NUMBER,)))
        if self.addresses is not None:
            for column, side in self.addresses.columns(parsed):
                added.append((column, (f"{side}.geo.", f"{side}.as.")))
        if self.names is not None:
            for column, field in self.names.columns(parsed):
                added.append((column, (field,)))
        if self.tables:
            parsed = self._with_tables(parsed, added, origin=origin)
        return _with_added(parsed, added) if added else parsed

    def _with_tables(
        self, parsed: pl.DataFrame, added: list[Added], *, origin: Origin
    ) -> pl.DataFrame:
        """Add what tables say: fields to `added`, and labels, as a column of their own.

        What the origin says of its host comes first.
        """
        given: set[str] = set()
        if self.has_origin_fields:
            given.update(origins.facts_of(origin))
        labels: list[list[str]] = []
        for table in self.tables:
            texts = table.texts(parsed, origin=origin)
            if texts is None:
                continue
            if given.isdisjoint(table.names):
                fields = pl.Series([field for field, _ in texts], dtype=pl.String)
                added.append((fields, table.names))
                given.update(table.names)
            labels.append([label for _, label in texts])
        if not labels:
            return parsed
        joined = list(map(joined_labels, zip(*labels, strict=True)))
        return parsed.with_columns(pl.Series(LABELS, joined, dtype=pl.String))

    def counts(self) -> dict[str, int]:
        """Return what was asked of others, and what could not be looked up."""
        found = {} if self.names is None else dict(self.names.counts)
        parts = (self.addresses, self.user_agents)
        failures = sum(part.failure_count for part in parts if part is not None)
        return found | {"enrichment.failures": failures} if failures else found

    def close(self) -> None:
        """Ask nobody any more."""
        if self.names is not None:
            self.names.close()

    def alarms(self) -> tuple[str, ...]:
        """Return what is wrong with the files that are read, for a person."""
        databases = () if self.addresses is None else self.addresses.files
        files = [*databases, *(table.file for table in self.tables)]
        return tuple(f"{file.path} {file.problem}" for file in files if file.problem)

    def common_of(self, origin: Origin) -> Common | None:
        """Return what all documents of a chunk have of its origin, None for the usual."""
        if not self.has_origin_fields:
            return None
        return Common(facts=origins.facts_of(origin), labels=origins.labels_of(origin))


NO_ENRICHMENT = Enrichment()


def _with_added(parsed: pl.DataFrame, added: list[Added]) -> pl.DataFrame:
    """Join the texts; a line that says one of their fields itself gets none of them.

    An object with one name twice would be refused by the index.
    """
    texts: list[pl.Series] = []
    for column, starts in added:
        own = [name for name in parsed.columns if starts and name.startswith(starts)]
        if own:
            is_said = parsed.select(
                pl.any_horizontal(pl.col(name).is_not_null() for name in own)
            ).to_series()
            column = column.set(is_said, "")  # noqa: PLW2901
        texts.append(column)
    if len(texts) == 1:
        return parsed.with_columns(texts[0].alias(ENRICHED))
    named = [text.alias(str(number)) for number, text in enumerate(texts)]
    joined = pl.DataFrame(named).select(pl.concat_str(pl.all())).to_series()
    return parsed.with_columns(joined.alias(ENRICHED))
