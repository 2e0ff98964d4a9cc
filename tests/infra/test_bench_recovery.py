"""What a benchmark of the stream says of a worker that came back."""

from __future__ import annotations

import msgspec

from tailrace.bench.measure import Machine
from tailrace.bench.recovery import Recovery
from tailrace.bench.report import Report, table_lines

MACHINE = Machine(
    cpu="a", cores=2, memory_mb=1, system="Linux", python="3.11", step_ns=18.0
)
RECOVERY = Recovery(
    generations=100_000,
    state_bytes=1_454,
    after_kill_s=17.0,
    after_stop_s=5.5,
    rss_mb=217.4,
)


def report(recovery: Recovery | None) -> Report:
    return Report(
        name="stream",
        lines=1,
        raw_bytes=9,
        lines_per_s=1.0,
        cpu_us_per_line={},
        rss_mb={},
        recovery=recovery,
        machine=MACHINE,
    )


def test_the_table_says_how_long_it_took_and_with_how_much() -> None:
    (line,) = [one for one in table_lines(report(RECOVERY)) if "recovery  " in one]
    assert "17.0 s after a kill, 5.5 s after a stop" in line
    assert "100,000 states of 1,454 bytes; 217 MB" in line


def test_who_did_not_measure_it_says_nothing_of_it() -> None:
    assert not [one for one in table_lines(report(None)) if "recovery  " in one]
    assert "recovery" not in msgspec.to_builtins(report(None))
