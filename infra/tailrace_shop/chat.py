"""A chat room on Kafka: what is said reaches everyone, a question one of those who answer.

A listener is in no group, so that each gets every message (publish and subscribe); those
who answer are one group, so that each question goes to one of them (point to point). Who is
present tells it again and again; who is silent for long has left.
"""

from __future__ import annotations

import threading
from collections import deque
from enum import StrEnum
from functools import partial

import msgspec

from tailrace_shop.http import Request, Response, checked_name
from tailrace_shop.premises import Premises
from tailrace_shop.queue import Topic, Worker

PRESENT_MS = 10_000
"""Who was not heard of for this long is not there any more."""
KEPT_COUNT = 200
TEXT_CHARACTERS_MAX = 500
HELPERS = ("ada", "grace")
QUESTION = "@helpdesk"
"""What begins a question."""


class SaidKind(StrEnum):
    """Why a member of the chat room is heard."""

    SAID = "said"
    HERE = "here"
    """A sign of life, without a word."""
    LEFT = "left"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A member's word or sign of life."""

    member: str
    at_ms: int
    kind: SaidKind = SaidKind.SAID
    text: str = ""


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


class _Spoken(msgspec.Struct):
    member: str
    text: str = ""
    kind: SaidKind = SaidKind.SAID


class Chat:
    """The room as it is reached at the shop's front, and those who answer in it."""

    def __init__(self, premises: Premises) -> None:
        self._queue = premises.queue
        self._clock = premises.clock
        self.room = Room()
        self.workers: dict[str, Worker] = {
            # In no group: whoever listens hears everything.
            "room": premises.worker(
                Topic.CHAT, group=None, message_type=Said, handle=self.room.hear
            )
        }
        for name in HELPERS:
            # In one group: each question goes to one of them.
            self.workers[f"helper-{name}"] = premises.worker(
                Topic.QUESTIONS,
                group="helpdesk",
                message_type=Said,
                handle=partial(self.help, name),
            )

    def look(self) -> Response:
        """Answer with what was said, and who is there."""
        present = self.room.present(now_ms=self._clock.now_ms())
        return Response.saying({"said": self.room.said(), "present": present})

    def speak(self, request: Request, trace_id: str) -> Response:
        """Say a word, or give a sign of life, and answer with what is there then.

        Raises:
            DecodeError, ValueError: it is not said what, or by whom.
            ServiceUnavailable: it is not known to be said; say it again.
        """
        del trace_id
        spoken = msgspec.json.decode(request.body, type=_Spoken)
        member, is_word = checked_name(spoken.member), spoken.kind is SaidKind.SAID
        text = spoken.text[:TEXT_CHARACTERS_MAX] if is_word else ""
        said = self._tell(member, text, kind=spoken.kind)
        if text.startswith(QUESTION):
            # By the text, not the member: the questions of one member may be shared, too.
            self._queue.publish(Topic.QUESTIONS, said, key=f"{member}{said.at_ms}")
        return self.look()

    def help(self, helper: str, question: Said) -> None:
        """Answer a question in the room.

        Raises:
            ServiceUnavailable: it is not known to be answered.
        """
        asked = question.text.removeprefix(QUESTION).strip() or "..."
        # Told alone: an answer to a member named as the helpdesk is no question.
        text = f"{question.member}, about {asked[:200]!r}: we look into it."
        self._tell(helper, text)

    def _tell(self, member: str, text: str, *, kind: SaidKind = SaidKind.SAID) -> Said:
        """Tell everyone, and them alone: that a member is there, or left, or said what."""
        said = Said(member=member, kind=kind, text=text, at_ms=self._clock.now_ms())
        self._queue.publish(Topic.CHAT, said, key=member)
        return said
