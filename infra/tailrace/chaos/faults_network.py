"""Faults between the processes: broken links, and proxies that are slow, mute or rude."""

from __future__ import annotations

import random
from functools import partial
from urllib.parse import urlsplit

from tailrace.chaos.arena import Arena, NotWitnessed
from tailrace.chaos.faults import FaultKind, Lane, Need
from tailrace.chaos.faults_servers import revive, servers_of
from tailrace.chaos.http_proxy import BulkFault
from tailrace.chaos.namespaces import Network
from tailrace.chaos.poison import poison_documents
from tailrace.chaos.tcp_proxy import Manner

CUT_MS_MIN = 12_000
"""Longer than a broker, a stream worker and an indexer may be silent."""
CUT_MS_MAX = 20_000
BULK_MS = 6_000
LATE_MS = 40_000
"""Longer than the indexer waits for an answer."""
STRIKES_WAIT_MS_MAX = 240_000
KAFKA_MS = 10_000
POISONS_WAIT_MS_MAX = 240_000


def network_faults() -> list[FaultKind]:
    """Return every kind that strikes between processes."""
    kinds = [
        FaultKind(
            name=f"cut off {kind}",
            family="network partition",
            lane=Lane.SERVERS,
            takes_s=(CUT_MS_MIN + CUT_MS_MAX) // 2_000 + 6,
            strike=partial(_cut_off, kind=kind),
            needs=frozenset({Need.ROOT}),
        )
        for kind in ("agent", "stream", "indexer", "kafka", "elasticsearch")
    ]
    kinds.append(
        FaultKind(
            name="part a broker from its peers",
            family="network partition",
            lane=Lane.SERVERS,
            takes_s=25,
            strike=_part_broker,
            needs=frozenset({Need.ROOT, Need.THREE}),
        )
    )
    kinds += [
        FaultKind(
            name=f"elasticsearch {fault.name.lower().replace('_', ' ')}",
            family="refusing Elasticsearch",
            lane=Lane.SERVERS,
            takes_s=(LATE_MS if fault is BulkFault.ANSWER_LATE else BULK_MS) // 1_000
            + 2,
            strike=partial(_spoil_bulks, fault=fault),
        )
        for fault in BulkFault
        if fault is not BulkFault.NONE
    ]
    kinds += [
        FaultKind(
            name=f"kafka {manner.name.lower()}",
            family="slow or refusing Kafka",
            lane=Lane.SERVERS,
            takes_s=KAFKA_MS // 1_000 + 2,
            strike=partial(_spoil_kafka, manner=manner),
        )
        for manner in Manner
        if manner is not Manner.HONEST
    ]
    kinds.append(
        FaultKind(
            name="poison records",
            family="poison records",
            lane=Lane.SERVERS,
            takes_s=3,
            strike=_poison,
        )
    )
    return kinds


def _cut_off(arena: Arena, chance: random.Random, *, kind: str) -> str:
    """Take one server or role off the network; everything else goes on."""
    network = _network(arena)
    names = [name for name in network.members if name.startswith(kind)]
    name = chance.choice(sorted(names))
    host, port = _somewhere_else(arena, name)
    if not network.can_connect(name, host=host, port=port):
        raise NotWitnessed(f"{name} reached nobody before it was cut off")
    network.unplug(name)
    try:
        if network.can_connect(name, host=host, port=port):
            raise NotWitnessed(f"{name} still reaches {host}:{port}")
        arena.wait(chance.randint(CUT_MS_MIN, CUT_MS_MAX))
    finally:
        network.plug(name)
    arena.require(
        lambda: network.can_connect(name, host=host, port=port),
        wait_ms_max=STRIKES_WAIT_MS_MAX,
        what=f"{name} reaches {host}:{port} again",
    )
    for server in servers_of(arena, name):
        revive(arena, server)
    return f"{name}: {host}:{port} reached before and after, and not meanwhile"


def _part_broker(arena: Arena, chance: random.Random) -> str:
    """Part one broker from the others, while clients see all of them."""
    network = _network(arena)
    brokers = servers_of(arena, "kafka")
    broker = chance.choice(brokers)
    others = [other for other in brokers if other is not broker]
    peer = others[0]
    host, port = peer.spec.place.address, peer.spec.ports["client"]
    network.part(broker.name, [other.name for other in others])
    try:
        if network.can_connect(broker.name, host=host, port=port):
            raise NotWitnessed(f"{broker.name} still reaches {peer.name}")
        arena.wait(chance.randint(CUT_MS_MIN, CUT_MS_MAX))
    finally:
        network.rejoin(broker.name, [other.name for other in others])
    if not network.can_connect(broker.name, host=host, port=port):
        raise NotWitnessed(f"{broker.name} does not reach {peer.name} again")
    for server in brokers:
        revive(arena, server)
    return f"{broker.name} did not reach {peer.name}"


def _somewhere_else(arena: Arena, name: str) -> tuple[str, int]:
    """Return an address that the member reaches when all is well: not its own."""
    own = _network(arena).members[name].address
    for server in arena.stack.servers:
        if server.spec.place.address != own and server.is_ready():
            port = next(iter(server.spec.ports.values()))
            return server.spec.place.address, port
    raise NotWitnessed("no server answers to show that the network is whole")


def _spoil_bulks(arena: Arena, chance: random.Random, *, fault: BulkFault) -> str:
    del chance
    proxies = arena.elasticsearch_proxies
    with arena.bulks:
        for proxy in proxies:
            proxy.behave(fault)
        try:
            arena.require(
                lambda: sum(proxy.struck for proxy in proxies) > 0,
                wait_ms_max=STRIKES_WAIT_MS_MAX,
                what="a bulk met the fault",
            )
            arena.wait(LATE_MS if fault is BulkFault.ANSWER_LATE else BULK_MS)
            struck = sum(proxy.struck for proxy in proxies)
        finally:
            for proxy in proxies:
                proxy.behave(BulkFault.NONE)
    return f"{struck} bulks: {fault.value}"


def _spoil_kafka(arena: Arena, chance: random.Random, *, manner: Manner) -> str:
    proxy = chance.choice(arena.kafka_proxies)
    before = proxy.affected
    proxy.behave(manner)
    try:
        arena.require(
            lambda: proxy.affected > before,
            wait_ms_max=STRIKES_WAIT_MS_MAX,
            what="a connection to Kafka met the fault",
        )
        arena.wait(KAFKA_MS)
    finally:
        proxy.behave(Manner.HONEST)
    return f"{proxy.affected - before} times at {urlsplit(proxy.url).netloc}"


def _poison(arena: Arena, chance: random.Random) -> str:
    del chance
    arena.require(
        lambda: poison_documents(arena) > 0,
        wait_ms_max=POISONS_WAIT_MS_MAX,
        what="Kafka took a poison record",
    )
    return f"{len(arena.poisons)} records so far"


def _network(arena: Arena) -> Network:
    assert arena.network is not None, "planned only where there is one"
    return arena.network
