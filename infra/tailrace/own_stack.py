"""Whether a server that is away is one that `tailrace up` ran here, and starts again."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections

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
