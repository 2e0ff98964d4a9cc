"""Faults of copies: a leader moves, copies are too few, a node dies with a bulk in hand.

Each wants three servers of a kind, and proves by their own word that it struck.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Mapping
from urllib.parse import urlsplit

from tailrace.chaos.arena import Arena, NotWitnessed
from tailrace.chaos.faults import FaultKind, Lane, Need
from tailrace.chaos.faults_servers import (
    DEATH_MS_MAX,
    RECOVERY_MS_MAX,
    revive,
    servers_of,
)
from tailrace.chaos.http_proxy import ElasticsearchProxy
from tailrace.chaos.safe import acknowledged_offsets
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin, PartitionCopies
from tailrace.topics import RAW, TOPICS
from tailrace_embedded.server import Server

FAMILY = "copies lost"
ELECTION_MS_MAX = 120_000
SETTLE_MS = 4_000
"""Longer than an agent takes to write down what was acknowledged before."""
REFUSED_MS = 8_000
READ_ON_MS = 5_000
"""While raw records still come, and the stream's documents of them are refused."""
BULK_MS_MAX = 240_000
UNANSWERED_MS_MAX = 20_000
DEMANDED = "min.insync.replicas"
CHECKPOINT = "state/agent/checkpoint.sqlite"

Offsets = Mapping[str, int]
"""Up to where each generation is acknowledged."""


def copy_faults() -> list[FaultKind]:
    """Return every kind that takes copies away."""
    kinds = (
        ("leader moves", 30, _leader_moves),
        ("too few copies", 65, _too_few_copies),
        ("node killed amid a bulk", 50, _node_killed_amid_bulk),
    )
    return [
        FaultKind(
            name=name,
            family=FAMILY,
            lane=Lane.SERVERS,
            takes_s=takes_s,
            strike=strike,
            needs=frozenset({Need.THREE}),
        )
        for name, takes_s, strike in kinds
    ]


def _leader_moves(arena: Arena, chance: random.Random) -> str:
    """Kill a broker that leads, and see others elected in its place (K2)."""
    before = _in_sync(arena)
    leaders = sorted({one.leader for one in before.values()})
    number = chance.choice(leaders)
    broker = _broker(arena, number)
    pid = _kill(arena, broker)
    after: dict[int, PartitionCopies] = {}

    def is_elected() -> bool:
        after.update(_copies(arena))
        has_left = all(one.leader not in (-1, number) for one in after.values())
        return bool(after) and has_left

    try:
        arena.require(
            is_elected, wait_ms_max=ELECTION_MS_MAX, what="others lead its partitions"
        )
    finally:
        revive(arena, broker)
    moved = moved_leaders(before, after, left=number)
    if not moved:
        raise NotWitnessed(f"no epoch grew where {broker.name} had led")
    return f"{broker.name}: SIGKILL to {pid}, {moved} of {len(after)} leaders moved"


def _too_few_copies(arena: Arena, chance: random.Random) -> str:
    """Demand three copies while two are in sync: brokers refuse, and all wait (K3).

    Of raw records last, so that there are some of which no document can be published.
    """
    _in_sync(arena)
    broker = chance.choice(servers_of(arena, "kafka"))
    demanded = _demanded(arena)
    written = arena.writer.counts.lines
    raw = RAW.name(arena.connections.namespace)
    _demand(arena, dict.fromkeys(demanded.keys() - {raw}, "3"))
    try:
        pid = _kill(arena, broker)
        arena.require(
            lambda: _most_in_sync(arena) == 2,
            wait_ms_max=ELECTION_MS_MAX,
            what="no partition has more than two copies in sync",
        )
        arena.wait(READ_ON_MS)
        _demand(arena, {raw: "3"})
        arena.wait(SETTLE_MS)
        before = _acknowledged(arena)
        arena.wait(REFUSED_MS)
        after = _acknowledged(arena)
        if broker.is_alive():
            raise NotWitnessed(f"{broker.name} came back meanwhile")
    finally:
        _demand(arena, demanded)
        revive(arena, broker)
    if not arena.writer.counts.lines > written:
        raise NotWitnessed("no line was written that could have been refused")
    arena.broken_promises += [
        f"an agent took {name} for acknowledged from {begin} to {end}, with too few"
        " copies in sync"
        for name, begin, end in grown(before, after)
    ]
    return f"{broker.name}: SIGKILL to {pid}, 2 copies in sync where 3 are demanded"


def _node_killed_amid_bulk(arena: Arena, chance: random.Random) -> str:
    """Kill a node that was just sent a bulk, before it can answer (E12)."""
    proxy = chance.choice(arena.elasticsearch_proxies)
    node = _node_behind(arena, proxy)
    pid, unanswered = node.pid, proxy.unanswered
    with arena.bulks:
        proxy.when_sent(lambda: os.kill(pid, signal.SIGKILL))
        try:
            arena.require(
                lambda: node.exit_code() == -signal.SIGKILL,
                wait_ms_max=BULK_MS_MAX,
                what=f"{node.name} was sent a bulk, and is dead",
            )
            arena.require(
                lambda: proxy.unanswered > unanswered,
                wait_ms_max=UNANSWERED_MS_MAX,
                what="the bulk got no answer",
            )
        finally:
            proxy.when_sent(None)
            revive(arena, node)
    return f"{node.name}: SIGKILL to {pid} with a bulk that it never answered"


def moved_leaders(
    before: Mapping[int, PartitionCopies],
    after: Mapping[int, PartitionCopies],
    *,
    left: int,
) -> int:
    """Return how many partitions that `left` had led have another leader, elected since."""
    return sum(
        was.leader == left
        and after[number].leader not in (-1, left)
        and after[number].leader_epoch > was.leader_epoch
        for number, was in before.items()
    )


def grown(before: Offsets, after: Offsets) -> list[tuple[str, int, int]]:
    """Return the generations of both looks whose offset has grown, with both offsets."""
    return [
        (name, begin, after[name])
        for name, begin in before.items()
        if after.get(name, begin) > begin
    ]


def _kill(arena: Arena, server: Server) -> int:
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    arena.require(
        lambda: server.exit_code() == -signal.SIGKILL,
        wait_ms_max=DEATH_MS_MAX,
        what=f"{server.name} is dead",
    )
    return pid


def _copies(arena: Arena) -> dict[int, PartitionCopies]:
    """Return the copies of the raw topic; empty while no broker answers."""
    try:
        with KafkaAdmin(arena.connections) as admin:
            return admin.copies(RAW.name(arena.connections.namespace))
    except ServiceUnavailable:
        return {}


def _most_in_sync(arena: Arena) -> int:
    """Return the most copies in sync that any partition has; 0: nobody answers."""
    return max((len(one.in_sync) for one in _copies(arena).values()), default=0)


def _in_sync(arena: Arena) -> dict[int, PartitionCopies]:
    """Return the copies once all are in sync, after whatever struck before."""
    found: dict[int, PartitionCopies] = {}

    def is_whole() -> bool:
        found.update(_copies(arena))
        return bool(found) and all(len(one.in_sync) == 3 for one in found.values())

    arena.require(
        is_whole, wait_ms_max=RECOVERY_MS_MAX, what="all copies are in sync before"
    )
    return found


def _demanded(arena: Arena) -> dict[str, str]:
    """Return how many copies each of our topics demands."""
    names = [topic.name(arena.connections.namespace) for topic in TOPICS]
    try:
        with KafkaAdmin(arena.connections) as admin:
            settings = admin.topic_settings(names)
    except ServiceUnavailable as error:
        raise NotWitnessed(f"Kafka does not say what it demands: {error}") from error
    return {name: found[DEMANDED] for name, found in settings.items()}


def _demand(arena: Arena, copies: Mapping[str, str]) -> None:
    """Have each topic demand so many copies."""
    changes = {name: {DEMANDED: count} for name, count in copies.items()}

    def is_taken() -> bool:
        try:
            with KafkaAdmin(arena.connections) as admin:
                admin.alter_topic_settings(changes)
        except ServiceUnavailable:
            return False
        return True

    arena.require(
        is_taken, wait_ms_max=ELECTION_MS_MAX, what="Kafka takes what is demanded"
    )


def _acknowledged(arena: Arena) -> dict[str, int]:
    """Return what the agents' checkpoints call safe, of every generation."""
    return {
        name: offset
        for agent in arena.roles.of("agent")
        for name, offset in acknowledged_offsets(agent.folder / CHECKPOINT).items()
    }


def _broker(arena: Arena, number: int) -> Server:
    (found,) = [s for s in servers_of(arena, "kafka") if s.name == f"kafka-{number}"]
    return found


def _node_behind(arena: Arena, proxy: ElasticsearchProxy) -> Server:
    where = proxy.upstream.hostname, proxy.upstream.port
    for node in servers_of(arena, "elasticsearch"):
        ports = node.spec.ports.values()
        if where in {(node.spec.place.address, port) for port in ports}:
            return node
    raise NotWitnessed(f"no node stands behind {urlsplit(proxy.url).netloc}")
