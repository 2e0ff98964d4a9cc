"""Three brokers and three nodes lose copies, one fault after the other: the run ends exact.

Each fault is planned by its own name, proves by the servers' word that it struck, and is
followed by the comparison of every line with every document.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

import pytest

from tests.end_to_end.chaos.test_chaos import RUN_S_MAX, chaos

FAULTS = (
    "leader moves",
    "too few copies",
    "node killed amid a bulk",
    "broker disk full",
)
SEED = 5
MINUTES = 3.5
"""Enough for each of them, by what they are said to take."""
LINES_PER_S = 300

pytestmark = [pytest.mark.stack, pytest.mark.timeout(RUN_S_MAX)]


@pytest.fixture(scope="module")
def report() -> Mapping[str, Any]:
    """Give what one run says of all four; it is exact, whichever is asked about."""
    only = [part for name in FAULTS for part in ("--only", name)]
    done = chaos(
        *("--seed", str(SEED), "--minutes", str(MINUTES)),
        *("--lines-per-s", str(LINES_PER_S), "--json", *only),
    )
    assert done.stdout, done.stderr[-3_000:]
    report = cast("dict[str, Any]", json.loads(done.stdout))
    assert report["lines"] > 0
    return report


def witness(report: Mapping[str, Any], name: str) -> str:
    """Return by which a fault is known to have struck, in a run that ended exact."""
    struck = [fault for fault in report["faults"] if fault["name"] == name]
    if any(reason.startswith(f"{name}:") for reason in report["left_out"]):
        pytest.skip(f"{name} needs mounts and namespaces, which need root")
    assert report["is_exact"], (report["seed"], report["checks"])
    assert struck, f"{name} was not planned"
    assert not any(fault.get("problem") for fault in struck)
    return str(struck[0]["witness"])


def test_k2_a_leader_moves_and_every_line_is_there_once(
    report: Mapping[str, Any],
) -> None:
    found = re.search(r"SIGKILL to \d+, (\d+) of", witness(report, "leader moves"))
    assert found is not None
    assert int(found[1]) > 0


def test_k3_with_too_few_copies_brokers_refuse_and_agents_wait(
    report: Mapping[str, Any],
) -> None:
    """No checkpoint moved meanwhile, and nothing was lost by the waiting."""
    said = witness(report, "too few copies")
    assert said.endswith("2 copies in sync where 3 are demanded")
    (promises,) = [c for c in report["checks"] if c["name"] == "promises"]
    assert promises["is_passed"], promises["problems"]


def test_k14_a_broker_whose_disk_is_full_ends_and_nothing_is_lost(
    report: Mapping[str, Any],
) -> None:
    said = witness(report, "broker disk full")
    assert "ENOSPC" in said
    assert "it ended with exit code" in said


def test_e12_a_node_killed_amid_a_bulk_loses_no_acknowledged_document(
    report: Mapping[str, Any],
) -> None:
    said = witness(report, "node killed amid a bulk")
    assert said.startswith("elasticsearch-")
    assert said.endswith("with a bulk that it never answered")
