"""What a user may set of enrichment: `[stream.enrichment]`, each part by itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from tailrace.extras import missing_modules
from tailrace_stream.own.targets import Target, target_of

EXTRA = "enrichment"
DATABASES_MAX = 8
TABLES_MAX = 32
COLUMNS_MAX = 64
LABEL = "labels."
_ADDED = re.compile(
    r"(?:source|client|destination|server)\.(?:geo|as|domain)\b|user_agent\."
    r"|event\.severity|host\.id"
)


def _is_installed() -> bool:
    return not missing_modules(EXTRA)


class ReverseDnsSettings(BaseModel):
    """Asks for the names of addresses; nothing waits for an answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    threads_max: Annotated[int, Field(ge=1, le=64)] = 4
    """So many addresses are asked at once."""
    waiting_max: Annotated[int, Field(ge=1, le=100_000)] = 1_000
    """So many wait to be asked; more are asked when they come again."""
    names_max: Annotated[int, Field(ge=100, le=1_000_000)] = 100_000
    keep_s: Annotated[int, Field(ge=1, le=604_800)] = 3_600
    keep_unknown_s: Annotated[int, Field(ge=1, le=604_800)] = 300
    """Of an address without a name; so long one without an answer is not asked again."""


class TableSettings(BaseModel):
    """A table that says more of a field's values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    file: Path
    """CSV with a line of names, or `.json`; read live."""
    key: Annotated[str, Field(pattern=r"^[A-Za-z@][A-Za-z0-9_.@-]{0,127}$")]
    """The field of documents whose values are looked up, such as `user.name`."""
    column: str = ""
    """Which column of the table has them; the first unless given."""
    fields: Annotated[dict[str, str], Field(max_length=COLUMNS_MAX)] = {}
    """By columns: the field of ECS that a value goes to, or `labels.<name>`; all other
    columns are left out. Unless given, every column is a label of its name."""

    @model_validator(mode="after")
    def _fields_can_be_given(self) -> Self:
        problems = [p for _, p in self.targets().values() if p]
        if problems:
            raise ValueError("; ".join(problems))
        names = list(self.fields.values())
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one column goes to {', '.join(twice)}")
        return self

    def targets(self) -> dict[str, tuple[Target | str, str]]:
        """Return by columns where values go, a label by its name; and what is wrong."""
        return {column: _target(name) for column, name in self.fields.items()}


class EnrichmentSettings(BaseModel):
    """Which parts are on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    geo: bool = Field(default_factory=_is_installed)
    """Country, city and network of addresses; on where the extra `enrichment` is there."""
    geo_databases: Annotated[tuple[Path, ...], Field(max_length=DATABASES_MAX)] = ()
    """Files of MaxMind's format, the one that is believed first; read live. Without them
    the country is known, by where an address is registered."""
    user_agent: bool = Field(default_factory=_is_installed)
    """Name, version, system and device; on where the extra `enrichment` is there."""
    trace_ids: bool = True
    """Ids of traces, spans and requests that stand in a line's text."""
    templates: bool = True
    """The id of the template of each line: 1 to 2 us a line, and 4 where each line has words
    of its own."""
    severity: bool = True
    """One word for each level, and its number."""
    origin_fields: bool = True
    """`fields` of a source that ECS knows stand at their place in ECS, others are labels."""

    reverse_dns: ReverseDnsSettings | None = None
    """`source.domain`, by the name that an address has at the moment; `true` for usual
    limits. What is asked for tells the resolver whose addresses stand in the logs."""
    tables: Annotated[tuple[TableSettings, ...], Field(max_length=TABLES_MAX)] = ()
    """Of one's own; of two that give one field the first counts."""

    @field_validator("reverse_dns", mode="before")
    @classmethod
    def _reverse_dns_may_be_switched(cls, value: object) -> object:
        if isinstance(value, bool):
            return {} if value else None
        return value

    @model_validator(mode="after")
    def _what_it_needs_is_there(self) -> Self:
        asked = [name for name in ("geo", "user_agent") if getattr(self, name)]
        if asked and not _is_installed():
            raise ValueError(
                f"{' and '.join(asked)} cannot be on without the extra {EXTRA}: run"
                f" `pip install 'tailrace[{EXTRA}]'`"
            )
        if self.geo_databases and not self.geo:
            raise ValueError("geo_databases are given, and geo is false: choose one")
        return self


def _target(name: str) -> tuple[Target | str, str]:
    """Return where the values of a column go, and what is wrong with that."""
    if name.startswith(LABEL):
        label = name.removeprefix(LABEL)
        return label, "" if label else f"{name!r} names no label"
    if _ADDED.match(name):
        return name, f"{name} is given by another part of enrichment"
    found = target_of(name)
    if isinstance(found, str):
        return name, found
    if not found.is_field or found.kind in {"level", "message"}:
        return name, f"{name} is no field that a table can give: use {LABEL}<name>"
    return found, ""
