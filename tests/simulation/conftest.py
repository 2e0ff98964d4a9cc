"""How many seeds a test run tries, and how one of them is replayed."""

from __future__ import annotations

import pytest

from tests.simulation.trying import seeds_of

SEEDS_VARIABLE = "TAILRACE_SIMULATION_SEEDS"
SEEDS_DEFAULT = 200
"""As many as a test run has time for; `make simulation` tries 10,000."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--simulation-seed",
        type=int,
        default=None,
        help="run this seed alone, and show its trace",
    )


@pytest.fixture
def seeds(request: pytest.FixtureRequest) -> range:
    """Give the seeds to try."""
    return seeds_of(request, variable=SEEDS_VARIABLE, default=SEEDS_DEFAULT)
