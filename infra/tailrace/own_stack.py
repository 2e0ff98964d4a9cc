"""Whether the servers meant are those that `tailrace up` runs here, and what it told roles."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tailrace.errors import ServiceUnavailable
from tailrace.settings import (
    CONFIG_FILE,
    ENVIRONMENT_PREFIX,
    Connections,
    recorded_servers,
)

ADDRESSES = ("kafka_bootstrap", "zookeeper_hosts", "elasticsearch_url")


@contextmanager
def names_own_stack(connections: Connections) -> Generator[None]:
    """Let a server that is away be told with the data folder whose stack is down.

    Raises:
        ServiceUnavailable: as it came, with a remedy that can be followed.
    """
    try:
        yield
    except ServiceUnavailable as error:
        if is_stack_down(connections):
            error.remedy = (
                f"nothing runs on the data folder {connections.data_dir}:"
                " `tailrace up --detach` starts it, --data-dir names another"
            )
        raise


def own_config(connections: Connections) -> Path | None:
    """Return what `tailrace up` told the roles of the data folder, "tailrace.toml" in it.

    None where none can be read, or where other servers are meant than the folder's own.
    """
    folder = connections.data_dir
    recorded = recorded_servers(folder)
    is_own = recorded and all(
        getattr(connections, name)
        == recorded.get(f"{ENVIRONMENT_PREFIX}{name.upper()}")
        for name in ADDRESSES
    )
    path = folder / CONFIG_FILE
    return path if is_own and os.access(path, os.R_OK) else None


def is_stack_down(connections: Connections) -> bool:
    """Tell whether the servers meant are those of the data folder, and do not run.

    They are where it says so itself, or, as it forgets that with its stop, where servers
    ran on it once and nobody named others.
    """
    from tailrace.up_record import read_running
    from tailrace_embedded import record

    folder = connections.data_dir
    # Of another user's folder neither can be read, and nothing is to be said.
    if not record.read_ports(folder) or read_running(folder) is not None:
        return False
    left = record.read_servers(folder)
    recorded = left.environment if left is not None else {}
    fields = type(connections).model_fields
    return all(
        getattr(connections, name)
        in {fields[name].default, recorded.get(f"TAILRACE_{name.upper()}")}
        for name in ADDRESSES
    )
