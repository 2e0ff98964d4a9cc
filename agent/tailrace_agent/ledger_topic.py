"""The checkpoint's second home: what Kafka holds of this host's generations."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

from tailrace.errors import WireError
from tailrace.ledger_topic import read_ledger_topic
from tailrace.settings import Connections
from tailrace.wire import AgentLedger, decode

KEY_PREFIX = b"agent|"


def newest_of_host(
    records: Iterable[tuple[bytes | None, bytes | None]], *, host_id: str
) -> dict[str, AgentLedger]:
    """Return the newest record of each of the host's generations, by generation.

    A key without a value is a tombstone: its generation has expired. A record that
    cannot be read is passed over: the others still help.
    """
    newest: dict[str, AgentLedger] = {}
    for key, value in records:
        if key is None or not key.startswith(KEY_PREFIX):
            continue
        generation = key.removeprefix(KEY_PREFIX).decode("ascii", "replace")
        if value is None:
            newest.pop(generation, None)
            continue
        with contextlib.suppress(WireError):
            record = decode(value, as_type=AgentLedger)
            known = newest.get(generation)
            is_newer = known is None or record.revision >= known.revision
            if record.host_id == host_id and is_newer:
                newest[generation] = record
    return newest


def read_ledger(
    connections: Connections,
    *,
    host_id: str,
    is_stopping: Callable[[], bool],
    since_ms: int | None = None,
) -> dict[str, AgentLedger]:
    """Read the ledger to the end that it has now, or only what came since a moment.

    Raises:
        ServiceUnavailable: Kafka does not answer, or stopped answering.
        TopicMissing: there is no ledger, so `tailrace provision` has not run.
    """
    records = read_ledger_topic(
        connections,
        client_id="tailrace-agent-restore",
        is_stopping=is_stopping,
        since_ms=since_ms,
    )
    pairs = ((record.key, record.value) for record in records)
    return newest_of_host(pairs, host_id=host_id)
