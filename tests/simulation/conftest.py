"""How many seeds a test run tries, and how one of them is replayed."""

from __future__ import annotations

import os

import pytest

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
    seed: int | None = request.config.getoption("--simulation-seed")
    if seed is not None:
        return range(seed, seed + 1)
    return range(int(os.environ.get(SEEDS_VARIABLE, SEEDS_DEFAULT)))
