"""An installation of one test's own, for those that need no other preparation."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from tailrace_embedded.stack import Endpoints
from tests.support.installation import Installation, installed


@pytest.fixture
def installation(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Installation]:
    """Give three roles that run, of a namespace of their own."""
    with installed(stack, tmp_path_factory.mktemp("installed")) as running:
        yield running
