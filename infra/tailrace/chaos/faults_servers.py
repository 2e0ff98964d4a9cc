"""Faults of the servers: killed, frozen, away, and without room on their disks."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from functools import partial
from typing import Any

from tailrace.chaos.arena import Arena, NotWitnessed
from tailrace.chaos.disks import SmallDisk
from tailrace.chaos.faults import FaultKind, Lane, Need
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.up_record import is_frozen
from tailrace_embedded.server import Server

RECOVERY_MS_MAX = 600_000
"""A bound of patience, for machines with much else to do."""
DEATH_MS_MAX = 60_000
FREEZE_MS = {"kafka": 15_000, "elasticsearch": 15_000, "zookeeper": 20_000}
"""A broker loses its place after 9 s without a heartbeat; ZooKeeper is away longer than
half of its clients' sessions."""
AWAY_MS = 15_000
FULL_MS = 10_000
BLOCK_MS_MAX = 180_000
FLOOD_SETTING = "cluster.routing.allocation.disk.watermark"
FLOOD_LEVELS = ("low", "high", "flood_stage")
MORE_THAN_ANY_DISK = "1000tb"
BROKER_DEATH_MS_MAX = 60_000


def server_faults() -> list[FaultKind]:
    """Return every kind that strikes a server or a disk."""
    kinds: list[FaultKind] = []
    for kind, takes_s in (("kafka", 20), ("elasticsearch", 45), ("zookeeper", 6)):
        for verb, strike, longer_s in (
            ("kill", _kill, 0),
            ("freeze", _freeze, FREEZE_MS[kind] // 1_000 - takes_s + 10),
        ):
            kinds.append(
                FaultKind(
                    name=f"{verb} {kind}",
                    family=f"server: {verb}",
                    lane=Lane.SERVERS,
                    takes_s=takes_s + longer_s,
                    strike=partial(strike, kind=kind),
                )
            )
    kinds += [
        FaultKind(
            name="zookeeper away",
            family="server away",
            lane=Lane.SERVERS,
            takes_s=AWAY_MS // 1_000 + 5,
            strike=_zookeeper_away,
        ),
        FaultKind(
            name="elasticsearch disk full",
            family="disk full",
            lane=Lane.SERVERS,
            takes_s=45,
            strike=_flood,
        ),
        FaultKind(
            name="agent disk full",
            family="disk full",
            lane=Lane.SERVERS,
            takes_s=FULL_MS // 1_000 + 3,
            strike=_agent_disk_full,
            needs=frozenset({Need.ROOT}),
        ),
        FaultKind(
            name="broker disk full",
            family="disk full",
            lane=Lane.SERVERS,
            takes_s=40,
            strike=_broker_disk_full,
            needs=frozenset({Need.ROOT, Need.THREE}),
        ),
    ]
    return kinds


def servers_of(arena: Arena, kind: str) -> list[Server]:
    """Return every server of a kind, such as `kafka-1` to `kafka-3`."""
    return [s for s in arena.stack.servers if s.name.startswith(kind)]


def revive(arena: Arena, server: Server) -> None:
    """Have a server run and answer again.

    Raises:
        NotWitnessed: it does not come back in time.
    """
    if not server.is_alive():
        server.start()
    arena.require(
        lambda: server.is_ready() or (not server.is_alive() and _again(server)),
        wait_ms_max=RECOVERY_MS_MAX,
        what=f"{server.name} answers again",
    )


def _again(server: Server) -> bool:
    server.start()
    return False


def _kill(arena: Arena, chance: random.Random, *, kind: str) -> str:
    server = chance.choice(servers_of(arena, kind))
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    arena.require(
        lambda: server.exit_code() == -signal.SIGKILL,
        wait_ms_max=DEATH_MS_MAX,
        what=f"{server.name} is dead",
    )
    revive(arena, server)
    return f"{server.name}: SIGKILL to {pid}"


def _freeze(arena: Arena, chance: random.Random, *, kind: str) -> str:
    server = chance.choice(servers_of(arena, kind))
    pid = server.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        arena.require(
            lambda: is_frozen(pid), wait_ms_max=2_000, what=f"{server.name} stopped"
        )
        arena.wait(FREEZE_MS[kind])
        if not is_frozen(pid):
            raise NotWitnessed(f"{server.name} did not stay frozen")
    finally:
        os.kill(pid, signal.SIGCONT)
    revive(arena, server)
    return f"{server.name}: {pid} stopped for {FREEZE_MS[kind]} ms"


def _zookeeper_away(arena: Arena, chance: random.Random) -> str:
    (server,) = servers_of(arena, "zookeeper")
    server.stop()
    shipped = arena.writer.counts.lines
    try:
        arena.wait(AWAY_MS + chance.randint(0, AWAY_MS))
        if server.is_ready():
            raise NotWitnessed("zookeeper answered although it was stopped")
    finally:
        server.start()
    revive(arena, server)
    written = arena.writer.counts.lines - shipped
    return f"{server.name}: away while {written} lines were written"


def _flood(arena: Arena, chance: random.Random) -> str:
    """Have Elasticsearch find its disk full: its own block on every index (E4)."""
    del chance
    with Elastic(arena.connections) as elastic:
        try:
            _set_levels(arena, elastic, MORE_THAN_ANY_DISK)
            arena.require(
                lambda: _blocked_indices(elastic, arena) > 0,
                wait_ms_max=BLOCK_MS_MAX,
                what="an index is blocked for want of disk",
            )
            blocked = _blocked_indices(elastic, arena)
            arena.wait(FULL_MS)
        finally:
            _set_levels(arena, elastic, None)
        arena.require(
            lambda: _blocked_indices(elastic, arena) == 0,
            wait_ms_max=RECOVERY_MS_MAX,
            what="the block is gone",
        )
    return f"read_only_allow_delete on {blocked} indices"


def _set_levels(arena: Arena, elastic: Elastic, value: str | None) -> None:
    """Say when a disk is full; None: what the servers' configuration says."""
    settings: dict[str, Any] = {
        f"{FLOOD_SETTING}.{level}": value for level in FLOOD_LEVELS
    }
    # How often disks are looked at; the least that is allowed.
    settings["cluster.info.update.interval"] = None if value is None else "10s"

    def is_taken() -> bool:
        try:
            elastic.ask("PUT", "/_cluster/settings", body={"persistent": settings})
        except ServiceUnavailable:
            return False
        return True

    arena.require(
        is_taken, wait_ms_max=BLOCK_MS_MAX, what="Elasticsearch takes a setting"
    )


def _blocked_indices(elastic: Elastic, arena: Arena) -> int:
    path = f"/{arena.connections.namespace}-*/_settings/index.blocks.*"
    try:
        found: dict[str, Any] = elastic.ask("GET", path)
    except ServiceUnavailable:
        return -1
    return sum("read_only_allow_delete" in str(each) for each in found.values())


def _agent_disk_full(arena: Arena, chance: random.Random) -> str:
    """Let the agent's checkpoint find no room for a while (P4)."""
    disk = _mounted(arena.agent_disk)
    with arena.writer.no_disposal():
        return _full_for(
            arena, disk, wait_ms=FULL_MS + chance.randint(0, FULL_MS), until=None
        )


def _broker_disk_full(arena: Arena, chance: random.Random) -> str:
    """Let a broker find no room: it stops, and comes back when there is some (K14)."""
    del chance
    disk = _mounted(arena.broker_disk)
    server = servers_of(arena, "kafka")[-1]
    witness = _full_for(
        arena,
        disk,
        wait_ms=BROKER_DEATH_MS_MAX,
        until=lambda: not server.is_alive(),
    )
    if server.is_alive():
        server.stop()
        raise NotWitnessed(f"{server.name} did not mind that its disk was full")
    code = server.exit_code()
    revive(arena, server)
    return f"{server.name}: {witness}, and it ended with exit code {code}"


def _full_for(
    arena: Arena,
    disk: SmallDisk,
    *,
    wait_ms: int,
    until: Callable[[], bool] | None,
) -> str:
    try:
        witness = disk.fill()
        if until is None:
            arena.wait(wait_ms)
        else:
            arena.within(until, wait_ms_max=wait_ms)
        if not disk.is_full():
            raise NotWitnessed(f"{disk.folder.name} had room again")
    finally:
        disk.empty()
    return witness


def _mounted(disk: SmallDisk | None) -> SmallDisk:
    assert disk is not None, "planned only where disks are mounted"
    return disk
