"""In which order dead letters are sent again, so that none is lost and none comes twice.

1. What is stored already, by a retry that was killed or by a re-read, is not sent.
2. The documents are sent to `tailrace.docs`, and each is acknowledged. They bear their old
   index and `_id`, and are created: one that is there already stays as it is.
3. The indexers are waited for until they have committed past them: each is stored by then,
   or dead once more, in which case Kafka has its letter.
4. Those that a search finds are stored; what the letters since then name was refused.
5. The letters of what is stored are marked as delivered. From then on no audit counts them
   as dead: the events are among those stored.

Killed anywhere, it is simply run again. Between 4 and 5 an event is both stored and dead,
and whoever counts takes it for stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from tailrace.clock import Clock
from tailrace.dead.letters import Letter
from tailrace.dead.plan import FixOf, Plan, Resend, Unfit, plan
from tailrace.kill_points import reach

BATCH_LETTERS_MAX: Final = 2_000
BATCH_BYTES_MAX: Final = 64 * 1_024 * 1_024
"""Letters that are in memory and on their way at once."""
LOOKS_MAX: Final = 5
LOOK_AGAIN_MS: Final = 1_000
"""How often, and after what time, the index is looked at for what the indexers have done."""

Name = tuple[str, str]
"""Index and `_id` of a document."""


class Stored(Protocol):
    """The indices of events and dead letters."""

    def prepare(self) -> None:
        """Make sure that letters can be marked, before anything is sent."""
        ...

    def stored(self, names: Collection[Name]) -> set[Name]:
        """Return those of the documents that a search finds from now on."""
        ...

    def mark(self, dead_ids: Collection[str], *, fix: str, at_ms: int) -> None:
        """Mark the letters of these ids as delivered, wherever they stand."""
        ...


class Documents(Protocol):
    """The topic of documents, and what becomes of them."""

    def send(self, resends: Sequence[Resend]) -> Mapping[str, str]:
        """Send records; return by dead id why one is too large. The rest is acknowledged."""
        ...

    def passed(self, *, wait_ms_max: int) -> frozenset[int]:
        """Return the partitions that the indexers have committed past all that was sent."""
        ...

    def refused(self) -> Mapping[str, str]:
        """Return by dead id what letters that came since the sending say."""
        ...


@dataclass(slots=True)
class Retried:
    """What became of the letters that were retried."""

    stored: list[str] = field(default_factory=list[str])
    """Dead ids of those that are stored now, and marked."""
    sent_count: int = 0
    """How many were sent; the other stored ones were there already."""
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """Those that are dead once more, and what Elasticsearch says."""
    waiting: list[str] = field(default_factory=list[str])
    """Those that are in Kafka, and neither stored nor refused yet."""
    unfit: list[Unfit] = field(default_factory=list[Unfit])

    @property
    def is_empty(self) -> bool:
        """Whether there was no letter at all."""
        return self.is_whole and not self.stored

    @property
    def is_whole(self) -> bool:
        """Whether every letter is delivered."""
        return not (self.refused or self.waiting or self.unfit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrying:
    """Where letters are retried, and for how long their documents are waited for."""

    stored: Stored
    documents: Documents
    clock: Clock
    namespace: str
    wait_ms_max: int
    tell: Callable[[str], None]

    def retry(self, letters: Iterable[Letter], *, fix_of: FixOf) -> Retried:
        """Send the documents of letters again, and mark what is stored.

        Raises:
            ServiceUnavailable: a server does not answer, or refuses; to run it again is safe.
        """
        self.stored.prepare()
        done = Retried()
        met: set[str] = set()
        for some in _batches(letters):
            # One that died on two days stands in two indices; the older one holds what
            # was written, and the other perhaps what an earlier fix made of it.
            fresh: dict[str, Letter] = {}
            for letter in some:
                if letter.dead_id not in met:
                    fresh.setdefault(letter.dead_id, letter)
            met |= fresh.keys()
            planned = plan(fresh.values(), fix_of=fix_of, namespace=self.namespace)
            done.unfit += planned.unfit
            self._retry(planned, done=done)
            self.tell(
                f"{len(done.stored)} stored, {len(done.refused)} refused,"
                f" {len(done.waiting)} on their way"
            )
        return done

    def send(self, planned: Plan) -> Retried:
        """Send what is planned of letters, and mark those of what is stored.

        Raises:
            ServiceUnavailable: a server does not answer, or refuses; to run it again is safe.
        """
        self.stored.prepare()
        done = Retried(unfit=list(planned.unfit))
        self._retry(planned, done=done)
        return done

    def _retry(self, planned: Plan, *, done: Retried) -> None:
        left: dict[Name, Resend] = {}
        twins: dict[Name, list[str]] = {}
        for each in planned.resends:
            name = (each.index, each.document_id)
            left.setdefault(name, each)
            # One that its topic refused once, and the index later, has two letters.
            twins.setdefault(name, []).append(each.dead_id)
        if not left:
            return
        # 1. What an earlier run stored, it may not have marked.
        there = dict.fromkeys(self.stored.stored(left.keys()), "")
        self._mark(there, twins=twins, done=done)
        left = {name: each for name, each in left.items() if name not in there}
        if not left:
            return
        # 2. Every document is acknowledged by Kafka.
        too_large = self.documents.send(list(left.values()))
        done.sent_count += len(left) - len(too_large)
        done.refused |= too_large
        left = {n: each for n, each in left.items() if each.dead_id not in too_large}
        reach("D2")
        # 3. Stored, or dead again: the indexers commit nothing before.
        passed = self.documents.passed(wait_ms_max=self.wait_ms_max)
        for look in range(LOOKS_MAX):
            # 4. What a search finds is there for every later audit, too.
            there = {name: left[name].fix for name in self.stored.stored(left.keys())}
            self._mark(there, twins=twins, done=done)
            left = {name: each for name, each in left.items() if name not in there}
            if left:
                left = _without_refused(left, self.documents.refused(), done=done)
            if not any(each.partition in passed for each in left.values()):
                break
            if look < LOOKS_MAX - 1:
                self.clock.sleep_ms(LOOK_AGAIN_MS)
        done.waiting += [each.dead_id for each in left.values()]

    def _mark(
        self,
        fixes: Mapping[Name, str],
        *,
        twins: Mapping[Name, Sequence[str]],
        done: Retried,
    ) -> None:
        """Mark the letters of stored documents, each with the fix that it was sent with."""
        if not fixes:
            return
        reach("D4")
        # 5. From now on they are not dead.
        at_ms = self.clock.now_ms()
        for fix in sorted(set(fixes.values())):
            dead_ids = [
                dead_id
                for name, one in fixes.items()
                if one == fix
                for dead_id in twins[name]
            ]
            self.stored.mark(dead_ids, fix=fix, at_ms=at_ms)
            done.stored += dead_ids


def _without_refused(
    left: Mapping[Name, Resend], refused: Mapping[str, str], *, done: Retried
) -> dict[Name, Resend]:
    """Note what is dead once more, and return the rest."""
    for each in left.values():
        if each.dead_id in refused:
            done.refused[each.dead_id] = refused[each.dead_id]
    return {name: each for name, each in left.items() if each.dead_id not in refused}


def _batches(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    some: list[Letter] = []
    size_bytes = 0
    for letter in letters:
        some.append(letter)
        size_bytes += len(letter.original_base64)
        if len(some) >= BATCH_LETTERS_MAX or size_bytes >= BATCH_BYTES_MAX:
            yield some
            some, size_bytes = [], 0
    if some:
        yield some
