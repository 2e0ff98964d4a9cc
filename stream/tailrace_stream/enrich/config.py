"""What a user may set of enrichment: `[stream.enrichment]`, each part by itself."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tailrace.extras import missing_modules

EXTRA = "enrichment"
DATABASES_MAX = 8


def _is_installed() -> bool:
    return not missing_modules(EXTRA)


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
    severity: bool = True
    """One word for each level, and its number."""
    origin_fields: bool = True
    """`fields` of a source that ECS knows stand at their place in ECS, others are labels."""

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
