"""What every test may ask for: the shared servers, and a name of its own on them."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Generator
from typing import cast

import pytest
import structlog
from hypothesis import settings

from tailrace_embedded.config import JAVA_FLAGS_VARIABLE
from tailrace_embedded.stack import Endpoints
from tests.support.stack import shared_servers

OWN_SERVERS = frozenset({"end_to_end", "embedded"})
"""Folders of tests that start servers for themselves, unless they ask for the shared."""

# How long one example takes says what else the machine does, and nothing of the code.
settings.register_profile("tailrace", deadline=None)
settings.load_profile("tailrace")

# The tests' servers live for minutes: to compile their code as well as for months costs two
# fifths of the processor that a start takes, and is never paid back.
os.environ.setdefault(JAVA_FLAGS_VARIABLE, "-XX:TieredStopAtLevel=1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let one process have all tests of the shared servers, so that they start once.

    Those that start servers of their own are together as well, so that the machine has
    no more than two stacks at a time. Where tests are not spread over processes the
    marks mean nothing.
    """
    for item in items:
        fixtures = cast("pytest.Function", item).fixturenames
        is_apart = OWN_SERVERS.intersection(item.path.parts) and "stack" not in fixtures
        if is_apart:
            item.add_marker(pytest.mark.xdist_group("own servers"))
        elif "stack" in fixtures or any(
            map(item.get_closest_marker, ("stack", "browser"))
        ):
            item.add_marker(pytest.mark.xdist_group("shared servers"))


@pytest.fixture(autouse=True)
def former_logging() -> Generator[None, None, None]:
    """Let no test's log go on to the next: a command's runner closes its stream behind it."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    if structlog.is_configured():
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.captureWarnings(False)
        structlog.reset_defaults()


@pytest.fixture(scope="session")
def stack() -> Generator[Endpoints, None, None]:
    """Give real servers, started when first asked for and stopped at the end."""
    with shared_servers() as endpoints:
        yield endpoints


@pytest.fixture
def namespace() -> str:
    """Give a name that no other test has, of this run or an earlier one.

    It begins topics, indices, groups and ZooKeeper paths. Not from `random`, which is
    seeded anew for each test.
    """
    return f"t{secrets.token_hex(3)}"
