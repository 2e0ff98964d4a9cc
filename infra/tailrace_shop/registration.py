"""Three ways to register a user: one after another, at once, or through a queue.

Writing the user, sending an e-mail and sending an SMS take 50 ms each. One after another
they take 150 ms; the two messages at once, 100 ms; and where the messages are left to a
queue, the 50 ms of the write alone.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from enum import StrEnum

from tailrace_shop.messages import Registered


class Mode(StrEnum):
    """How a registration is done."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    QUEUED = "queued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """The steps, each of which returns when it is done."""

    write: Callable[[str], None]
    send_email: Callable[[str], None]
    send_sms: Callable[[str], None]
    enqueue: Callable[[Registered], None]
    """Leaves both messages to whoever reads the queue."""
    senders: Executor
    """Runs the two messages at once."""

    def register(self, registered: Registered, *, mode: Mode) -> None:
        """Register a user, who is written first, so that no message greets nobody.

        Raises:
            Exception: whatever a step raises.
        """
        user = registered.user
        self.write(user)
        match mode:
            case Mode.SERIAL:
                self.send_email(user)
                self.send_sms(user)
            case Mode.PARALLEL:
                sends = (self.send_email, self.send_sms)
                for sent in [self.senders.submit(send, user) for send in sends]:
                    sent.result()
            case Mode.QUEUED:
                self.enqueue(registered)
