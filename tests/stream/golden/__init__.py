"""Golden samples: lines as servers write them, and the documents that are made of them.

`python -m tests.stream.golden` writes the documents anew, to be read before they are kept.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any, Literal

import msgspec
from crc32c import crc32c

from tailrace.detect import CSV, detect, parser_for
from tailrace.framing import MappedEvent, encode_mapped
from tailrace.multiline.joining import joiner_of
from tailrace.wire import MultilineRule, Placement, Table
from tailrace_stream.chunk import process_chunk
from tailrace_stream.times import anchor_of_past
from tests.stream.builders import NAMESPACE, SEEN_AT_MS, origin, stored

FOLDER = Path(__file__).parent
COMMON = frozenset(
    {
        "event.created", "host.name", "agent.id", "log.file.path", "ecs.version",
        "tailrace.generation", "event.dataset", "log.offset", "event.sequence",
        "tailrace.template.id",
    }
)  # fmt: skip


class Sample(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Some lines of one server, and where they come from."""

    dataset: str
    name: str
    path: str
    source: str
    time_zone: str = "UTC"
    multiline: str = ""
    """The rule by which its lines are joined; empty where each is an event."""

    @property
    def label(self) -> str:
        """Return what a test calls it."""
        return f"{self.dataset}-{self.name}"

    @property
    def content(self) -> bytes:
        """Return the lines as they are in their file."""
        return (FOLDER / self.dataset / f"{self.name}.log").read_bytes()

    @property
    def expected_path(self) -> Path:
        """Return where its documents are kept."""
        return FOLDER / self.dataset / f"{self.name}.ndjson"

    @property
    def placement(self) -> Placement:
        """Return how the agent would place it, with bounds that believe any time."""
        table = detect(self.content, path=self.path).table
        placed = placement_of(self.dataset, time_zone=self.time_zone, table=table)
        return msgspec.structs.replace(placed, multiline=rule_of(self.multiline))

    @property
    def events(self) -> list[bytes]:
        """Return its events: its lines, or what the rule makes of them."""
        return split(self.content, multiline=self.multiline)

    def documents(self) -> list[dict[str, Any]]:
        """Return what is made of it."""
        return documents_of(
            self.content, placed=self.placement, multiline=self.multiline
        )


TABLE = Table(columns=("time", "level", "took_ms"), separator=",")


def rule_of(name: str) -> MultilineRule | None:
    return MultilineRule(rule=name, max_lines=500, max_bytes=1 << 18) if name else None


def split(content: bytes, *, multiline: str) -> list[bytes]:
    rule = rule_of(multiline)
    if rule is None:
        return content.removesuffix(b"\n").split(b"\n")
    found: list[bytes] = []
    at = 0
    grouped = joiner_of(rule).group(content, len(content), seen_bytes=len(content))
    for joined in grouped.joined:
        found += content[at : joined.start].splitlines()
        found.append(content[joined.start : joined.end])
        at = joined.end + 1
    return found + content[at:].splitlines()


def placement_of(
    dataset: str, *, time_zone: str = "UTC", table: Table | None = None
) -> Placement:
    return Placement(
        dataset=dataset,
        parser=parser_for(dataset),
        time_rule="event",
        time_zone=time_zone,
        anchor_ms=anchor_of_past(SEEN_AT_MS, time_zone=time_zone),
        earliest_ms=0,
        latest_ms=2**60,
        table=table or (TABLE if dataset == CSV else None),
    )


def samples() -> list[Sample]:
    table = tomllib.loads((FOLDER / "sources.toml").read_text("utf-8"))
    return msgspec.convert(table["sample"], list[Sample])


def documents_of(
    value: bytes, *, placed: Placement, first_offset: int = 0, multiline: str = ""
) -> list[dict[str, Any]]:
    framing: Literal["newline", "mapped"] = "newline"
    if multiline:
        rows: list[MappedEvent] = []
        at = first_offset
        for event in split(value, multiline=multiline):
            rows.append(MappedEvent(at, len(event), crc32c(event), event))
            at += len(event) + 1
        value, framing = encode_mapped(rows), "mapped"
    made = origin(value, placed=placed, first_offset=first_offset, framing=framing)
    processed = process_chunk(value, origin=made, namespace=NAMESPACE)
    assert not processed.dead
    return [one.document for one in stored(processed)]


def own(document: dict[str, Any]) -> dict[str, Any]:
    """Return what the line gave: all but what every document has."""
    return {key: value for key, value in document.items() if key not in COMMON}


def expected(sample: Sample) -> list[dict[str, Any]]:
    lines = sample.expected_path.read_text("utf-8").splitlines()
    return [json.loads(line) for line in lines]


def write_expected() -> None:
    for sample in samples():
        made = sample.documents()
        lines = [json.dumps(own(one), ensure_ascii=False) for one in made]
        sample.expected_path.write_text("\n".join(lines) + "\n", "utf-8")
