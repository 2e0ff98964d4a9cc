"""What the same documents take in each form of the index, and what they cost Elasticsearch.

Agent and stream make the documents from a corpus, once; then Elasticsearch alone gets them
in every form, in rounds, so that no form has the machine's best hour to itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tailrace.bench.alone import joined, lines_of, send
from tailrace.bench.corpus import DATASETS, Kind
from tailrace.bench.forms import Form, addressed, forms
from tailrace.bench.measure import Meter, machine
from tailrace.bench.progress import (
    corpus_of,
    rate,
    read_to_end_at,
    require_all,
    running,
    shipped_at,
)
from tailrace.bench.records import values_of
from tailrace.bench.runs import Say
from tailrace.bench.stand import Stand
from tailrace.bench.storage_report import FormFigures, StorageReport
from tailrace.clock import Clock
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed
from tailrace.topics import DOCS, RAW

ROUNDS = 3
MERGE_WAIT_S = 600.0
SERVER = "elasticsearch-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where documents go, and how that is measured."""

    elastic: Elastic
    url: str
    clock: Clock
    cpu_s: Callable[[], float]
    """What Elasticsearch has used so far."""
    raw_bytes: int


def bench_storage(stand: Stand, *, kind: Kind, lines: int, say: Say) -> StorageReport:
    """Measure every form with one corpus.

    Raises:
        CommandFailed: documents are missing, or were refused in a form.
    """
    raw_bytes = stand.write_corpus(corpus_of(stand, lines=lines, kind=kind))
    with running(stand.round("made", dataset=DATASETS[kind]), "agent", "stream") as one:
        one.pour()
        shipped_at(one, events=lines)
        read_to_end_at(one, "stream", source=RAW, output=DOCS)
    bodies = list(values_of(one.connections, DOCS))
    require_all(lines_of(bodies), lines=lines, what="parsed")
    with Elastic(one.connections) as elastic:
        target = Target(
            elastic=elastic,
            url=one.connections.elasticsearch_urls[0],
            clock=stand.clock,
            cpu_s=Meter(stand.stack.server(SERVER).pid).cpu_s,
            raw_bytes=raw_bytes,
        )
        measured = forms(capabilities=elastic.capabilities())
        found: dict[str, list[FormFigures]] = {form.name: [] for form in measured}
        for number in range(1, ROUNDS + 1):
            for form in measured:
                say(f"round {number} of {ROUNDS}: {form.name}")
                found[form.name].append(measure_form(form, bodies, target=target))
    return StorageReport(
        name="storage",
        corpus=kind,
        lines=lines,
        raw_bytes=raw_bytes,
        document_bytes=sum(map(len, bodies)),
        forms=[best_of(rounds) for rounds in found.values()],
        machine=machine(),
    )


def measure_form(form: Form, bodies: Sequence[bytes], *, target: Target) -> FormFigures:
    """Fill a new index of the form, merge it, tell what it took, and delete it.

    Raises:
        CommandFailed: a document was refused, or is not there.
        ServiceUnavailable: Elasticsearch takes no such index.
    """
    elastic, clock = target.elastic, target.clock
    index = "form-" + form.name.lower().replace(",", "").replace(" ", "-")
    bulks = joined(addressed(bodies, index=index, id_of=form.id_of))
    lines = lines_of(bulks)
    elastic.ask("PUT", f"/{index}", body=form.body)
    try:
        cpu_s, began_ms = target.cpu_s(), clock.monotonic_ms()
        send(bulks, url=target.url)
        elastic.ask("POST", f"/{index}/_flush?wait_if_ongoing=true")
        ended_ms, sent_cpu_s = clock.monotonic_ms(), target.cpu_s()
        flushed = _disk_usage(elastic, index)
        merging_cpu_s = target.cpu_s()
        _merge(elastic, index)
        merged_cpu_s = target.cpu_s()
        merged = _disk_usage(elastic, index)
        elastic.refresh(index)
        require_all(elastic.count(index), lines=lines, what=f"stored ({form.name})")
    finally:
        elastic.ask("DELETE", f"/{index}")
    return FormFigures(
        name=form.name,
        is_for_report=form.is_for_report,
        lines_per_s=rate(lines, began_ms=began_ms, ended_ms=ended_ms),
        cpu_us_per_line=_us(sent_cpu_s - cpu_s, lines=lines),
        cpu_us_per_line_of_merge=_us(merged_cpu_s - merging_cpu_s, lines=lines),
        bytes_per_raw_byte=_part(flushed["all_fields"], of=target.raw_bytes),
        bytes_per_raw_byte_merged=_part(merged["all_fields"], of=target.raw_bytes),
        fields_merged={
            name: part
            for name, usage in merged["fields"].items()
            if (part := _part(usage, of=target.raw_bytes))
        },
    )


def best_of(rounds: Sequence[FormFigures]) -> FormFigures:
    """Return the figures of the round that took the least of the processor.

    Whatever disturbs a round only adds to it; sizes differ by how segments fell.
    """
    return min(rounds, key=lambda one: one.cpu_us_per_line)


def _merge(elastic: Elastic, index: str) -> None:
    path = f"/{index}/_forcemerge?max_num_segments=1"
    elastic.decoded(elastic.request("POST", path, timeout_s=MERGE_WAIT_S))
    elastic.ask("POST", f"/{index}/_flush?wait_if_ongoing=true")


def _disk_usage(elastic: Elastic, index: str) -> dict[str, Any]:
    path = f"/{index}/_disk_usage?run_expensive_tasks=true"
    answer = elastic.request("POST", path, timeout_s=MERGE_WAIT_S)
    usage: dict[str, Any] = elastic.decoded(answer)
    if usage["_shards"]["failed"]:
        raise CommandFailed(
            f"Elasticsearch did not tell what {index} takes: {usage['_shards']}",
            remedy="look into its log",
        )
    return usage[index]


def _part(usage: dict[str, int], *, of: int) -> float:
    return round(usage["total_in_bytes"] / of, 4)


def _us(cpu_s: float, *, lines: int) -> float:
    return round(cpu_s * 1e6 / lines, 1)
