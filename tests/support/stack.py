"""The servers that tests share: started once a run, or named by the environment."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.stack import Endpoints, Stack

SERVERS_VARIABLE = "TAILRACE_TEST_SERVERS"


@contextmanager
def shared_servers(
    environ: Mapping[str, str] = os.environ,
) -> Generator[Endpoints, None, None]:
    """Yield servers: our own in a temporary folder, or those that are named.

    With `TAILRACE_TEST_SERVERS=external` the three addresses in the environment are
    used and left as they are, which saves the start while one test is being written.
    """
    if environ.get(SERVERS_VARIABLE) == "external":
        yield Endpoints(
            kafka_bootstrap=environ["TAILRACE_KAFKA_BOOTSTRAP"],
            zookeeper_hosts=environ["TAILRACE_ZOOKEEPER_HOSTS"],
            elasticsearch_url=environ["TAILRACE_ELASTICSEARCH_URL"],
        )
        return
    with (
        temporary_data_dir() as data_dir,
        Stack.start(data_dir, progress=SilentProgress()) as stack,
    ):
        yield stack.endpoints


@contextmanager
def temporary_data_dir() -> Generator[Path, None, None]:
    """Yield a new data folder, and remove it with everything the servers wrote.

    Not pytest's own, which started as root is closed to the servers' user.
    """
    folder = Path(tempfile.mkdtemp(prefix="tailrace-test-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
