"""The indexer's settings."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from tailrace.alerts.config import AlertSettings
from tailrace.index_templates import DATASETS_MAX, DatasetIndices
from tailrace.settings import RoleSettings
from tailrace.topics import MEBIBYTE
from tailrace_indexer.retention import GIBIBYTE, Keeping, RetentionPolicy


class DatasetSettings(BaseModel):
    """How the indices of some datasets are kept."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[a-z0-9_.*]{1,100}$")
    """A dataset, or a glob of some, such as `nginx.*`; of what is routed, the name that
    stands in the dataset's place in its indices."""
    age_days_max: int = Field(default=0, ge=0, le=36_500)
    """An index goes when all of its day, or month, is older. 0: no limit."""
    size_bytes_max: int = Field(default=0, ge=0)
    """What each such dataset may take, whole indices, the oldest first. 0: no limit."""
    shards: int | None = Field(default=None, ge=1, le=1_024)
    """Of an index that is made from now on."""
    replicas: int | None = Field(default=None, ge=0, le=10)
    """Of indices that are there, too. None: one where there is a second node."""


NO_SETTINGS = DatasetSettings(name="*")


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
    datasets: tuple[DatasetSettings, ...] = Field(default=(), max_length=DATASETS_MAX)
    """The first whose name fits a dataset is its own; others know no limit but the quota."""
    dead_age_days_max: int = Field(default=0, ge=0, le=36_500)
    """How long dead letters are kept, counted from the day they died. 0: no limit."""
    dead_size_bytes_max: int = Field(default=GIBIBYTE, ge=0)
    """What dead letters may take, days as a whole, the oldest first. 0: no limit."""
    merge_closed_days: bool = True
    """Whether indices of days that are over are merged, each once, one at a time."""
    merge_templates: bool = True
    """Whether the elected leader looks for templates that differ in a variable word."""
    templates_check_ms: int = Field(default=60_000, ge=1_000, le=3_600_000)
    """How often it looks, at most."""
    retention_check_ms: int = Field(default=30_000, ge=1_000, le=3_600_000)
    """How often the elected leader looks at the quota."""
    alerts: AlertSettings = AlertSettings()
    """What the elected leader watches for, and whom it tells."""

    def of_dataset(self, dataset: str) -> DatasetSettings:
        """Return the settings of one dataset."""
        for settings in self.datasets:
            if fnmatchcase(dataset, settings.name):
                return settings
        return NO_SETTINGS

    def dataset_indices(self) -> tuple[DatasetIndices, ...]:
        """Return how the indices of each entry are made, in the same order."""
        return tuple(
            DatasetIndices(name=each.name, shards=each.shards, replicas=each.replicas)
            for each in self.datasets
        )

    def retention_policy(self) -> RetentionPolicy:
        """Return what is kept beside the quota that all events share."""
        return RetentionPolicy(
            of_dataset=self._keeping_of,
            of_dead_letters=Keeping(
                age_days_max=self.dead_age_days_max,
                size_bytes_max=self.dead_size_bytes_max,
            ),
        )

    def _keeping_of(self, dataset: str) -> Keeping:
        settings = self.of_dataset(dataset)
        return Keeping(
            age_days_max=settings.age_days_max, size_bytes_max=settings.size_bytes_max
        )
