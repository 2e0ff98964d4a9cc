"""How counts travel: ready bulk lines for the index of rates, newest revision wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec

from tailrace.sketches import as_field, quantile
from tailrace.wire import Origin
from tailrace_stream.window_spreads import Spread
from tailrace_stream.window_tops import Top
from tailrace_stream.windows import (
    Changed,
    Window,
    spread_id,
    top_id,
    window_id,
)

QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))

_encode = msgspec.json.Encoder().encode


def rates_body(
    changed: Changed, *, revision: int, origin: Origin, namespace: str
) -> bytes:
    """Return two bulk lines for each change: how to store it, and its document.

    The version is the state's revision, so of two values of one part the later stays,
    in whichever order they arrive.
    """
    documents = [
        (window_id(origin.generation, window), _of_window(window))
        for window in changed.windows
    ]
    documents += [
        (spread_id(origin.generation, spread), _of_spread(spread))
        for spread in changed.spreads
    ]
    documents += [
        (top_id(origin.generation, top), _of_top(top)) for top in changed.tops
    ]
    return _body(
        documents,
        width_ms=changed.width_ms,
        revision=revision,
        origin=origin,
        namespace=namespace,
    )


def _of_window(window: Window) -> Mapping[str, object]:
    document: dict[str, object] = {
        "@timestamp": window.start_ms,
        "tailrace.rate.count": window.count,
        "tailrace.rate.part": window.part,
    }
    if window.late_count:
        document["tailrace.rate.late_count"] = window.late_count
    if window.level:
        document["log.level"] = window.level
    if window.status_class:
        document["tailrace.rate.status_class"] = window.status_class
    if window.template_id:
        document["tailrace.template.id"] = window.template_id
    return document


def _of_spread(spread: Spread) -> Mapping[str, object]:
    # No count of events: it would be added to those of the groups.
    sketch = spread.sketch
    return {
        "@timestamp": spread.start_ms,
        "tailrace.spread.field": spread.field,
        "tailrace.spread.count": sketch.count,
        "tailrace.spread.sum": spread.total,
        "tailrace.spread.min": spread.lowest,
        "tailrace.spread.max": spread.highest,
        **{
            f"tailrace.spread.{name}": _within(quantile(sketch, share), spread)
            for name, share in QUANTILES
        },
        "tailrace.spread.sketch": as_field(sketch),
        "tailrace.rate.part": spread.part,
    }


def _of_top(top: Top) -> Mapping[str, object]:
    return {
        "@timestamp": top.start_ms,
        "tailrace.top.field": top.field,
        "tailrace.top.total": top.total,
        "tailrace.top.error": top.error,
        "tailrace.top.values": top.values,
        "tailrace.top.counts": top.counts,
        "tailrace.rate.part": top.part,
    }


def _within(value: float | None, spread: Spread) -> float | None:
    """Return a quantile, which is none of the values, between the least and greatest."""
    if value is None:
        return None
    return min(max(value, spread.lowest), spread.highest)


def _body(
    documents: Iterable[tuple[str, Mapping[str, object]]],
    *,
    width_ms: int,
    revision: int,
    origin: Origin,
    namespace: str,
) -> bytes:
    """Return the bulk lines of documents by their ids; their times are milliseconds."""
    action = {
        "index": {
            "_index": f"{namespace}-rates",
            "version": revision,
            "version_type": "external_gte",
        }
    }
    # What all have in common is encoded once: a record changes dozens of groups.
    opening = _encode(action).removesuffix(b"}}") + b',"_id":"'
    common = {
        "event.dataset": origin.placement.dataset,
        "host.name": origin.host_name,
        "agent.id": origin.agent_id,
        "tailrace.generation": origin.generation,
        "tailrace.rate.window_ms": width_ms,
    }
    closing = b"," + _encode(common).removeprefix(b"{") + b"\n"
    texts: dict[object, str] = {}
    lines: list[bytes] = []
    for document_id, document in documents:
        at_ms = document["@timestamp"]
        if at_ms not in texts:
            assert isinstance(at_ms, int), "a window begins at a whole millisecond"
            texts[at_ms] = _time_text(at_ms)
        own = _encode({**document, "@timestamp": texts[at_ms]})
        lines += (
            opening,
            document_id.encode(),
            b'"}}\n',
            own.removesuffix(b"}"),
            closing,
        )
    return b"".join(lines)


def _time_text(at_ms: int) -> str:
    start = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    return start.strftime("%Y-%m-%dT%H:%M:%S.000Z")
