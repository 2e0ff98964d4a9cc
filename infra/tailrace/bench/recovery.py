"""How long a stream worker takes until it counts on, with the states of very many files.

The states are real ones, of a few files with a hundred lines each, written again under
other generations' names: to bring so many files about would take longer than all the rest.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from itertools import cycle, islice
from random import Random

import msgspec

from tailrace.bench.corpus import BLOCK_LINES
from tailrace.bench.progress import (
    SEED,
    WAIT_MS_MAX,
    corpus_of,
    frozen,
    read_to_end_at,
    running,
    settled_at,
)
from tailrace.bench.records import values_of
from tailrace.bench.stand import Round, RunningRole, Stand
from tailrace.errors import CommandFailed
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.topics import DOCS, LEDGER, RAW, STATE, Topic, partition_of

FILES = 24
"""Enough that each partition has one to wait for."""
LINES = 100
CLOSE_MS_MAX = 10_000


class Recovery(msgspec.Struct, frozen=True, kw_only=True):
    """How long it took, and with how much."""

    generations: int
    state_bytes: int
    """Of one of them, the mean."""
    after_kill_s: float
    """From the kill (SIGKILL) of a worker that starts again at once, to the commit of
    what waited in every partition. The wait for the end of its session is in it."""
    after_stop_s: float
    """The same from the start of one with an empty data folder, where the last one left
    its group in order."""
    rss_mb: float
    """What a worker holds then."""


class _Named(msgspec.Struct):
    """What a state and a word of the ledger have in common."""

    generation: str = ""
    """Empty where a record of the ledger is of none."""
    revision: int = 0
    hop: str = ""


def measure_recovery(stand: Stand, *, generations: int) -> Recovery:
    """Measure a worker that dies, and one that comes to a group without any.

    Raises:
        CommandFailed: Kafka did not take the states, or the worker did not come back.
    """
    one = stand.round("recovery")
    files = list(_texts(stand))
    with running(one, "agent", "stream"):
        _grow(one, files)
        read_to_end_at(one, "stream", source=RAW, output=DOCS)
        states = _newest(one, STATE)
        _write_again(one, STATE, states, generations=generations)
        _write_again(one, LEDGER, _newest(one, LEDGER), generations=generations)
        role = one.role("stream")
        with frozen(role):
            _grow(one, files)
            killed_ms = stand.clock.monotonic_ms()
            os.kill(role.meter.pid, signal.SIGKILL)
        role.process.wait()
        after_kill_s = _started(one, role, since_ms=killed_ms)
        role.process.ask_to_stop()
        role.process.wait()
        shutil.rmtree(one.watched.parent / "stream")
        _grow(one, files)
        after_stop_s = _started(one, role, since_ms=stand.clock.monotonic_ms())
        rss_mb = role.meter.rss_mb()
    return Recovery(
        generations=generations,
        state_bytes=sum(map(len, states.values())) // len(states),
        after_kill_s=round(after_kill_s, 1),
        after_stop_s=round(after_stop_s, 1),
        rss_mb=round(rss_mb, 1),
    )


def _texts(stand: Stand) -> Iterator[bytes]:
    """Yield some lines for each file, none of which begin alike: those would be copies."""
    for block in islice(corpus_of(stand, lines=FILES * BLOCK_LINES).blocks(), FILES):
        yield b"".join(block.splitlines(keepends=True)[:LINES])


def _grow(one: Round, files: list[bytes]) -> None:
    """Let every file have its lines once more, and return when they are in Kafka."""
    for number, text in enumerate(files):
        with (one.watched / f"quiet-{number}.log").open("ab") as file:
            file.write(text)
    settled_at(one, RAW)


def _newest(one: Round, topic: Topic) -> dict[str, bytes]:
    """Return the stream's newest record of each generation."""
    found: dict[str, tuple[int, bytes]] = {}
    for value in values_of(one.connections, topic):
        named = msgspec.json.decode(value, type=_Named)
        if not named.generation or named.hop not in {"", "stream"}:
            continue
        if named.revision >= found.get(named.generation, (0, b""))[0]:
            found[named.generation] = named.revision, value
    return {generation: value for generation, (_, value) in found.items()}


def _write_again(
    one: Round, topic: Topic, records: dict[str, bytes], *, generations: int
) -> None:
    """Write records under other names, of both topics the same, until there are so many."""
    failures: list[SendFailure] = []
    name = topic.name(one.connections.namespace)
    prefix = b"stream|" if topic is LEDGER else b""
    random = Random(SEED)  # noqa: S311 - names, and the same each time
    producer = Producer.connect(one.connections, client_id="tailrace-bench")
    try:
        ordered = sorted(records.items())
        for generation, value in islice(
            cycle(ordered), max(generations - len(records), 0)
        ):
            other = f"{random.getrandbits(128):032x}".encode()
            producer.send(
                name,
                key=prefix + other,
                value=value.replace(generation.encode(), other),
                partition=partition_of(other),
                on_done=lambda failure: failures.append(failure) if failure else None,
            )
        producer.flush(wait_ms_max=WAIT_MS_MAX)
    finally:
        producer.close(wait_ms_max=CLOSE_MS_MAX)
    if failures:
        raise CommandFailed(
            f"Kafka did not take {len(failures):,} records of {name}:"
            f" {failures[0].detail}",
            remedy="see the broker's log",
        )


def _started(one: Round, role: RunningRole, *, since_ms: float) -> float:
    """Start the worker; return the seconds until nothing waits in any partition."""
    namespace = one.connections.namespace
    role.process.start()
    with KafkaAdmin(one.connections) as admin:

        def is_read() -> bool:
            lags = admin.group_lag(f"{namespace}-stream", topics=[RAW.name(namespace)])
            return all(lag.lag_records == 0 for lag in lags if lag.end_offset)

        ended_ms = one.stand.wait_for(
            is_read, what="the recovery of the stream", wait_ms_max=WAIT_MS_MAX
        )
    return (ended_ms - since_ms) / 1_000
