"""What every test may ask for: the shared servers, and a name of its own on them."""

from __future__ import annotations

import secrets
from collections.abc import Generator

import pytest
from hypothesis import settings

from tailrace_embedded.stack import Endpoints
from tests.support.stack import shared_servers

# How long one example takes says what else the machine does, and nothing of the code.
settings.register_profile("tailrace", deadline=None)
settings.load_profile("tailrace")


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
