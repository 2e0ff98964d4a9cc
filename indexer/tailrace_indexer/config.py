"""The indexer's settings."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from tailrace.settings import RoleSettings
from tailrace.topics import MEBIBYTE


class IndexerSettings(RoleSettings):
    """What a person may decide about the indexer; how fast it sends is not among it."""

    model_config = SettingsConfigDict(env_prefix="TAILRACE_INDEXER_")
    table: ClassVar[str] = "indexer"

    ready_bytes_max: int = Field(
        default=32 * MEBIBYTE, ge=8 * MEBIBYTE, le=1024 * MEBIBYTE
    )
    """Read from Kafka and not yet sent; above it reading pauses."""
    held_bytes_max: int = Field(
        default=64 * MEBIBYTE, ge=8 * MEBIBYTE, le=4096 * MEBIBYTE
    )
    """Waiting for indices that take nothing now; above it their partitions pause."""
    in_flight_max: int = Field(default=3, ge=1, le=16)
    """How many bulks may be on their way at most; less when Elasticsearch is slow."""
    commit_ms: int = Field(default=1_000, ge=100, le=60_000)
    """How often what is stored is committed to Kafka."""
    disk_quota_bytes: int = Field(default=0, ge=-1)
    """What the event indices may take together. 0: the lesser of 10 GiB and 40 % of what
    is free and already used by them. -1: no limit, nothing is ever expired."""
    retention_check_ms: int = Field(default=30_000, ge=1_000, le=3_600_000)
    """How often the elected leader looks at the quota."""
