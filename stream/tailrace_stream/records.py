"""What comes in and what goes out, as values that know nothing of a Kafka client."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.wire import ORIGIN_HEADER

Headers = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RawRecord:
    """One record of `tailrace.raw`."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    appended_at_ms: int
    """The broker's time, so it is the same however often the record is read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One record to be sent, to a partition that is decided."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    header: bytes = b""

    @property
    def headers(self) -> Headers:
        """Return the header that tells where the value comes from, if it has one."""
        return ((ORIGIN_HEADER, self.header),) if self.header else ()

    @property
    def size_bytes(self) -> int:
        """Return what it takes of a bound on memory."""
        return len(self.value) + len(self.header) + len(self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """All that follows from one raw record: what is sent, and what is remembered."""

    partition: int
    offset: int
    outputs: tuple[Outgoing, ...]
    state: Outgoing | None
    """None where nothing changed, or nobody knows whose record it is."""
    is_state_first: bool = False
    """No state of its generation can be read back yet: the word waits for this one."""
    ledger: Outgoing | None
    """What the ledger says once all outputs are durable, also where nothing changed."""
    counts: dict[str, int]
    """For the status: chunks, events, documents, dead letters by reason."""

    @property
    def size_bytes(self) -> int:
        """Return what all its records take together."""
        return sum(output.size_bytes for output in self.outputs)
