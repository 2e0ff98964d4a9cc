"""Where a partition's states come from when it becomes ours: the state topic, to its end.

So does what the ledger says of the same generations, which stand in the partition of the
same number: it is there where a state is lost (`seeding.py`).

A topic of our own and not a Faust table, for three reasons. Faust sends a table's
changelog without waiting, so that an acknowledgement can overtake the state it stands on.
Its recovery retries for ever over one record that cannot be decoded. And a table key is a
Python object held for good, where all that is needed is the newest bytes of each
generation in the partition that is being read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, cast

from kafka import KafkaConsumer
from kafka.errors import KafkaError
from kafka.structs import TopicPartition

from tailrace.kafka_opening import open_client
from tailrace.kafka_options import record_client_options
from tailrace.kill_points import reach
from tailrace.revisions import revision_of
from tailrace.settings import Connections
from tailrace.topics import DOCS, LEDGER, RAW, STATE, TEMPLATES, Topic
from tailrace_stream.resting import has_open
from tailrace_stream.seeding import BURIED
from tailrace_stream.shaping.editions import EDITIONS_KEY

POLL_MS = 500
FETCH_WAIT_MS = 10
"""What is read is there: a broker would wait only for more of a topic that is read out."""
WORD_PREFIX = b"stream|"
"""Of the keys of what the stream says on the ledger (`tailrace.ledger.ledger_key`)."""

TEMPLATES_MAX = 20_000
"""Of one partition: those told last, and more than a worker keeps."""


@dataclass(frozen=True, slots=True)
class ReadBack:
    """What was remembered of one partition."""

    states: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """By generation the newest state."""
    words: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """By generation the stream's newest word on the ledger."""
    templates: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    """By key the newest record, in the order in which they were told."""
    fresh_offset: int = 0
    """From this raw record on no worker can have sent anything: where the partition ended
    meanwhile, or its beginning where nothing was ever sent of it. 0 where nobody asks, as
    no rules ever held in it."""
    open_since_ms: dict[str, int] = field(default_factory=dict[str, int])
    """By generation when its state was written, of those that have something open."""
    raw_end: int = 0
    """Where the partition of the raw topic ended meanwhile: whoever had it before has
    begun no record behind it."""

    def keep_state(self, generation: str, value: bytes | None, *, at_ms: int) -> None:
        """Take one record of the state topic into account, written at this time."""
        keep_newest(self.states, generation=generation, value=value)
        if value is not None and self.states[generation] is not value:
            return
        self.open_since_ms.pop(generation, None)
        if value is not None and has_open(value):
            self.open_since_ms[generation] = at_ms

    def take_editions(self) -> bytes | None:
        """Take the record of the partition's rules out from among the states."""
        return self.states.pop(EDITIONS_KEY, None)


class StateReader(Protocol):
    """What reads back the states of one partition."""

    def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
        """Return what was remembered of each generation; blocks: call it in a thread.

        It may end early, with whatever it has, once `is_wanted` is false.

        Raises:
            KafkaError: the brokers did not answer; try again.
        """
        ...


@dataclass(frozen=True, slots=True)
class KafkaStateReader:
    """Reads `<namespace>.state`, and the stream's words on `<namespace>.ledger`."""

    connections: Connections
    has_templates: bool = False
    """Whether those are read, too."""
    has_rules: bool = False
    """Whether the worker leaves events out by rules."""

    def read(self, partition: int, *, is_wanted: Callable[[], bool]) -> ReadBack:
        """Return the newest state of each generation in a partition, and its word.

        Raises:
            KafkaError: the brokers did not answer; try again.
        """
        namespace = self.connections.namespace
        client_id = "tailrace-stream-state"
        consumer = open_client(
            KafkaConsumer,
            **record_client_options(self.connections, client_id=client_id),
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        topics = [STATE, LEDGER, *([TEMPLATES] if self.has_templates else [])]
        places = [TopicPartition(each.name(namespace), partition) for each in topics]
        raw, docs = (
            TopicPartition(each.name(namespace), partition) for each in (RAW, DOCS)
        )
        try:
            consumer.assign(places)
            consumer.seek_to_beginning(*places)
            ends = consumer.end_offsets([*places, raw])
            found = ReadBack(raw_end=ends.pop(raw))
            for place, record in _records(consumer, ends, is_wanted):
                topic = topics[places.index(place)]
                _keep(found, topic, record)
            # Where there are no rules nobody waits for a topic that is not to be had.
            if self.has_rules or EDITIONS_KEY in found.states:
                is_fresh = not consumer.end_offsets([docs])[docs]
                found = replace(found, fresh_offset=0 if is_fresh else found.raw_end)
        finally:
            consumer.close()
        return found


def _records(
    consumer: KafkaConsumer,
    ends: Mapping[TopicPartition, int],
    is_wanted: Callable[[], bool],
) -> Iterator[tuple[TopicPartition, Any]]:
    """Yield place and record of each that has a key, to these ends.

    All places at once, as for one that it does not know yet the client waits a while.
    """
    while is_wanted() and any(
        (consumer.position(each) or 0) < end for each, end in ends.items()
    ):
        reach("S6")
        polled = cast(
            "dict[TopicPartition, list[Any]]", consumer.poll(timeout_ms=POLL_MS)
        )
        for place, records in polled.items():
            for record in records:
                if record.key is not None:
                    yield place, record


def _keep(found: ReadBack, topic: Topic, record: Any) -> None:  # noqa: ANN401 - untyped
    """Take one record of any of the three topics into account."""
    if topic is STATE:
        # However old: a file that rested for a year may grow again, and its figures go
        # on. Retention's leader buries what is over.
        found.keep_state(_text(record.key), record.value, at_ms=record.timestamp)
    elif topic is LEDGER:
        keep_word(found.words, key=record.key, value=record.value)
    else:
        keep_template(found.templates, key=record.key, value=record.value)


def _text(key: bytes) -> str:
    return key.decode("utf-8", "replace")


def keep_word(words: dict[str, bytes], *, key: bytes, value: bytes | None) -> None:
    """Take one record of the ledger into account, if it is the stream's."""
    if not key.startswith(WORD_PREFIX):
        return
    generation = _text(key.removeprefix(WORD_PREFIX))
    if value is None:
        words.pop(generation, None)
    else:
        keep_newest(words, generation=generation, value=value)


def keep_newest(
    states: dict[str, bytes], *, generation: str, value: bytes | None
) -> None:
    """Take one record of the state topic into account.

    A worker that lost the partition may still write behind the one that has it now, so
    the greatest revision is the truth and not the last record; the indexers' leader puts
    it on top again before compaction comes (`tailrace.revisions`). What cannot be read is
    kept as it is where nothing better is there, so that it is counted when it is met. Of a
    tombstone it is kept that there was one: its generation may come back.
    """
    if value is None:
        states[generation] = BURIED
        return
    before = states.get(generation)
    if before is None or revision_of(value) >= revision_of(before):
        states[generation] = value


def keep_template(
    templates: dict[bytes, bytes], *, key: bytes, value: bytes | None
) -> None:
    """Take one record of the topic of templates into account.

    Only so many are held, the ones told longest ago go first.
    """
    before = templates.pop(key, None)
    if value is None:
        return
    if before is not None and revision_of(before) > revision_of(value):
        value = before
    templates[key] = value
    if len(templates) > TEMPLATES_MAX:
        del templates[next(iter(templates))]


__all__ = [
    "KafkaError",
    "KafkaStateReader",
    "ReadBack",
    "StateReader",
    "keep_newest",
    "keep_template",
    "keep_word",
]
