"""A chat room on Kafka: what is said reaches everyone, a question one of those who answer.

A listener is in no group, so that each gets every message (publish and subscribe); those
who answer are one group, so that each question goes to one of them (point to point). Who is
present tells it again and again; who is silent for long has left.
"""

from __future__ import annotations

import threading
from collections import deque

from tailrace.clock import Clock
from tailrace_shop.messages import Said, SaidKind, Topic
from tailrace_shop.queue import Queue

PRESENT_MS = 10_000
"""Who was not heard of for this long is not there any more."""
KEPT_COUNT = 200
QUESTION = "@helpdesk"
"""What begins a question."""


class Room:
    """What one listener has heard; handed each message by its worker."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: deque[Said] = deque(maxlen=KEPT_COUNT)
        self._heard_at_ms: dict[str, int] = {}

    def hear(self, said: Said) -> None:
        """Take in a word or a sign of life."""
        with self._lock:
            if said.kind is SaidKind.LEFT:
                self._heard_at_ms.pop(said.member, None)
                return
            self._heard_at_ms[said.member] = said.at_ms
            # A word may come twice: sent again, or heard again from the oldest on.
            if said.kind is SaidKind.SAID and said not in self._said:
                self._said.append(said)

    def said(self) -> list[Said]:
        """Return the last words, the oldest first."""
        with self._lock:
            # Heard from the oldest on, one partition may be ahead of the other.
            return sorted(self._said, key=lambda one: one.at_ms)

    def present(self, *, now_ms: int) -> list[str]:
        """Return who is there."""
        with self._lock:
            return sorted(
                member
                for member, at_ms in self._heard_at_ms.items()
                if now_ms - at_ms < PRESENT_MS
            )


class Speaker:
    """Says things in the room, for any member."""

    def __init__(self, queue: Queue, *, clock: Clock) -> None:
        self._queue = queue
        self._clock = clock

    def say(self, member: str, text: str) -> None:
        """Say it to everyone; a question also goes to one of those who answer.

        Raises:
            ServiceUnavailable: it is not known to be said; say it again.
        """
        said = self.tell(member, SaidKind.SAID, text=text)
        if text.startswith(QUESTION):
            # By the text, not the member: the questions of one member may be shared, too.
            self._queue.publish(Topic.QUESTIONS, said, key=f"{member}{said.at_ms}")

    def tell(self, member: str, kind: SaidKind, *, text: str = "") -> Said:
        """Tell everyone, and them alone: that a member is there, or left, or said what.

        Raises:
            ServiceUnavailable: it is not known to be told.
        """
        said = Said(member=member, kind=kind, text=text, at_ms=self._clock.now_ms())
        self._queue.publish(Topic.CHAT, said, key=member)
        return said


class Helper:
    """One of those who answer questions."""

    def __init__(self, name: str, *, speaker: Speaker) -> None:
        self.name = name
        self._speaker = speaker

    def answer(self, question: Said) -> None:
        """Answer in the room.

        Raises:
            ServiceUnavailable: it is not known to be said.
        """
        asked = question.text.removeprefix(QUESTION).strip() or "..."
        # Told, not said: an answer to a member named as the helpdesk is no question.
        self._speaker.tell(
            self.name,
            SaidKind.SAID,
            text=f"{question.member}, about {asked[:200]!r}: we look into it.",
        )
