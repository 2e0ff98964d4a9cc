"""How near each node of Elasticsearch is to the flood stage, where it takes nothing more.

Elasticsearch itself says where its watermarks lie, whichever way they are set. Below the
low one it puts no new copies on a node, below the high one it moves what it can away, and
at the flood stage every index with a copy there takes no document until there is room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, cast

DISKS_PATH = (
    "/_nodes/stats/fs?filter_path=nodes.*.name,nodes.*.roles,nodes.*.fs.data.path,"
    "nodes.*.fs.data.available_in_bytes,nodes.*.fs.data.*_free_space_in_bytes"
)
"""What to ask Elasticsearch for."""
REMEDY = (
    "free some, give that node a larger disk, or keep less (`disk_quota_bytes`, and"
    " `age_days_max` and `size_bytes_max` of a dataset)"
)
GIBIBYTE = 1024**3


class Stage(StrEnum):
    """How full a disk is, in Elasticsearch's own stages."""

    WELL = "well"
    LOW = "low"
    HIGH = "high"
    FLOOD = "flood_stage"

    @property
    def is_alarming(self) -> bool:
        """Whether a person must see to it now, lest indexing stops."""
        return self in {Stage.HIGH, Stage.FLOOD}


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeDisk:
    """One data folder of a node that keeps documents; a watermark of 0 is not known."""

    node: str
    path: str
    available_bytes: int
    low_bytes: int
    """Less than this that is free is the low stage; likewise the others."""
    high_bytes: int
    flood_bytes: int

    @property
    def stage(self) -> Stage:
        """The gravest stage that it has reached."""
        if self.available_bytes < self.flood_bytes:
            return Stage.FLOOD
        if self.available_bytes < self.high_bytes:
            return Stage.HIGH
        if self.available_bytes < self.low_bytes:
            return Stage.LOW
        return Stage.WELL

    def sentence(self) -> str:
        """Return what a person is told of it."""
        free = f"{_gigabytes(self.available_bytes)} free at {self.path} of {self.node}"
        if self.stage is Stage.FLOOD:
            return f"{free}, at the flood stage: its indices take no lines now"
        to_flood = f"at {_gigabytes(self.flood_bytes)} its indices take no more lines"
        if self.stage is Stage.HIGH:
            mark = _gigabytes(self.high_bytes)
            return f"{free}, below the high watermark of {mark}; {to_flood}"
        if self.stage is Stage.LOW:
            mark = _gigabytes(self.low_bytes)
            return f"{free}, below the low watermark of {mark}; {to_flood}"
        return free


def node_disks(answer: Mapping[str, Any] | None) -> tuple[NodeDisk, ...]:
    """Read what Elasticsearch answers to `DISKS_PATH`, by the nodes' names."""
    nodes = cast("dict[str, Any]", (answer or {}).get("nodes", {}))
    disks = [
        NodeDisk(
            node=str(node.get("name", "?")),
            path=str(data.get("path", "?")),
            available_bytes=int(data["available_in_bytes"]),
            low_bytes=int(data.get("low_watermark_free_space_in_bytes", 0)),
            high_bytes=int(data.get("high_watermark_free_space_in_bytes", 0)),
            flood_bytes=int(data.get("flood_stage_free_space_in_bytes", 0)),
        )
        for node in nodes.values()
        # One that only votes stores no documents.
        if any(str(role).startswith("data") for role in node.get("roles", ["data"]))
        for data in node.get("fs", {}).get("data", [])
        if "available_in_bytes" in data
    ]
    return tuple(sorted(disks, key=lambda disk: (disk.node, disk.path)))


def _gigabytes(size_bytes: int) -> str:
    return f"{size_bytes / GIBIBYTE:.1f} GB"
