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
from tests.support.kafka_sockets import forgive_dropped_connections
from tests.support.stack import shared_servers

OWN_SERVERS = frozenset({"end_to_end", "embedded"})
"""Folders of tests that start servers for themselves, unless their file asks for the
shared."""
WHOLE_PIPELINES = frozenset({"end_to_end", "browser"})
"""Folders of tests that have shared servers apart from all others: they wait for long."""

# How long one example takes says what else the machine does, and nothing of the code.
settings.register_profile("tailrace", deadline=None)
settings.load_profile("tailrace")

# The tests' servers live for minutes: to compile their code as well as for months costs two
# fifths of the processor that a start takes.
os.environ.setdefault(JAVA_FLAGS_VARIABLE, "-XX:TieredStopAtLevel=1")
# As a stream worker has it. A pool costs a fifth more where chunks have few lines.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
forgive_dropped_connections()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep tests of the same servers in one process, so that these start once.

    Where tests are not spread over processes the marks mean nothing.
    """
    sharing = {item.path for item in items if "stack" in _fixtures_of(item)}
    for item in items:
        if group := _group_of(item, is_sharing=item.path in sharing):
            item.add_marker(pytest.mark.xdist_group(group))


def _fixtures_of(item: pytest.Item) -> list[str]:
    return cast("pytest.Function", item).fixturenames


def _group_of(item: pytest.Item, *, is_sharing: bool) -> str:
    """Return which tests a test stays with; empty where any process may run it.

    Few enough groups that the machine has no more than a stack or two for each process,
    and none so large that the others end long before it.
    """
    folders = set(item.path.parts)
    may_start_servers = bool(OWN_SERVERS & folders)
    if may_start_servers and not is_sharing:
        return "installations" if item.path.stem == "test_up" else "own servers"
    is_marked = any(map(item.get_closest_marker, ("stack", "browser")))
    if may_start_servers or is_marked or "stack" in _fixtures_of(item):
        return "whole pipelines" if WHOLE_PIPELINES & folders else "shared servers"
    return ""


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
