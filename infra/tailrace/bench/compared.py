"""How fast indexer and whole pipeline are, beside Elasticsearch alone in the same run.

Rounds alternate, with and without Tailrace: first the real roles index the corpus, then
Elasticsearch gets the very bodies that they made, in fresh indices of the same template.
What is told is the median of the rounds' ratios, since machines change their speed.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.bench.alone import indices_of, joined, lines_of, renamed, send
from tailrace.bench.draws import LINES_PER_S
from tailrace.bench.live import measure_freshness
from tailrace.bench.measure import machine
from tailrace.bench.progress import (
    corpus_of,
    cpu_us_by_role,
    frozen,
    memory_by_role,
    rate,
    read_to_end_at,
    require_all,
    running,
    searchable_at,
)
from tailrace.bench.records import values_of
from tailrace.bench.report import Report
from tailrace.bench.runs import Say
from tailrace.bench.stand import Round, Stand
from tailrace.elasticsearch import Elastic
from tailrace.query import events_alias
from tailrace.topics import DOCS, RAW

ROUNDS = 3
WARM_UP_LINES = 50_000
"""Java compiles what runs often; figures of the first seconds are of no use."""
ROLES = ("agent", "stream", "indexer")

Measured = Callable[[Round, int], tuple[float, float]]
"""Runs one round of so many lines; returns when it began and ended, in milliseconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One round with Tailrace."""

    lines_per_s: float
    cpu_us_per_line: dict[str, float]
    rss_mb: dict[str, float]
    bodies: list[bytes]
    index_bytes: int
    index_bytes_merged: int


def bench_indexer(stand: Stand, *, lines: int, say: Say) -> Report:
    """Measure documents to searchable."""
    return _compared(
        stand,
        name="indexer",
        lines=lines,
        counted=("indexer",),
        measured=_indexer_alone,
        say=say,
    )


def bench_pipeline(stand: Stand, *, lines: int, say: Say) -> Report:
    """Measure files to searchable, and how long a line takes at a moderate rate."""
    report = _compared(
        stand, name="pipeline", lines=lines, counted=ROLES, measured=_all, say=say
    )
    say(f"how long a line takes at {LINES_PER_S:,} lines/s")
    return msgspec.structs.replace(
        report,
        freshness_ms=measure_freshness(stand),
        freshness_lines_per_s=LINES_PER_S,
    )


def _indexer_alone(one: Round, lines: int) -> tuple[float, float]:
    role = one.role("indexer")
    with frozen(role):
        one.pour()
        read_to_end_at(one, "stream", source=RAW, output=DOCS)
        role.begin()
        began_ms = float(one.stand.clock.monotonic_ms())
    ended_ms = searchable_at(one, lines=lines)
    role.end()
    return began_ms, ended_ms


def _all(one: Round, lines: int) -> tuple[float, float]:
    for role in one.roles:
        role.begin()
    began_ms = one.pour()
    ended_ms = searchable_at(one, lines=lines)
    for role in one.roles:
        role.end()
    return began_ms, ended_ms


def _compared(
    stand: Stand,
    *,
    name: str,
    lines: int,
    counted: Sequence[str],
    measured: Measured,
    say: Say,
) -> Report:
    warm_up = min(WARM_UP_LINES, lines)
    say(f"warming up with {warm_up:,} lines")
    stand.write_corpus(corpus_of(stand, lines=warm_up))
    result = _with_tailrace(
        stand, "warm", lines=warm_up, counted=counted, measured=measured
    )
    _alone(stand, "cold", bodies=result.bodies, made_in="warm")
    raw_bytes = stand.write_corpus(corpus_of(stand, lines=lines))
    rounds: list[dict[str, float]] = []
    results: list[Result] = []
    for number in range(1, ROUNDS + 1):
        made_in = f"t{number}"
        result = _with_tailrace(
            stand, made_in, lines=lines, counted=counted, measured=measured
        )
        alone = _alone(stand, f"e{number}", bodies=result.bodies, made_in=made_in)
        found = {
            "lines_per_s": result.lines_per_s,
            "elasticsearch_alone_lines_per_s": alone,
            "ratio": round(result.lines_per_s / alone, 3),
        }
        say(
            f"round {number} of {ROUNDS}: {result.lines_per_s:,.0f} lines/s,"
            f" Elasticsearch alone {alone:,.0f}, ratio {found['ratio']:.2f}"
        )
        rounds.append(found)
        result.bodies.clear()
        results.append(result)
    return Report(
        name=name,
        lines=lines,
        raw_bytes=raw_bytes,
        lines_per_s=statistics.median(one["lines_per_s"] for one in rounds),
        cpu_us_per_line=_medians([one.cpu_us_per_line for one in results]),
        rss_mb=_medians([one.rss_mb for one in results]),
        ratio_to_elasticsearch_alone=statistics.median(one["ratio"] for one in rounds),
        elasticsearch_alone_lines_per_s=statistics.median(
            one["elasticsearch_alone_lines_per_s"] for one in rounds
        ),
        index_bytes_per_raw_byte=round(results[-1].index_bytes / raw_bytes, 3),
        index_bytes_per_raw_byte_merged=round(
            results[-1].index_bytes_merged / raw_bytes, 3
        ),
        rounds=rounds,
        machine=machine(),
    )


def _with_tailrace(
    stand: Stand,
    namespace: str,
    *,
    lines: int,
    counted: Sequence[str],
    measured: Measured,
) -> Result:
    with running(stand.round(namespace), *ROLES) as one:
        began_ms, ended_ms = measured(one, lines)
    roles = [role for role in one.roles if role.name in counted]
    bodies = list(values_of(one.connections, DOCS))
    require_all(lines_of(bodies), lines=lines, what="parsed")
    alias = events_alias(namespace)
    with Elastic(one.connections) as elastic:
        size_bytes = _index_bytes(elastic, alias)
        elastic.ask("POST", f"/{alias}/_forcemerge?max_num_segments=1")
        merged_bytes = _index_bytes(elastic, alias)
        _delete(elastic, indices_of(bodies))
    return Result(
        lines_per_s=rate(lines, began_ms=began_ms, ended_ms=ended_ms),
        cpu_us_per_line=cpu_us_by_role(roles, lines=lines),
        rss_mb=memory_by_role(roles),
        bodies=bodies,
        index_bytes=size_bytes,
        index_bytes_merged=merged_bytes,
    )


def _alone(
    stand: Stand, namespace: str, *, bodies: Sequence[bytes], made_in: str
) -> float:
    """Return the rate of Elasticsearch with the bodies of another namespace."""
    one = stand.round(namespace)
    bulks = joined(renamed(bodies, namespace=made_in, into=namespace))
    lines = lines_of(bulks)
    indices = indices_of(bulks)
    with Elastic(one.connections) as elastic:
        for index in indices:
            elastic.ask("PUT", f"/{index}")
        began_ms = float(stand.clock.monotonic_ms())
        send(bulks, url=one.connections.elasticsearch_urls[0])
        ended_ms = searchable_at(one, lines=lines)
        _delete(elastic, indices)
    return rate(lines, began_ms=began_ms, ended_ms=ended_ms)


def _index_bytes(elastic: Elastic, alias: str) -> int:
    """Return the size of the segments that a search reads now.

    Not from `_stats`, whose sizes may be ten seconds old.
    """
    elastic.refresh(alias)
    segments: list[dict[str, str]] = elastic.ask(
        "GET", f"/_cat/segments/{alias}?bytes=b&format=json&h=prirep,size"
    )
    return sum(int(one["size"]) for one in segments if one["prirep"] == "p")


def _delete(elastic: Elastic, indices: set[str]) -> None:
    for index in indices:
        elastic.ask("DELETE", f"/{index}")


def _medians(figures: Sequence[dict[str, float]]) -> dict[str, float]:
    return {
        name: round(statistics.median(one[name] for one in figures), 2)
        for name in figures[0]
    }
