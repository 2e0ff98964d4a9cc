"""Three ways to register a user: one after another, at once, or through a queue.

Writing the user, sending an e-mail and sending an SMS take 50 ms each. One after another
they take 150 ms; the two messages at once, 100 ms; and where the messages are left to a
queue, the 50 ms of the write alone.
"""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol


class Mode(StrEnum):
    """How a registration is done."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    QUEUED = "queued"


class Step(Protocol):
    """One thing that a registration needs done."""

    def __call__(self, user: str, /, *, trace_id: str) -> None:
        """Do it, and return when it is done."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The steps; `enqueue` leaves both messages to whoever reads the queue."""

    write: Step
    send_email: Step
    send_sms: Step
    enqueue: Step
    senders: Executor
    """Runs the two messages at once."""

    def register(self, user: str, *, mode: Mode, trace_id: str) -> None:
        """Register `user`; the user is written first, so no message greets nobody.

        Raises:
            Exception: whatever a step raises.
        """
        self.write(user, trace_id=trace_id)
        match mode:
            case Mode.SERIAL:
                self.send_email(user, trace_id=trace_id)
                self.send_sms(user, trace_id=trace_id)
            case Mode.PARALLEL:
                sent = [
                    self.senders.submit(send, user, trace_id=trace_id)
                    for send in (self.send_email, self.send_sms)
                ]
                for each in sent:
                    each.result()
            case Mode.QUEUED:
                self.enqueue(user, trace_id=trace_id)
