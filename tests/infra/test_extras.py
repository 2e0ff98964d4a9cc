"""With only the base package, each command names an extra that brings what it needs."""

from __future__ import annotations

import os
import re
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import psutil
import pytest

from tailrace.extras import MODULES
from tailrace.up_record import Phase, UpRecord, write_record
from tests.support.extras import distributions_of, run_with_only

ASKING = [
    ["search", "x"],
    ["provision"],
    ["audit"],
    ["why", "x"],
    ["status"],
    ["parse", "-"],
    ["agent", "--fsck"],
]


def environment(folder: Path) -> dict[str, str]:
    """Servers that are nowhere, and a supervisor that lives: `status` then asks them."""
    me = psutil.Process(os.getpid())
    record = UpRecord(
        pid=me.pid,
        created_at_s=me.create_time(),
        started_at_ms=0,
        phase=Phase.RUNNING,
        namespace="tailrace",
        has_roles=True,
        dashboard_url="",
        dashboard_port=0,
        searchable_after_ms=None,
        watched=[],
        members=[],
    )
    write_record(folder, record)
    return {
        "TAILRACE_DATA_DIR": str(folder),
        "TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "TAILRACE_ZOOKEEPER_HOSTS": "127.0.0.1:1",
        "TAILRACE_ELASTICSEARCH_URL": "http://127.0.0.1:1",
        "HOME": str(folder),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }


@pytest.mark.timeout(60)
@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_the_extra_that_is_named_brings_all_that_the_command_needs(
    arguments: list[str], tmp_path: Path
) -> None:
    around = environment(tmp_path)

    bare = run_with_only(arguments=arguments, environment=around)

    named = re.search(r"pip install 'tailrace\[([a-z,]+)\]'", bare.stderr)
    assert bare.returncode == 2, bare.stderr
    assert named
    with_it = run_with_only(
        *named[1].split(","), arguments=arguments, environment=around
    )
    assert "not installed" not in with_it.stderr
    assert "Traceback" not in with_it.stderr


@pytest.mark.parametrize("extra", MODULES)
def test_all_modules_of_an_extra_are_looked_for(extra: str) -> None:
    """Whatever `pip` is told to bring, and not what that stands on."""
    direct = distributions_of(extra, is_deep=False) - distributions_of()
    looked_for = {
        distribution.lower().replace("_", "-")
        for module in MODULES[extra]
        for distribution in packages_distributions()[module]
    }

    assert looked_for == direct - {"tzdata"}
