"""A span read again, record by record: compared with what is stored, and published if asked.

What is in memory is bounded by one batch of documents, made and stored. It writes nothing
unless it has a `Publishing` or `Letters`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from tailrace.dead.letters import Letter, read_fields, text_of
from tailrace.dead.plan import Plan
from tailrace.dead.retry import Retried
from tailrace.number_sets import NO_NUMBERS, NumberSet
from tailrace.replay.compare import Fate, Version, fate_of, with_weight_of
from tailrace.replay.contracts import Letters, Revised, Stored
from tailrace.replay.made import MadeDead, MadeDocument, Remade
from tailrace.replay.publish import Publishing
from tailrace.replay.resend import resends_of
from tailrace.replay.tally import Sample, Tally

BATCH_DOCUMENTS_MAX: Final = 1_000
BATCH_BYTES_MAX: Final = 8 * 1_024 * 1_024
"""Documents that are compared at once, as many again as stored."""
LINE_CHARACTERS_MAX: Final = 2_000


@dataclass(slots=True)
class Done:
    """What a replay did beside comparing."""

    revision: int = 0
    """Its number, 0 where nothing was published."""
    published_count: int = 0
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """By `_id`, why a revised document is not stored; its former one stays."""
    delivered: Retried = field(default_factory=Retried)
    """What became of events that are no longer dead."""
    letters_of_many_count: int = 0
    """Events that stay dead because their letter speaks of others, too."""

    @property
    def is_whole(self) -> bool:
        """Whether all that was to be written is."""
        return self.delivered.is_whole and not self.refused


@dataclass(slots=True, kw_only=True)
class Replaying:
    """Where a span is compared, and where what it alters goes."""

    stored: Stored
    tally: Tally
    publishing: Publishing | None = None
    letters: Letters | None = None
    tell: Callable[[str], None] = lambda _text: None
    done: Done = field(default_factory=Done)
    _batch: list[tuple[Remade, MadeDocument]] = field(
        default_factory=list[tuple[Remade, MadeDocument]]
    )
    _batch_bytes: int = 0
    _met: dict[str, NumberSet] = field(default_factory=dict[str, NumberSet])
    """Of each generation the events that were read in this run."""

    def run(self, records: Iterable[Remade]) -> Done:
        """Compare all records; publish what changed at the end, and all at once.

        Raises:
            TailraceError: a server does not answer, or refuses; to run it again is safe.
        """
        self.stored.refresh()
        if self.publishing is not None:
            self.publishing.begin()
        for remade in records:
            self.tally.record_count += 1
            self._take(remade)
        self._settle()
        if self.publishing is not None:
            self.publishing.finish()
            self.done.refused = self.publishing.refused
            self.done.published_count = self.publishing.created_count
            if self.done.published_count:
                self.done.revision = self.publishing.revision
        return self.done

    def _take(self, remade: Remade) -> None:
        tally = self.tally
        if remade.is_unreadable:
            tally.unreadable_count += 1
            return
        met = self._met.get(remade.generation, NO_NUMBERS)
        fresh = [each for each in remade.documents if each.number not in met]
        tally.again_count += len(remade.documents) - len(fresh)
        tally.count(remade.dataset, Fate.EXPIRED, events=remade.expired_count)
        for each in remade.dropped:
            left = NumberSet.of([each]).without(met)
            tally.count(remade.dataset, Fate.DROPPED, events=left.count)
        for each in remade.dead:
            left = NumberSet.of([each.numbers]).without(met)
            tally.again_count += len(each.numbers) - left.count
            for span in left.spans:
                self._take_dead(remade, each, span)
        for each in fresh:
            self._batch.append((remade, each))
            self._batch_bytes += len(each.source)
            if (
                len(self._batch) >= BATCH_DOCUMENTS_MAX
                or self._batch_bytes >= BATCH_BYTES_MAX
            ):
                self._settle()
        if not remade.is_foreign:
            self._met[remade.generation] = NumberSet.of(
                [
                    *met.spans,
                    *(each.numbers for each in remade.dead),
                    *remade.dropped,
                    *((each.number, each.number + 1) for each in fresh),
                ]
            )

    def _take_dead(self, remade: Remade, dead: MadeDead, span: range) -> None:
        """Count events of which no document can be made, by whether one is stored."""
        tally = self.tally
        stored_count = min(self.stored.count(remade.generation, span), len(span))
        tally.count(remade.dataset, Fate.NEWLY_DEAD, events=stored_count)
        tally.count(remade.dataset, Fate.STILL_DEAD, events=len(span) - stored_count)
        if stored_count and tally.wants(remade.dataset, Fate.NEWLY_DEAD):
            tally.of(remade.dataset).samples.append(
                Sample(
                    fate=Fate.NEWLY_DEAD,
                    host_name=remade.host_name,
                    path=remade.path,
                    offset=-1,
                    number=span.start,
                    line="",
                    detail=f"{dead.reason}: {dead.detail}",
                )
            )

    def _settle(self) -> None:
        """Compare the batch with what is stored, and pass on what changes."""
        batch, self._batch, self._batch_bytes = self._batch, [], 0
        if not batch:
            return
        versions = self.stored.versions([made.document_id for _, made in batch])
        lacking = [
            (remade.generation, made.number)
            for remade, made in batch
            if not versions.get(made.document_id)
        ]
        letters = self.stored.letters(lacking)
        hidden = self.stored.hidden(
            [m.document_id for _, m in batch if not versions.get(m.document_id)]
        )
        revised: list[Revised] = []
        undead: list[tuple[Remade, MadeDocument, Sequence[Letter]]] = []
        for remade, plain in batch:
            formers = versions.get(plain.document_id, ())
            made = with_weight_of(plain, formers)
            names = letters.get((remade.generation, made.number), ())
            is_hidden = made.document_id in hidden
            fate = self._judge(
                remade, made, formers, letters=names, is_hidden=is_hidden
            )
            if fate in {Fate.CHANGED, Fate.LOST}:
                revised.append(Revised(made=made, formers=tuple(formers)))
            elif fate is Fate.NO_LONGER_DEAD:
                undead.append((remade, made, names))
        if self.publishing is not None and revised:
            self.publishing.publish(revised)
        if self.letters is not None and undead:
            self._deliver(undead, letters=self.letters)
        self.tell(
            f"{self.tally.record_count:,} records:"
            f" {self.tally.total(Fate.SAME):,} events the same,"
            f" {self.tally.total(Fate.CHANGED):,} changed"
        )

    def _judge(
        self,
        remade: Remade,
        made: MadeDocument,
        formers: Sequence[Version],
        *,
        letters: Sequence[Letter],
        is_hidden: bool,
    ) -> Fate:
        """Return an event's fate, having counted it."""
        tally, dataset = self.tally, remade.dataset
        fate, changes = fate_of(
            made.source, formers, letters=letters, is_hidden=is_hidden
        )
        if fate is Fate.NOT_STORED and made.left_out_by:
            fate = Fate.DROPPED
        tally.count(dataset, fate)
        tally.count_fields(dataset, changes)
        is_shown = fate in {Fate.CHANGED, Fate.NO_LONGER_DEAD, Fate.LOST}
        if is_shown and tally.wants(dataset, fate):
            fields = read_fields(made.source) or {}
            line = text_of(fields, "event.original") or text_of(fields, "message")
            former = formers[0] if formers else None
            tally.of(dataset).samples.append(
                Sample(
                    fate=fate,
                    host_name=remade.host_name,
                    path=remade.path,
                    offset=made.offset,
                    number=made.number,
                    line=line[:LINE_CHARACTERS_MAX],
                    former=f"{former.index}/{former.document_id}" if former else "",
                    changes=changes,
                )
            )
        return fate

    def _deliver(
        self,
        undead: Sequence[tuple[Remade, MadeDocument, Sequence[Letter]]],
        *,
        letters: Letters,
    ) -> None:
        """Send documents of dead letters, each letter's only one."""
        single: list[tuple[Remade, MadeDocument, Sequence[Letter]]] = []
        for remade, made, names in undead:
            if all(letter.event_count <= 1 for letter in names):
                single.append((remade, made, names))
            else:
                # Marked as delivered, it would count its other events as stored.
                self.done.letters_of_many_count += 1
        if single:
            sent = letters.send(Plan(resends=resends_of(single)))
            self.done.delivered = _both(self.done.delivered, sent)


def _both(first: Retried, second: Retried) -> Retried:
    return Retried(
        stored=[*first.stored, *second.stored],
        sent_count=first.sent_count + second.sent_count,
        refused={**first.refused, **second.refused},
        waiting=[*first.waiting, *second.waiting],
        unfit=[*first.unfit, *second.unfit],
    )
