"""Windows as the index holds them: raw records worked in order, through crashes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from hypothesis import strategies as st

from tailrace.topics import RATES
from tailrace_stream.records import Outgoing, RawRecord, Work
from tests.stream.builders import NAMESPACE, chunk_record, origin, placement

Document = dict[str, Any]
Cuts = list[tuple[int, int]]

CUTS: st.SearchStrategy[Cuts] = st.lists(
    st.tuples(st.integers(0, 9), st.integers(1, 20)), max_size=12
)
"""Of each chunk: how many lines before what was sent it begins, and how many it adds."""
CRASHES = st.lists(
    st.sampled_from(["", "", "before state", "before ack", "commit"]), max_size=20
)


def cut(
    lines: list[bytes], cuts: Cuts, *, parser: str, dataset: str
) -> list[RawRecord]:
    """Ship a file as an agent does that goes back and cuts otherwise; all of it comes."""
    records: list[RawRecord] = []
    position = 0
    for back, count in [*cuts, (0, len(lines))]:
        if position == len(lines):
            break
        first = max(0, position - back)
        position = min(position + count, len(lines))
        value = b"".join(lines[first:position])
        made = origin(
            value,
            first_offset=sum(map(len, lines[:first])),
            placed=placement(parser, dataset=dataset),
            first_event_number=first,
        )
        records.append(chunk_record(value, made=made, offset=len(records)))
    return records


def worked(
    records: list[RawRecord],
    crashes: list[str],
    work_on: Callable[[RawRecord, bytes | None], Work],
) -> dict[str, Document]:
    """Return the windows in the index after all records were worked in their order.

    A crash before a state was written leaves what was sent; one before the record was
    acknowledged makes all records since the last commit come again.
    """
    index: dict[str, tuple[int, Document]] = {}
    state: bytes | None = None
    at = committed = 0
    luck = iter(crashes)
    while at < len(records):
        work = work_on(records[at], state)
        store(index, work.outputs)
        crash = next(luck, "")
        if crash == "before state":
            at = committed
            continue
        state = state if work.state is None else work.state.value
        at = committed if crash == "before ack" else at + 1
        committed = at if crash == "commit" else committed
    return {name: document for name, (_, document) in index.items()}


def store(index: dict[str, tuple[int, Document]], sent: Iterable[Outgoing]) -> None:
    """Store windows as Elasticsearch does: of one id, the greater version stays."""
    for record in sent:
        if record.topic != RATES.name(NAMESPACE):
            continue
        lines = record.value.split(b"\n")[:-1]
        for action, source in zip(lines[::2], lines[1::2], strict=True):
            said = json.loads(action)["index"]
            name, version = said["_id"], said["version"]
            if name not in index or index[name][0] <= version:
                index[name] = (version, json.loads(source))


def counted_by(documents: Iterable[Document], *names: str) -> Counter[tuple[Any, ...]]:
    """Add the counts up over all but the fields that are named."""
    found: Counter[tuple[Any, ...]] = Counter()
    for document in documents:
        if "tailrace.rate.count" in document:
            key = tuple(document.get(name, "") for name in names)
            found[key] += document["tailrace.rate.count"]
    return found
