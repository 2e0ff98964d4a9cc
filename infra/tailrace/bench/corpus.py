"""The logs that are measured with: the same bytes for the same seed, everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from tailrace.bench.access_lines import AccessLines
from tailrace.bench.service_lines import ServiceLines
from tailrace.bench.syslog_lines import SyslogLines

BLOCK_LINES = 10_000


class Kind(StrEnum):
    """Whose lines they are."""

    ACCESS = "access"
    JSON = "json"
    SYSLOG = "syslog"


DATASETS = {Kind.ACCESS: "nginx.access", Kind.JSON: "json", Kind.SYSLOG: "syslog"}
"""What a source of such lines names as its dataset."""


class Lines(Protocol):
    """Makes lines of one kind, one block behind the other."""

    def block(self, count: int, *, first: int, start_ms: int) -> bytes:
        """Return `count` lines, of which the first is the log's line `first`."""
        ...


_MAKERS: dict[Kind, type[AccessLines | ServiceLines | SyslogLines]] = {
    Kind.ACCESS: AccessLines,
    Kind.JSON: ServiceLines,
    Kind.SYSLOG: SyslogLines,
}


@dataclass(frozen=True, slots=True)
class Corpus:
    """A log of `lines` lines, made from `seed`, that begins at `start_ms`."""

    lines: int
    seed: int
    start_ms: int
    kind: Kind = Kind.ACCESS

    def blocks(self) -> Iterator[bytes]:
        """Yield the log in blocks of at most `BLOCK_LINES` lines, each of whole lines."""
        maker: Lines = _MAKERS[self.kind](self.seed)
        for first in range(0, self.lines, BLOCK_LINES):
            count = min(BLOCK_LINES, self.lines - first)
            yield maker.block(count, first=first, start_ms=self.start_ms)
