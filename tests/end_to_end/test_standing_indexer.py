"""While the indexer stands still, what waits is told as it is, and not as it last heard."""

from __future__ import annotations

import re
import signal

import psutil
import pytest

from tests.support.installation import Installation
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
STORED, WAITING = 40, 4_000
WAIT_S = 120


def test_p9_lines_that_wait_for_a_frozen_indexer_are_counted_in_kafka(
    installation: Installation,
) -> None:
    """The index of the ledger, which it fills, knows of none of them."""
    path = installation.folder / "logs" / "app.log"
    path.write_text("".join(f"line {n}\n" for n in range(STORED)))
    eventually(lambda: installation.audit()[1]["totals"]["stored"] == STORED, WAIT_S)
    code, report = installation.audit("--wait", str(WAIT_S))
    assert code == 0, report
    indexer = psutil.Process(installation.roles["indexer"].pid)
    indexer.send_signal(signal.SIGSTOP)
    try:
        with path.open("a") as log:
            log.writelines(f"line {n}\n" for n in range(STORED, STORED + WAITING))
        known = f"; {WAITING:,} lines in Kafka"
        eventually(lambda: known in _said(installation), WAIT_S)
        blamed = (
            "nothing told since .* is indexed: the indexers stand still or are behind"
        )
        said: list[str] = []

        def is_blamed() -> bool:
            said.append(_said(installation))
            return re.search(blamed, said[-1]) is not None

        eventually(is_blamed, WAIT_S)
        # All by one statement, of which Kafka's answer came in time.
        assert known in said[-1]
        assert "by then" not in said[-1]
        # Who lives is known, too: its words wait in Kafka.
        assert "silent" not in said[-1]
    finally:
        indexer.send_signal(signal.SIGCONT)

    eventually(lambda: _said(installation).startswith("complete up to"), WAIT_S)
    eventually(lambda: "Kafka" not in _said(installation), WAIT_S)
    code, report = installation.audit("--wait", str(WAIT_S))
    assert code == 0, report
    assert report["totals"]["stored"] == STORED + WAITING


def _said(installation: Installation) -> str:
    """Return how complete a search says that it is."""
    return installation.run("search", "nothing-of-this-kind").stderr.splitlines()[-1]
