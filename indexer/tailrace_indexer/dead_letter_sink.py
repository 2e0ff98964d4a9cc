"""Kafka as the place for dead letters: each send awaited, a letter that is too large cut."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tailrace import wire
from tailrace.topics import DEAD
from tailrace_indexer.acked_writer import AckedWriter, Writing

CUT_TO = 4
"""A letter that the topic does not take is cut to a quarter, and again if need be."""


class KafkaDeadLetters:
    """Writes dead letters, keyed by generation."""

    def __init__(self, writer: AckedWriter, *, namespace: str) -> None:
        self._writer = writer
        self._topic = DEAD.name(namespace)

    def write(self, letters: Sequence[wire.DeadLetter]) -> bool:
        """Send them; True once Kafka has acknowledged every one, False to try again."""
        left = list(letters)
        while left:
            too_large = self._writer.write([self._writing(letter) for letter in left])
            if too_large is None:
                return False
            left = [cut(left[position]) for position in too_large]
        return True

    def _writing(self, letter: wire.DeadLetter) -> Writing:
        key = letter.generation.encode() or None
        return Writing(self._topic, wire.encode(letter), key)


def cut(letter: wire.DeadLetter) -> wire.DeadLetter:
    """Return a letter with a quarter of its bytes, and the true length noted."""
    true_size = letter.truncated_size_bytes or len(letter.original)
    return msgspec.structs.replace(
        letter,
        original=letter.original[: len(letter.original) // CUT_TO],
        truncated_size_bytes=true_size,
    )
