"""How counts travel: ready bulk lines for the index of rates, newest revision wins."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

import msgspec

from tailrace.wire import Origin
from tailrace_stream.windows import WINDOW_MS, Window, window_id

_encode = msgspec.json.Encoder().encode


def rates_body(
    windows: Sequence[Window], *, revision: int, origin: Origin, namespace: str
) -> bytes:
    """Return two bulk lines for each window: how to store it, and its document.

    The version is the state's revision, so of two values of one part the later stays,
    in whichever order they arrive.
    """
    lines: list[bytes] = []
    for window in windows:
        action = {
            "index": {
                "_index": f"{namespace}-rates",
                "_id": window_id(origin.generation, window),
                "version": revision,
                "version_type": "external_gte",
            }
        }
        start = datetime.fromtimestamp(window.start_ms / 1_000, tz=UTC)
        document: dict[str, object] = {
            "@timestamp": start.strftime("%Y-%m-%dT%H:%M:%S.000Z"),
            "event.dataset": origin.placement.dataset,
            "host.name": origin.host_name,
            "agent.id": origin.agent_id,
            "tailrace.generation": origin.generation,
            "tailrace.rate.count": window.count,
            "tailrace.rate.window_ms": WINDOW_MS,
            "tailrace.rate.part": window.part,
        }
        if window.level:
            document["log.level"] = window.level
        lines += (_encode(action), _encode(document))
    return b"\n".join(lines) + b"\n" if lines else b""
