"""What changes under a consumer: which partitions are ours, and which topic has a name.

A topic that is deleted and made anew begins at offset 0 again, and may have grown past the
place where the old one was read to: its id alone tells the two apart.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any, NamedTuple, cast

import kafka.consumer.subscription_state

# The stubs that type checkers bundle describe an older release.
_Listener: Any = cast(
    "Any", kafka.consumer.subscription_state
).ConsumerRebalanceListener

_NOTE = "topic "


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    number: int


class TopicIds:
    """The ids of the topics that are read, as the client's metadata has them."""

    def __init__(self, client: object) -> None:
        self._client = cast("Any", client)
        self._known: dict[str, str] = {}

    def changed(self, places: Iterable[Any]) -> list[Any]:
        """Return those places of topics that are others than when they were last seen."""
        anew: set[str] = set()
        ours = list(places)
        for topic in {place.topic for place in ours}:
            found = self._id_of(topic)
            if found and self._known.setdefault(topic, found) != found:
                self._known[topic] = found
                anew.add(topic)
        return [place for place in ours if place.topic in anew]

    def note_of(self, topic: str) -> str:
        """Return what a commit says of the topic it was made in; "" where none is told."""
        found = self._known.get(topic) or self._id_of(topic)
        return f"{_NOTE}{found}" if found else ""

    def is_of_another(self, topic: str, *, note: str) -> bool:
        """Tell of a commit's note whether it was made in another topic of this name."""
        found = self._id_of(topic)
        return bool(found) and note.startswith(_NOTE) and note != f"{_NOTE}{found}"

    def _id_of(self, topic: str) -> str:
        cluster = getattr(self._client, "_cluster", None)
        # Brokers before 2.8 tell of no ids.
        found = None if cluster is None else cluster.topic_id(topic)
        return str(found) if found is not None and found.int else ""


class Changes:
    """Which partitions changed hands since last asked; told from the client's thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost: set[Partition] = set()
        self._gained: set[Partition] = set()

    def lose(self, places: Iterable[Any]) -> None:
        """Note partitions that are ours no more."""
        with self._lock:
            for place in places:
                self._lost.add(Partition(place.topic, place.partition))
                self._gained.discard(Partition(place.topic, place.partition))

    def gain(self, places: Iterable[Any]) -> None:
        """Note partitions that are ours from now on."""
        with self._lock:
            self._gained.update(Partition(p.topic, p.partition) for p in places)

    def take(self) -> tuple[frozenset[Partition], frozenset[Partition]]:
        """Return what was lost and what was gained since the last time."""
        with self._lock:
            taken = frozenset(self._lost), frozenset(self._gained)
            self._lost.clear()
            self._gained.clear()
        return taken


def listener_of(changes: Changes) -> object:
    """Return what a client tells of partitions that come and go, in a thread of its own."""
    return _listener_type()(changes)


def _listener_type() -> Any:  # noqa: ANN401 - a class made of an untyped one
    class Listener(_Listener):
        def __init__(self, changes: Changes) -> None:
            self._changes = changes

        def on_partitions_revoked(self, revoked: Iterable[Any]) -> None:
            self._changes.lose(revoked)

        def on_partitions_lost(self, lost: Iterable[Any]) -> None:
            self._changes.lose(lost)

        def on_partitions_assigned(self, assigned: Iterable[Any]) -> None:
            self._changes.gain(assigned)

    return Listener
