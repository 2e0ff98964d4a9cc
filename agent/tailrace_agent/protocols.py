"""What the delivery needs of the world: a sink and a store, real or simulated."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from tailrace.errors import TailraceError
from tailrace.kafka_producer import SendFailure
from tailrace.wire import AgentLedger
from tailrace_agent.records import Outgoing


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one record: acknowledged, unless there is a failure."""

    ticket: int
    failure: SendFailure | None


class Sink(Protocol):
    """Where records go, in order within a partition. Nothing in it blocks for long."""

    def send(self, record: Outgoing, *, ticket: int) -> None:
        """Hand a record over; its outcome comes later, under its ticket.

        Raises:
            ServiceUnavailable: it was not taken.
        """
        ...

    def outcomes(self) -> Sequence[Outcome]:
        """Return what became of records since the last call."""
        ...

    def renew(self) -> None:
        """Start anew: what has no outcome yet will never have one.

        Raises:
            ServiceUnavailable: not now.
        """
        ...


class CheckpointUnwritable(TailraceError):
    """The checkpoint cannot be written; the last one that was is intact."""


class CheckpointStore(Protocol):
    """Where positions survive this process and this machine's power."""

    def save(self, records: Sequence[AgentLedger]) -> None:
        """Replace the records of these generations, all or none; durable on return.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        ...

    def remove(self, generations: Sequence[str]) -> None:
        """Forget generations that can never be met again.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        ...

    def admit_gap(self) -> None:
        """Take back the word that the store holds all that was begun; durable on return.

        Needs no room: the next life asks the ledger for what is not here.

        Raises:
            CheckpointUnwritable: the disk does not take even that.
        """
        ...

    def close_gap(self) -> None:
        """Give the word again, once all is saved; without a gap nothing is done.

        Raises:
            CheckpointUnwritable: the disk does not take it.
        """
        ...
