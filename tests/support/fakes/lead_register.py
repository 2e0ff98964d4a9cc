"""The register of the leader's epoch in memory, with the indices that it guards."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from tailrace.elasticsearch import Elastic
from tailrace_indexer.alias_register import AliasRegister
from tailrace_indexer.fence import Epoch, Fence


@dataclass(slots=True)
class MemoryRegister:
    """What `tailrace_indexer.fence` asks of a register."""

    held: Epoch | None = None
    delete: Callable[[str], None] = lambda _index: None
    """What deletes an index of whoever holds the register."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def read(self) -> Epoch | None:
        """Return what stands there."""
        return self.held

    def replace(self, known: Epoch | None, *, by: Epoch) -> bool:
        """Write an epoch if `known` still stands there."""
        with self._lock:
            if self.held != known:
                return False
            self.held = by
            return True

    def delete_index(self, index: str, *, holder: Epoch) -> bool:
        """Delete an index if `holder` still stands there."""
        if self.held != holder:
            return False
        self.delete(index)
        return True


@dataclass(slots=True)
class SteadyEras:
    """A ZooKeeper that never began anew."""

    era: int = 1

    def present(self, known: Epoch | None) -> int:
        """Return the one era."""
        del known
        return self.era


def claimed_fence(elastic: Elastic, *, namespace: str) -> Fence:
    """Return the right to act of a leader that has no rival, on a real Elasticsearch."""
    register = AliasRegister(elastic, namespace=namespace)
    fence = Fence(register, eras=SteadyEras(), transaction=1)
    fence.claim()
    return fence


@dataclass(slots=True)
class FreezingRegister:
    """A register whose asker is frozen at one of its questions, while others go on."""

    register: MemoryRegister
    meanwhile: Callable[[], None]
    """What the others do."""
    freezes_at: int
    """Which question it is, from 0."""
    is_answered: bool
    """Whether the answer was there before it was frozen, and is all it knows."""
    questions: int = field(default=0)

    def read(self) -> Epoch | None:
        """Return what stands there, or stood."""
        if self._is_frozen_now():
            before = self.register.read()
            self.meanwhile()
            return before if self.is_answered else self.register.read()
        return self.register.read()

    def replace(self, known: Epoch | None, *, by: Epoch) -> bool:
        """Write an epoch if `known` still stands there."""
        return self.register.replace(known, by=by)

    def delete_index(self, index: str, *, holder: Epoch) -> bool:
        """Delete an index: question and act are one, so it is frozen before both."""
        if self._is_frozen_now():
            self.meanwhile()
        return self.register.delete_index(index, holder=holder)

    def _is_frozen_now(self) -> bool:
        self.questions += 1
        return self.questions - 1 == self.freezes_at
