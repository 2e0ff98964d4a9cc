"""What is sent to Elasticsearch, and when: ready pieces, held indices, bulks on their way.

The pace says how much at once; an index that takes nothing is held and felt out alone, and
everything else goes on beside it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from tailrace.clock import Clock
from tailrace_indexer.alarms import Alarms
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.contracts import Sink
from tailrace_indexer.flow import Figures
from tailrace_indexer.hold_alarms import HoldAlarms
from tailrace_indexer.holds import Holds
from tailrace_indexer.outcomes import Outcome, Reason, Verdict
from tailrace_indexer.pace import Pace, PacePolicy
from tailrace_indexer.pieces import (
    Piece,
    count_documents,
    documents,
    index_of,
    is_of_one_index,
    mentions,
)
from tailrace_indexer.ready import Ready

ELASTICSEARCH = "Elasticsearch"
SEEN_MAX = 10_000
"""Names of indices that are remembered; with more, each is asked for once more."""
FIRST_SEEN = Verdict(Outcome.HOLD, Reason.MISSING_INDEX, "not known to be there yet")
"""Of an index that nothing went to yet: megabytes would only be refused without it."""


class Sending:
    """Decides what goes out next, and keeps what was not taken for another try."""

    def __init__(
        self,
        sink: Sink,
        *,
        clock: Clock,
        chance: random.Random,
        policy: PacePolicy,
        alarms: Alarms,
        is_current: Callable[[Piece], bool],
        figures: Figures,
        at_point: Callable[[str], None],
    ) -> None:
        self._sink = sink
        self._clock = clock
        self._alarms = alarms
        self._hold_alarms = HoldAlarms(alarms, clock=clock)
        self._is_current = is_current
        self._figures = figures
        self._reach = at_point
        self._in_flight: dict[int, str | None] = {}
        """Each bulk on its way by number; for a probe, the index that it feels out."""
        self._last_number = 0
        self._seen: set[str] = set()
        self._told_bytes = policy.bulk_bytes_max
        """What a bulk may have at most, as was said last."""
        self.pace = Pace(policy, chance=chance)
        self.ready = Ready()
        self.holds = Holds(chance=chance)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready and nothing on its way; held documents may be."""
        return not (self.ready or self._in_flight)

    @property
    def is_under_way(self) -> bool:
        """Whether an answer is to come."""
        return bool(self._in_flight)

    @property
    def is_full(self) -> bool:
        """Whether enough is ready for a whole bulk."""
        return self.ready.size_bytes >= self.pace.bulk_bytes

    def send(self) -> None:
        """Send what is due: probes and orders for indices first, then what is ready."""
        now_ms = self._clock.monotonic_ms()
        for hold in self.holds.due(now_ms=now_ms):
            hold.is_asked = True
            if hold.needs_index:
                self._sink.submit_index(hold.index)
            elif hold.pieces:
                probe = self.holds.take_probe(hold, bytes_max=self.pace.bulk_bytes)
                self._submit(probe, probed=hold.index)
            else:
                self.release(hold.index)
        while self.ready and self.pace.may_send(
            now_ms=now_ms, in_flight=len(self._in_flight)
        ):
            if self._in_flight and not self.is_full and not self.ready.has_apart:
                return  # More comes while that one is on its way.
            pieces = self.ready.take(
                bytes_max=self.pace.bulk_bytes, is_current=self._is_current
            )
            if pieces:
                self._submit(pieces, probed=None)

    def arrived(self, bulk: Bulk) -> str | None:
        """Note that a bulk is back; return the index that it was to feel out, if any."""
        return self._in_flight.pop(bulk.number)

    def begin(self, piece: Piece) -> None:
        """Let a piece be sent; what goes to a held index waits with it.

        The first of an index waits until it was ordered, which is quick where it is there.
        """
        self._see(index_of(piece))
        markers = self.holds.markers
        if not markers or not mentions(piece, markers=markers):
            self.ready.add(piece)
            return
        if is_of_one_index(piece):
            whole = [piece]
        elif count_documents(piece.body) != piece.document_count:
            # Its header counted wrong: the answer to its bulk tells, and it is recounted.
            self.ready.add(piece)
            return
        else:
            whole = documents(piece)
        for document in whole:
            index = index_of(document)
            if index in self.holds:
                self.holds.add(index, document)
            else:
                self.ready.add(document)

    def push_back(self, bulk: Bulk, verdict: Verdict, *, probed: str | None) -> None:
        """Keep a bulk that was not taken for another try, after a wait."""
        self.pace.refused(now_ms=self._clock.monotonic_ms())
        self._figures.retried += bulk.document_count
        self._alarms.sound(
            ELASTICSEARCH,
            reason=verdict.reason.value,
            detail=verdict.detail,
            now_ms=self._clock.now_ms(),
        )
        if probed is not None and probed in self.holds:
            for piece in bulk.pieces:
                self.holds.add(probed, piece)
            self.hold_longer(probed, verdict)
        else:
            self.ready.put_back(bulk.pieces)

    def learn_bound(self, bulk: Bulk, verdict: Verdict) -> None:
        """Send no bulk as large as this one, which was too large for one request.

        Said only where that is less than ever: later the pace asks again now and then.
        """
        self.pace.too_large(size_bytes=bulk.size_bytes)
        if self.pace.bulk_bytes >= self._told_bytes:
            return
        self._told_bytes = self.pace.bulk_bytes
        self._alarms.happened(
            ELASTICSEARCH,
            reason=verdict.reason.value,
            detail=(
                f"a request of {bulk.size_bytes} bytes was too large, so none has more"
                f" than {self._told_bytes} now; see http.max_content_length there, and"
                f" the limit of a proxy before it: {verdict.detail}"
            ),
        )

    def hold(self, piece: Piece, verdict: Verdict) -> None:
        """Let a piece wait until its index takes something again."""
        index = index_of(piece)
        self.holds.hold(index, verdict, now_ms=self._clock.monotonic_ms())
        self.holds.add(index, piece)
        self._sound_hold(index, verdict)

    def hold_longer(self, index: str, verdict: Verdict) -> None:
        """Note that a held index took nothing this time either."""
        self.holds.refused_again(index, verdict, now_ms=self._clock.monotonic_ms())
        self._sound_hold(index, verdict)

    def not_made(self, index: str, verdict: Verdict) -> None:
        """Note that an index was ordered and could not be made."""
        hold = self.holds.get(index)
        if hold is not None and hold.verdict is FIRST_SEEN:
            # It may be there, made by one who has the right to.
            self.release(index)
        else:
            self.hold_longer(index, verdict)

    def release(self, index: str) -> None:
        """End a hold: what waited is ready."""
        self.ready.put_back(self.give_up(index))

    def give_up(self, index: str) -> Sequence[Piece]:
        """End a hold; return what waited, which the caller must see to."""
        self._hold_alarms.clear(index)
        return self.holds.release(index)

    def _see(self, index: str) -> None:
        if not index or index in self._seen:
            return
        if len(self._seen) >= SEEN_MAX:
            self._seen.clear()
        self._seen.add(index)
        if index not in self.holds:
            self.holds.hold(index, FIRST_SEEN, now_ms=self._clock.monotonic_ms())

    def _sound_hold(self, index: str, verdict: Verdict) -> None:
        if index in self.holds:
            self._hold_alarms.sound(index, verdict)

    def _submit(self, pieces: Sequence[Piece], *, probed: str | None) -> None:
        self._last_number += 1
        self._in_flight[self._last_number] = probed
        self._reach("I1")
        self._sink.submit(Bulk(self._last_number, pieces))
