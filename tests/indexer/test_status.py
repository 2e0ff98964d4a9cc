"""What the indexer tells of itself is what a person must know, and nothing else."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tailrace.elasticsearch import REQUEST_TIMEOUT_S
from tailrace_indexer.holds import MAKING_MS_MAX
from tailrace_indexer.outcomes import Outcome, Reason, Verdict
from tailrace_indexer.sending import FIRST_SEEN
from tailrace_indexer.status import FILE_NAME, DiskStatus, IndexerStatus, StatusFile
from tests.indexer.builders import INDEX, Bench

BLOCKED = Verdict(Outcome.HOLD, Reason.BLOCKED, "disk is full")


@pytest.mark.parametrize(
    ("verdict", "wait_ms", "told"),
    [
        (FIRST_SEEN, 0, {}),
        # The order itself may wait for so long, for a server that has just started.
        (FIRST_SEEN, round(REQUEST_TIMEOUT_S * 1_000), {}),
        (FIRST_SEEN, MAKING_MS_MAX - 1, {}),
        (
            FIRST_SEEN,
            MAKING_MS_MAX,
            {INDEX: "missing_index: not known to be there yet"},
        ),
        (BLOCKED, 0, {INDEX: "blocked: disk is full"}),
    ],
)
def test_an_index_that_is_just_being_made_is_not_told_as_held(
    tmp_path: Path, verdict: Verdict, wait_ms: int, told: dict[str, str]
) -> None:
    bench = Bench()
    bench.delivery.holds.hold(INDEX, verdict, now_ms=bench.clock.monotonic_ms())
    bench.clock.at_ms += wait_ms
    file = StatusFile(tmp_path, clock=bench.clock)
    file.write(bench.delivery, alarms=bench.alarms, disk=DiskStatus())

    raw = (tmp_path / FILE_NAME).read_bytes()
    assert msgspec.json.decode(raw, type=IndexerStatus).held_indices == told
