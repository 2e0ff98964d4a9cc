"""How far a measurement has come, seen from outside the roles, and what it then says."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager

import msgspec

from tailrace.bench.corpus import Corpus, Kind
from tailrace.bench.stand import Round, RunningRole, Stand
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.query import events_alias
from tailrace.role_status import FILE_NAME
from tailrace.topics import RAW, Topic


class _Shipped(msgspec.Struct):
    """What of the agent's status is asked here."""

    shipped: int = msgspec.field(name="shipped_events")


SEED = 1
SETTLED_MS = 1_500
"""A topic that has not grown for this long has got everything."""
WAIT_MS_MAX = 600_000


def corpus_of(stand: Stand, *, lines: int, kind: Kind = Kind.ACCESS) -> Corpus:
    """Return the corpus, which began an hour ago."""
    start_ms = stand.clock.now_ms() - 3_600_000
    return Corpus(lines=lines, seed=SEED, start_ms=start_ms, kind=kind)


@contextmanager
def running(one: Round, *names: str) -> Generator[Round]:
    """Have these roles run, at rest when the block begins; they are stopped after it."""
    try:
        one.start(names)
        yield one
    finally:
        one.stop()


@contextmanager
def frozen(role: RunningRole) -> Generator[None]:
    """Keep a role from running for a while."""
    pid = role.meter.pid
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def settled_at(one: Round, topic: Topic) -> float:
    """Return when the topic last grew, once it has not for a while.

    Raises:
        CommandFailed: it grows for too long.
    """
    return _grown_at(one, topic, is_over=lambda still_ms: still_ms > SETTLED_MS)


def _grown_at(one: Round, topic: Topic, *, is_over: Callable[[int], bool]) -> float:
    clock = one.stand.clock
    name = topic.name(one.connections.namespace)
    with KafkaAdmin(one.connections) as admin:
        last_end = -1
        grown_at_ms = clock.monotonic_ms()

        def is_settled() -> bool:
            nonlocal last_end, grown_at_ms
            end = sum(admin.end_offsets([name]).values())
            now_ms = clock.monotonic_ms()
            if end != last_end:
                last_end, grown_at_ms = end, now_ms
            return end > 0 and is_over(now_ms - grown_at_ms)

        one.stand.wait_for(is_settled, what=f"filling {name}", wait_ms_max=WAIT_MS_MAX)
    return float(grown_at_ms)


def shipped_at(one: Round, *, events: int) -> float:
    """Return when the raw topic last grew, once the agent says that all was acknowledged.

    On a machine with other work a topic may stand still for longer than `SETTLED_MS`.

    Raises:
        CommandFailed: it takes too long.
    """
    path = one.watched.parent / "agent" / FILE_NAME

    def is_shipped() -> bool:
        try:
            return (
                msgspec.json.decode(path.read_bytes(), type=_Shipped).shipped >= events
            )
        except (OSError, msgspec.DecodeError):
            return False  # It is being written for the first time.

    return _grown_at(one, RAW, is_over=lambda _still_ms: is_shipped())


def read_to_end_at(one: Round, role: str, *, source: Topic, output: Topic) -> float:
    """Return when `output` last grew, once the role has committed all of `source`.

    Raises:
        CommandFailed: it takes too long.
    """
    namespace = one.connections.namespace
    with KafkaAdmin(one.connections) as admin:

        def is_read() -> bool:
            lags = admin.group_lag(
                f"{namespace}-{role}", topics=[source.name(namespace)]
            )
            return all(lag.lag_records == 0 for lag in lags if lag.end_offset)

        # Its commits come every few seconds; when the output grew last is more exact.
        grown_at_ms = settled_at(one, output)
        one.stand.wait_for(is_read, what=f"the {role}", wait_ms_max=WAIT_MS_MAX)
    return max(grown_at_ms, settled_at(one, output))


def searchable_at(one: Round, *, lines: int) -> float:
    """Return when a search found all lines, each looked for without being asked to.

    Raises:
        CommandFailed: it takes too long, or more were found than written.
    """
    alias = events_alias(one.connections.namespace)
    with Elastic(one.connections) as elastic:
        at_ms = one.stand.wait_for(
            lambda: found_now(elastic, alias) >= lines,
            what="making everything searchable",
            wait_ms_max=WAIT_MS_MAX,
        )
        require_all(elastic.count(alias), lines=lines, what="indexed")
    return at_ms


def found_now(elastic: Elastic, alias: str) -> int:
    """Return how many documents a search finds; 0 while a first index is being made."""
    try:
        return elastic.count(alias)
    except ServiceUnavailable:
        return 0


def require_all(count: int, *, lines: int, what: str) -> None:
    """Return if as many lines were handled as were written.

    Raises:
        CommandFailed: a benchmark of something that loses or doubles says nothing.
    """
    if count != lines:
        raise CommandFailed(
            f"{count:,} lines were {what}, and {lines:,} were written.",
            remedy="report this with the logs of the roles; no line may be lost",
        )


def rate(lines: int, *, began_ms: float, ended_ms: float) -> float:
    """Return lines a second."""
    return round(lines / max((ended_ms - began_ms) / 1_000, 0.001), 1)


def cpu_us_by_role(roles: Sequence[RunningRole], *, lines: int) -> dict[str, float]:
    """Return user and system time a line of each role."""
    return {role.name: round(role.cpu_s * 1e6 / lines, 2) for role in roles}


def memory_by_role(roles: Sequence[RunningRole]) -> dict[str, float]:
    """Return the most memory that each role ever held."""
    return {role.name: round(role.rss_mb_max, 1) for role in roles}
