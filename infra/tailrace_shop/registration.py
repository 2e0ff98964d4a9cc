"""Three ways to register a user: one after another, at once, or through a queue.

Writing the user, sending an e-mail and sending an SMS take 50 ms each. One after another
they take 150 ms; the two messages at once, 100 ms; and where the messages are left to a
queue, the 50 ms of the write alone. A notifier behind the queue then sends them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from enum import StrEnum

import msgspec

from tailrace_shop.gateways import GatewayTimeout
from tailrace_shop.http import Request, Response, checked_name
from tailrace_shop.premises import Premises
from tailrace_shop.queue import Topic

NOTIFIER = "notifier"
SENDERS = 32
"""Messages that are sent at once; more wait their turn."""


class Mode(StrEnum):
    """How a registration is done."""

    SERIAL = "serial"
    PARALLEL = "parallel"
    QUEUED = "queued"


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A user whose welcome is still to be sent."""

    user: str
    trace_id: str


def register(
    registered: Registered,
    *,
    mode: Mode,
    write: Callable[[str], None],
    send_email: Callable[[str], None],
    send_sms: Callable[[str], None],
    enqueue: Callable[[Registered], None],
    senders: Executor,
) -> None:
    """Register a user, who is written first, so that no message greets nobody.

    Each step returns when it is done. `senders` runs the two messages at once; `enqueue`
    leaves both to whoever reads the queue.

    Raises:
        Exception: whatever a step raises.
    """
    user = registered.user
    write(user)
    match mode:
        case Mode.SERIAL:
            send_email(user)
            send_sms(user)
        case Mode.PARALLEL:
            for sent in [senders.submit(send, user) for send in (send_email, send_sms)]:
                sent.result()
        case Mode.QUEUED:
            enqueue(registered)


class _Named(msgspec.Struct):
    name: str


class Accounts:
    """Takes users in at the shop's front, and welcomes them behind the queue."""

    def __init__(self, premises: Premises) -> None:
        self._queue = premises.queue
        self._outside = premises.outside
        self._log = premises.json_log("registration")
        self._notifier_log = premises.notifier_log
        self._senders = ThreadPoolExecutor(SENDERS, "send")
        self.workers = {
            NOTIFIER: premises.worker(
                Topic.USERS,
                group=NOTIFIER,
                message_type=Registered,
                handle=self.welcome,
            )
        }

    def register(self, request: Request, trace_id: str) -> Response:
        """Answer who wants to be registered.

        Raises:
            DecodeError, ValueError: it is not said who, or in which way.
            ServiceUnavailable: the queue does not take it.
        """
        user = checked_name(msgspec.json.decode(request.body, type=_Named).name)
        mode = Mode(request.query.get("mode", Mode.QUEUED))
        began_ns, failure = time.perf_counter_ns(), ""
        try:
            register(
                Registered(user=user, trace_id=trace_id),
                mode=mode,
                write=self._outside.database,
                send_email=self._outside.mail,
                send_sms=self._outside.sms,
                enqueue=self._enqueue,
                senders=self._senders,
            )
        except GatewayTimeout as error:
            failure = str(error)
        self._log.write(
            f"registration of {user} failed" if failure else f"user {user} registered",
            level="error" if failure else "info",
            action="failed" if failure else "registered",
            trace_id=trace_id,
            took_ns=time.perf_counter_ns() - began_ns,
            mode=mode,
            error=failure,
        )
        if failure:
            return Response.refusing(failure, status=503)
        return Response.saying({"user": user}, status=201)

    def welcome(self, registered: Registered) -> None:
        """Send a new user both messages."""
        for gateway in (self._outside.mail, self._outside.sms):
            traced = f"trace_id={registered.trace_id}"
            try:
                gateway(registered.user)
            except GatewayTimeout as error:
                self._notifier_log.error(
                    f"welcome by {gateway.name} to {registered.user} failed {traced}",
                    error=error,
                )
            else:
                self._notifier_log.write(
                    f"welcome by {gateway.name} to {registered.user} sent {traced}"
                )

    def close(self) -> None:
        """Close its log; nobody is taken in any more."""
        self._senders.shutdown()
        self._log.close()

    def _enqueue(self, registered: Registered) -> None:
        self._queue.publish(Topic.USERS, registered, key=registered.user)
