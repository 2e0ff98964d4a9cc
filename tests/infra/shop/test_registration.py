"""What each way of registering waits for, and what it leaves to a queue."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailrace_shop.registration import Mode, Registered, register

MEET_S_MAX = 10
MIA = Registered(user="mia", trace_id="t")


class Steps:
    """Notes which steps were done; the messages meet where they are sent at once."""

    def __init__(
        self,
        *,
        meeting: threading.Barrier | None = None,
        write: Callable[[str], None] | None = None,
    ) -> None:
        self.done: list[str] = []
        self._meeting = meeting
        self._write = write or self.step("write")

    def step(self, name: str) -> Callable[[str], None]:
        def do(user: str) -> None:
            assert user == "mia"
            if self._meeting is not None and name.startswith("send"):
                self._meeting.wait(MEET_S_MAX)
            self.done.append(name)

        return do

    def enqueue(self, registered: Registered) -> None:
        assert registered == MIA
        self.done.append("enqueue")

    def register(self, mode: Mode) -> None:
        with ThreadPoolExecutor(2) as senders:
            register(
                MIA,
                mode=mode,
                write=self._write,
                send_email=self.step("send e-mail"),
                send_sms=self.step("send SMS"),
                enqueue=self.enqueue,
                senders=senders,
            )


def test_serial_does_one_after_another() -> None:
    steps = Steps()
    steps.register(Mode.SERIAL)
    assert steps.done == ["write", "send e-mail", "send SMS"]


def test_parallel_sends_both_messages_at_once() -> None:
    """Each waits for the other: one after another, they would never meet."""
    steps = Steps(meeting=threading.Barrier(2))
    steps.register(Mode.PARALLEL)
    assert steps.done[0] == "write"
    assert set(steps.done[1:]) == {"send e-mail", "send SMS"}


def test_queued_sends_nothing_itself() -> None:
    steps = Steps()
    steps.register(Mode.QUEUED)
    assert steps.done == ["write", "enqueue"]


@pytest.mark.parametrize("mode", Mode)
def test_nobody_is_greeted_who_could_not_be_written(mode: Mode) -> None:
    def fail(user: str) -> None:
        raise OSError(user)

    steps = Steps(write=fail)
    with pytest.raises(OSError, match="mia"):
        steps.register(mode)
    assert not steps.done
