"""What every service of the shop stands on: a folder, the queue, the world outside, a clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeVar

import msgspec

from tailrace.clock import Clock
from tailrace.settings import Connections
from tailrace_shop.gateways import Outside
from tailrace_shop.logs import JsonLog, PythonLog
from tailrace_shop.queue import Queue, Topic, Worker

MessageT = TypeVar("MessageT", bound=msgspec.Struct)


@dataclass(frozen=True, slots=True, kw_only=True)
class Premises:
    """One shop's."""

    connections: Connections
    folder: Path
    queue: Queue
    outside: Outside
    clock: Clock
    random: Random
    notifier_log: PythonLog
    """Where each worker tells of what hinders it, too."""

    def json_log(self, service: str) -> JsonLog:
        """Open the log of a service."""
        path = self.folder / "logs" / f"{service}.log"
        return JsonLog(path, service=service, clock=self.clock)

    def worker(
        self,
        topic: Topic,
        *,
        group: str | None,
        message_type: type[MessageT],
        handle: Callable[[MessageT], None],
    ) -> Worker:
        """Return one that hands the messages of `topic` to `handle`, once started."""
        return Worker(
            self.connections,
            topic=topic,
            group=group,
            message_type=message_type,
            handle=handle,
            problem=self.notifier_log.error,
        )
