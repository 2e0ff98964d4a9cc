"""While the indexer stands still, what waits is told as it is, and not as it last heard."""

from __future__ import annotations

import re
import signal
from collections.abc import Iterator

import psutil
import pytest

from tailrace_embedded.stack import Endpoints
from tests.support.installation import Installation, installed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
STORED, WAITING = 40, 4_000
WAIT_S = 120


@pytest.fixture
def installation(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with installed(stack, tmp_path_factory.mktemp("standing")) as running:
        yield running


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
        eventually(
            lambda: f"; {WAITING:,} lines in Kafka" in _said(installation), WAIT_S
        )
        assert "by then" not in _said(installation)
        # Who lives is known, too: its words wait in Kafka.
        blamed = (
            "nothing told since .* is indexed: the indexers stand still or are behind"
        )
        eventually(lambda: re.search(blamed, _said(installation)), WAIT_S)
        assert "silent" not in _said(installation)
        assert f"; {WAITING:,} lines in Kafka" in _said(installation)
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
