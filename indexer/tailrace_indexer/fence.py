"""Which leader may act: the youngest that has said so, by a number only the next one can pass.

ZooKeeper elects, and cannot stop one that was frozen past its session and goes on in the
middle of an act. So each leader, before its first act, writes its epoch where all of them
look, by compare and set; and each act asks whether it still stands there:

1. It reads the epoch that acted last. An older one, or none, it replaces by its own, if no
   other has done so meanwhile. A younger one it obeys: the lead is lost.
2. Before each act it reads the epoch again. Another than its own ends its lead. Where the
   server can do both in one, the act itself demands it (`Register.delete_index`).

An epoch is the number of the transaction by which ZooKeeper made the node that won the
election. Who is elected later has the greater one, as nodes win in the order in which they
were made. Where ZooKeeper lost its data, or was set back, its transactions count from
less again: that is seen, and begins a new era, which comes before the number.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from tailrace.errors import TailraceError


class Epoch(NamedTuple):
    """One leadership; a later one is greater."""

    era: int
    """Counts how often ZooKeeper began anew."""
    transaction: int


class LeadLost(TailraceError):
    """Another leads now: whoever hears this does nothing more as a leader."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The lead is lost: {reason}.",
            remedy="nothing: the indexer that leads goes on, and this one stands by",
        )


class Register(Protocol):
    """Where the epoch of the leader stands that may act; all leaders look at the same."""

    def read(self) -> Epoch | None:
        """Return what stands there, None where nothing does.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        ...

    def replace(self, known: Epoch | None, *, by: Epoch) -> bool:
        """Write an epoch if `known` still stands there; False where it does not.

        Raises:
            ServiceUnavailable: it does not answer; it may be written all the same.
        """
        ...

    def delete_index(self, index: str, *, holder: Epoch) -> bool:
        """Delete an index if `holder` still stands there, both at once; else False.

        One that is not there is fine.

        Raises:
            ServiceUnavailable: it does not answer, or refuses.
        """
        ...


class Eras(Protocol):
    """Where the era is kept: in ZooKeeper itself, so that it goes with its data."""

    def present(self, known: Epoch | None) -> int:
        """Return the era now, begun anew where ZooKeeper is not what gave `known`.

        Raises:
            ServiceUnavailable: no server answers.
        """
        ...


class Guard(Protocol):
    """What an act of a leader asks first."""

    def require(self) -> None:
        """Return if this leader may act.

        Raises:
            LeadLost: a younger one has acted.
            ServiceUnavailable: that cannot be told now; nothing may be done.
        """
        ...

    def delete_index(self, index: str) -> None:
        """Delete an index, in one with the question; one that is not there is fine.

        Raises:
            LeadLost: a younger one has acted.
            ServiceUnavailable: it cannot be done, or told, now.
        """
        ...


class Fence:
    """The right of one leadership to act; safe to share between threads."""

    def __init__(self, register: Register, *, eras: Eras, transaction: int) -> None:
        self._register = register
        self._eras = eras
        self._transaction = transaction
        self._epoch: Epoch | None = None

    @property
    def epoch(self) -> Epoch | None:
        """What was claimed; None before that."""
        return self._epoch

    def claim(self) -> None:
        """Keep all older leaders from acting; safe to repeat after any failure.

        Raises:
            LeadLost: a younger one has acted, or acts at this moment.
            ServiceUnavailable: register or ZooKeeper does not answer.
        """
        # 1. Ours may stand there already: an answer that did not come is no refusal.
        known = self._register.read()
        own = Epoch(self._eras.present(known), self._transaction)
        if known is not None and known > own:
            raise LeadLost(f"{_text(known)} has acted, and this is {_text(own)}")
        if known != own and not self._register.replace(known, by=own):
            raise LeadLost(f"another claimed it at the same time as {_text(own)}")
        self._epoch = own

    def require(self) -> None:
        """Return if this leader may act.

        Raises:
            LeadLost: a younger one has acted.
            ServiceUnavailable: that cannot be told now; nothing may be done.
        """
        # 2. Whatever else stands there: a younger one, or nothing that could hold it off.
        own = self._claimed()
        found = self._register.read()
        if found != own:
            raise LeadLost(f"{_text(found)} acts, and this is {_text(own)}")

    def delete_index(self, index: str) -> None:
        """Delete an index, in one with the question; one that is not there is fine.

        Raises:
            LeadLost: a younger one has acted.
            ServiceUnavailable: it cannot be done, or told, now.
        """
        own = self._claimed()
        if not self._register.delete_index(index, holder=own):
            raise LeadLost(f"another than {_text(own)} acts, and {index} is left to it")

    def _claimed(self) -> Epoch:
        if self._epoch is None:
            raise LeadLost("it was never claimed")
        return self._epoch


def _text(epoch: Epoch | None) -> str:
    if epoch is None:
        return "nobody"
    return f"epoch {epoch.era}-{epoch.transaction}"
