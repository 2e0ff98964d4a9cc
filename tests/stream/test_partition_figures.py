"""A hot partition and what waits in it show in the figures of a worker."""

from __future__ import annotations

import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tailrace.metrics import MetricsServer
from tailrace_stream.partition_figures import (
    STILL_MS_MAX,
    Seen,
    Taken,
    WorkerFigures,
)
from tests.infra.audit.builders import SteppingClock


def test_s8_a_hot_partition_and_its_lag_are_told_over_http() -> None:
    figures = WorkerFigures(SteppingClock())
    hot = Taken().plus(700, 7).plus(200, 2)
    figures.see(
        Seen(
            taken={0: Taken().plus(100, 1), 5: hot},
            lag_records={5: 40},
            counts={"documents": 10, "dropped.rule:debug": 3},
        )
    )
    server = MetricsServer.start(port=0, collect=figures.figures, check=figures.health)
    try:
        with urllib.request.urlopen(f"{server.url}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    finally:
        server.close()
    told = {
        (sample.name.removeprefix("tailrace_stream_"), *sample.labels.values()): (
            sample.value
        )
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert told == {
        ("counted_total", "documents"): 10,
        ("counted_total", "dropped.rule:debug"): 3,
        ("partition_bytes_total", "0"): 100,
        ("partition_bytes_total", "5"): 900,
        ("partition_events_total", "0"): 1,
        ("partition_events_total", "5"): 9,
        ("partition_share", "0"): 0.1,
        ("partition_share", "5"): 0.9,
        ("partition_lag_records", "5"): 40,
    }


def test_a_worker_that_does_not_turn_is_ill_and_alarms_are_notes() -> None:
    clock = SteppingClock()
    figures = WorkerFigures(clock)
    figures.see(Seen(alarms=("a table is gone",)))
    assert figures.health().is_well
    assert figures.health().notes == ("a table is gone",)
    clock.sleep_ms(STILL_MS_MAX + 1)
    assert not figures.health().is_well
    figures.see(Seen())
    assert figures.health().is_well
