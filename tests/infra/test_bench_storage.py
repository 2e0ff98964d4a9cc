"""Every form of the index that is measured can be made, filled and told on a real server."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from tailrace.bench.corpus import Kind
from tailrace.bench.forms import CHOSEN, forms
from tailrace.bench.measure import machine
from tailrace.bench.storage import Target, best_of, measure_form
from tailrace.bench.storage_report import FormFigures, StorageReport, storage_lines
from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed
from tailrace.identity import document_id
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints

DOCUMENTS = 400
RAW_BYTES = 100 * DOCUMENTS


def test_every_form_is_filled_and_told(target: Target) -> None:
    measured = forms(capabilities=target.elastic.capabilities())

    found = {
        form.name: measure_form(form, _bodies(DOCUMENTS), target=target)
        for form in measured
    }

    assert next(iter(found)) == CHOSEN
    for form in found.values():
        assert form.bytes_per_raw_byte_merged > 0, form
        assert form.lines_per_s > 0, form
    assert "_source" in found[CHOSEN].fields_merged
    assert "_source" not in found["LogsDB, synthetic source"].fields_merged
    assert target.elastic.request("GET", "/form-as-it-is-made").status == 404


def test_a_document_that_is_refused_is_no_figure(target: Target) -> None:
    """An index that lacks some would look lean."""
    chosen = forms(capabilities=target.elastic.capabilities())[0]
    twice = _bodies(10) + _bodies(1)

    with pytest.raises(CommandFailed, match="refused"):
        measure_form(chosen, twice, target=target)

    assert target.elastic.request("GET", "/form-as-it-is-made").status == 404


def test_the_round_that_took_least_is_told() -> None:
    rounds = [_figures(cpu_us) for cpu_us in (9.0, 7.0, 8.0)]

    assert best_of(rounds).cpu_us_per_line == 7.0


def test_people_see_every_form_and_what_is_for_the_report_only() -> None:
    report = StorageReport(
        name="storage",
        corpus=Kind.JSON,
        lines=10,
        raw_bytes=2_000,
        document_bytes=9_000,
        forms=[_figures(7.0), _figures(8.0, name="odd", is_for_report=True)],
        machine=machine(),
    )

    shown = "\n".join(storage_lines(report))

    assert "10 lines (json) of 200 bytes, documents of 900" in shown
    assert f"  {CHOSEN} " in shown
    assert "  odd * " in shown
    assert "_source 0.500" in shown


@pytest.fixture
def target(stack: Endpoints) -> Iterator[Target]:
    """Give what a form is measured with; the processor's time is asked of nobody."""
    connections = Connections(elasticsearch_url=stack.elasticsearch_url)
    with Elastic(connections) as elastic:
        yield Target(
            elastic=elastic,
            url=stack.elasticsearch_url,
            clock=SystemClock(),
            cpu_s=lambda: 0.0,
            raw_bytes=RAW_BYTES,
        )


def _bodies(count: int) -> list[bytes]:
    """Return as many documents as bulk bodies, each with an id of ours."""
    return [
        b'{"create":{"_index":"made-json-2026.11.28","_id":"%b"}}\n%b\n'
        % (
            document_id(
                generation="ab" * 16, born_at_ms=1, offset=100 * number, checksum=1
            ).encode(),
            orjson.dumps(
                {
                    "@timestamp": "2026-11-28T00:00:00.000Z",
                    "message": f"Order {number} placed",
                    "host.name": f"node-{number % 3}",
                    "log.offset": 100 * number,
                    "tailrace.template.id": f"t{number % 2}",
                    "attributes": {"order": number},
                }
            ),
        )
        for number in range(count)
    ]


def _figures(
    cpu_us: float, *, name: str = CHOSEN, is_for_report: bool = False
) -> FormFigures:
    return FormFigures(
        name=name,
        is_for_report=is_for_report,
        lines_per_s=1_000,
        cpu_us_per_line=cpu_us,
        cpu_us_per_line_of_merge=1.0,
        bytes_per_raw_byte=1.0,
        bytes_per_raw_byte_merged=0.9,
        fields_merged={"_source": 0.5, "message": 0.2},
    )
