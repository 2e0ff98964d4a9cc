"""Which nodes' disks raise an alarm, before Elasticsearch stops to take documents.

The leader asks, who may; the loop, whose the alarms are, sounds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tailrace.disk_stages import REMEDY, NodeDisk, Stage
from tailrace_indexer.alarms import Alarms

PREFIX = "disk of "


def alarming_nodes(disks: Sequence[NodeDisk]) -> dict[str, tuple[str, str]]:
    """Return stage and sentence of each node that is near the flood stage, or at it.

    Of several folders of one node the fullest speaks.
    """
    alarming = [disk for disk in disks if disk.stage.is_alarming]
    alarming.sort(key=lambda disk: disk.available_bytes, reverse=True)
    return {disk.node: (disk.stage.value, disk.sentence()) for disk in alarming}


def low_nodes(disks: Sequence[NodeDisk]) -> tuple[str, ...]:
    """Return a sentence for each disk that is beyond the low watermark, and no further."""
    return tuple(disk.sentence() for disk in disks if disk.stage is Stage.LOW)


def sound_disks(
    alarms: Alarms, nodes: Mapping[str, tuple[str, str]], *, now_ms: int
) -> None:
    """Let an alarm be on for each of these nodes, and for no other."""
    for node, (stage, sentence) in nodes.items():
        alarms.sound(
            f"{PREFIX}{node}",
            reason=stage,
            detail=f"{sentence}; {REMEDY}",
            now_ms=now_ms,
        )
    for subject in list(alarms.on):
        if subject.startswith(PREFIX) and subject.removeprefix(PREFIX) not in nodes:
            alarms.clear(subject, now_ms=now_ms)
