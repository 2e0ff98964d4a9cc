"""The one miner: reads which templates are known, and tells which of them are one.

The leader runs it, so there is one; should two run for a moment, what both tell holds
(`tailrace.template_aliases`). Every look:

1. It reads what is new in `<namespace>.templates`. From time to time, and first of all,
   it reads that whole, and the aliases wherever they stand: in their topic, in the index
   and in its own memory. What one of these lacks is told again: so the same ids stay one
   if the topic is lost, or the index is, or both are made anew while this one lives.
2. It looks for templates that are one (`template_mining.py`), if any is new.
3. It tells, having asked whether it still leads, and takes what Kafka has acknowledged for
   told. What was not told is found again by the next look.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

import msgspec

from tailrace.clock import Clock
from tailrace.errors import WireError
from tailrace.kafka_reader import TopicEntry
from tailrace.log import FilteringBoundLogger
from tailrace.template_aliases import (
    ALIASES_MAX,
    TemplateAlias,
    TemplateGroups,
    alias_key,
    newest,
)
from tailrace.template_records import TemplateRecord
from tailrace.topics import DAY_MS, TEMPLATE_ALIASES, TEMPLATES
from tailrace.wire import decode, encode
from tailrace_indexer.acked_writer import Writer, Writing
from tailrace_indexer.template_mining import KnownTemplate, mined

KNOWN_MAX: Final = 40_000
"""As many as all partitions' workers remember; beyond them those not seen for longest are
no longer compared. Some 20 MB of ordinary texts, and 160 of the longest."""
TOLD_MAX: Final = 2_000
"""In one look; the next tells the rest."""
WHOLE_MS: Final = 3_600_000
"""How often all is read again."""
SETTLED_MS: Final = 300_000
"""What was told so long ago is in the index, where indexers run."""
AGAIN_MS: Final = 30 * DAY_MS
"""What was told so long ago is told again, well before the topic forgets it."""
SHARE_MAX: Final = 0.05
"""Of one core, on the average: indexing goes on in the same process."""

assert TEMPLATE_ALIASES.retention_ms >= 2 * AGAIN_MS, (
    "a leader may be missing for a month"
)


class TemplateTopics(Protocol):
    """What the miner reads, wherever it is."""

    def templates(self, begin: Mapping[int, int]) -> Iterable[TopicEntry]:
        """Return what was told of templates, in each partition from an offset on."""
        ...

    def told_aliases(self) -> list[TemplateAlias]:
        """Return the aliases in the topic."""
        ...

    def indexed_aliases(self) -> list[TemplateAlias]:
        """Return the aliases in the index."""
        ...


@dataclass(slots=True)
class _Known:
    """The templates that were read, and how far."""

    templates: dict[str, KnownTemplate] = field(
        default_factory=dict[str, KnownTemplate]
    )
    next_offsets: dict[int, int] = field(default_factory=dict[int, int])
    has_news: bool = True
    """Whether something may have to be told of them that was not."""

    def take(self, entry: TopicEntry) -> None:
        """Take one record into account; one that cannot be read says nothing."""
        self.next_offsets[entry.partition] = entry.offset + 1
        try:
            read = decode(entry.value or b"", as_type=TemplateRecord)
        except WireError:
            return
        told = KnownTemplate(
            text=read.text,
            first_seen_ms=read.first_seen_ms,
            last_seen_ms=read.last_seen_ms,
            datasets=frozenset(read.datasets),
        )
        known = self.templates.get(read.template_id)
        grown = told if known is None else known.joined(told)
        if known is None or known.datasets != grown.datasets:
            self.has_news = True
        self.templates[read.template_id] = grown

    def forget(self, known_max: int) -> None:
        """Keep so many, those seen last."""
        beyond = len(self.templates) - known_max
        if beyond > 0:
            by_age = sorted(
                self.templates, key=lambda one: (self.templates[one].last_seen_ms, one)
            )
            for template_id in by_age[:beyond]:
                del self.templates[template_id]


class TemplateMiner:
    """Looks for templates that are one, for as long as one leader leads; for one thread."""

    def __init__(
        self,
        topics: TemplateTopics,
        writer: Writer,
        *,
        namespace: str,
        look_ms: int,
        clock: Clock,
        log: FilteringBoundLogger,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Begin with nothing read; `writer` asks whether this one may write."""
        self._topics = topics
        self._writer = writer
        self._topic = TEMPLATE_ALIASES.name(namespace)
        self._look_ms = look_ms
        self._clock = clock
        self._log = log
        self._is_stopping = is_stopping
        self._known = _Known()
        self._groups = TemplateGroups()
        self._lacking: set[bytes] = set()
        """Told already, and not where it should be."""
        self._whole_at_ms: int | None = None
        self._next_at_ms = 0

    def look(self) -> None:
        """Do a look, if it is time; safe to call again after any failure.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: Kafka or Elasticsearch does not answer.
        """
        begun_ms = self._clock.monotonic_ms()
        if begun_ms < self._next_at_ms:
            return
        # 1. All that is known.
        is_whole_due = (
            self._whole_at_ms is None or begun_ms - self._whole_at_ms >= WHOLE_MS
        )
        if is_whole_due:
            self._read_all()
        self._read_news()
        if self._is_stopping():
            return  # What was read may be a part of it.
        if is_whole_due:
            self._whole_at_ms = begun_ms
        # 2. What follows from it.
        found = self._found() if self._known.has_news else []
        # 3. And is told.
        self._tell([*self._told_again(), *found], found_count=len(found))
        took_ms = self._clock.monotonic_ms() - begun_ms
        self._next_at_ms = begun_ms + max(self._look_ms, round(took_ms / SHARE_MAX))

    def _read_all(self) -> None:
        self._known = _Known()
        told = newest(self._topics.told_aliases())
        indexed = newest(self._topics.indexed_aliases())
        mine = self._groups.aliases
        groups = TemplateGroups([*mine.values(), *told.values(), *indexed.values()])
        settled_ms = self._clock.now_ms() - SETTLED_MS
        self._lacking = {
            key
            for key, alias in groups.aliases.items()
            if key not in told or (key not in indexed and alias.revision < settled_ms)
        }
        self._groups = groups

    def _read_news(self) -> None:
        known = self._known.next_offsets
        begin = {n: known.get(n, 0) for n in range(TEMPLATES.partitions)}
        for entry in self._topics.templates(begin):
            self._known.take(entry)
        self._known.forget(KNOWN_MAX)

    def _found(self) -> list[TemplateAlias]:
        now_ms = self._clock.now_ms()
        aliases_count = len(self._living())
        if aliases_count >= ALIASES_MAX:
            self._log.warning("templates_not_merged", aliases=aliases_count)
            return []
        return mined(self._known.templates, self._groups, now_ms=now_ms)

    def _tell(self, aliases: list[TemplateAlias], *, found_count: int) -> None:
        due = list(newest(aliases).items())[:TOLD_MAX]
        if not due:
            self._known.has_news = False
            return
        writings = [Writing(self._topic, encode(alias), key) for key, alias in due]
        if self._writer.write(writings) != []:
            self._log.warning("aliases_not_told", aliases=len(due))
            return
        for key, _ in due:
            self._lacking.discard(key)
        self._groups = TemplateGroups(
            [*self._groups.aliases.values(), *(alias for _, alias in due)]
        )
        # What was told may show more that is one.
        self._known.has_news = found_count > 0
        self._log.info(
            "templates_merged",
            aliases=len(due),
            found=found_count,
            groups=len(self._groups),
        )

    def _told_again(self) -> list[TemplateAlias]:
        """Return what a topic or the index lacks, or the topic would soon forget."""
        now_ms = self._clock.now_ms()
        found: list[TemplateAlias] = []
        for key, alias in self._living().items():
            if now_ms - alias.revision >= AGAIN_MS:
                found.append(msgspec.structs.replace(alias, revision=now_ms))
            elif key in self._lacking:
                found.append(alias)
        return found

    def _living(self) -> dict[bytes, TemplateAlias]:
        """Return the aliases of which a template is known: the others may fade."""
        groups = self._groups
        living = {groups.group_of(one) for one in self._known.templates}
        return {
            key: alias
            for key, alias in groups.aliases.items()
            if groups.group_of(alias.group_id) in living
        }


def told_in(entries: Iterable[TopicEntry]) -> list[TemplateAlias]:
    """Return the aliases that a topic's records tell; what cannot be read tells nothing."""
    found: list[TemplateAlias] = []
    for entry in entries:
        try:
            alias = decode(entry.value or b"", as_type=TemplateAlias)
        except WireError:
            continue
        if entry.key == alias_key(alias):
            found.append(alias)
    return found
