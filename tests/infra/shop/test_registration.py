"""What each way of registering waits for, and what it leaves to a queue."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from tailrace_shop.registration import Mode, Registration, Step

MEET_S_MAX = 10


class Steps:
    """Notes which steps were done; the messages meet where they are sent at once."""

    def __init__(self, *, meeting: threading.Barrier | None = None) -> None:
        self.done: list[str] = []
        self._meeting = meeting

    def step(self, name: str) -> Step:
        def do(user: str, /, *, trace_id: str) -> None:
            assert (user, trace_id) == ("mia", "t")
            if self._meeting is not None and name.startswith("send"):
                self._meeting.wait(MEET_S_MAX)
            self.done.append(name)

        return do

    def register(self, mode: Mode) -> None:
        with ThreadPoolExecutor(2) as senders:
            Registration(
                write=self.step("write"),
                send_email=self.step("send e-mail"),
                send_sms=self.step("send SMS"),
                enqueue=self.step("enqueue"),
                senders=senders,
            ).register("mia", mode=mode, trace_id="t")


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
    steps = Steps()

    def fail(user: str, /, *, trace_id: str) -> None:
        del trace_id
        raise OSError(user)

    with ThreadPoolExecutor(2) as senders:
        registration = Registration(
            write=fail,
            send_email=steps.step("send e-mail"),
            send_sms=steps.step("send SMS"),
            enqueue=steps.step("enqueue"),
            senders=senders,
        )
        with pytest.raises(OSError, match="mia"):
            registration.register("mia", mode=mode, trace_id="t")
    assert not steps.done
