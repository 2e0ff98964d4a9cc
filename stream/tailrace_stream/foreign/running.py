"""Runs the bridge beside a worker, in a thread of its own, for as long as the worker lives.

What the brokers do not answer is asked again, from the commits on; a topic that is not there
is waited for, and the others are read meanwhile.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_consumer import Consumer
from tailrace.kafka_producer import FailureKind, Producer, SendFailure
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import DEAD
from tailrace_stream.foreign.bridge import ForeignBridge, SessionOver
from tailrace_stream.foreign.config import ForeignSettings
from tailrace_stream.records import Outgoing
from tailrace_stream.redact.redaction import Redaction

POLL_MS = 500
RETRY_S = 2.0
RECHECK_MS = 10_000
"""How often is asked whether topics are there, and are still the same."""
FLUSH_MS_MAX = 150_000
"""Longer than the producer tries by itself."""
CLOSE_MS_MAX = 2_000
CLIENT_ID = "tailrace-stream-foreign"

TopicIds = Callable[[Sequence[str]], Mapping[str, str]]


class ForeignReading:
    """The thread: started once, stopped once."""

    def __init__(
        self,
        connections: Connections,
        sources: Sequence[ForeignSettings],
        topic_ids: TopicIds,
        redaction: Redaction,
        *,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self.crash_reason: BaseException | None = None
        self._connections = connections
        self._sources = sources
        self._topic_ids = topic_ids
        self._redaction = redaction
        self._clock = clock
        self._log = log
        self._counts: Counter[str] = Counter()
        self._problems: tuple[str, ...] = ()
        self._stop = threading.Event()
        # A daemon, so that a broker that does not answer holds up no end of the process.
        self._thread = threading.Thread(target=self._run, name="foreign", daemon=True)

    def start(self) -> None:
        """Begin to read, if there is anything to read."""
        if self._sources:
            self._thread.start()

    def stop(self, *, wait_ms_max: int) -> None:
        """End after the batch that is under way; what is not committed is read again."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(wait_ms_max / 1_000)

    def counts(self) -> dict[str, int]:
        """Return what was moved, missed and refused since the start."""
        return dict(self._counts.copy())

    def alarms(self) -> tuple[str, ...]:
        """Return what is not as it should be."""
        return self._problems

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    self._session()
                except SessionOver:
                    self._counts["foreign.sessions_over"] += 1
                except ServiceUnavailable as error:
                    self._problems = (f"foreign topics: {error}",)
                    self._counts["foreign.failures"] += 1
                    self._stop.wait(RETRY_S)
        except BaseException as error:  # noqa: BLE001 - told to the worker, which ends
            self.crash_reason = error

    def _session(self) -> None:
        """Read until the thread is to end, or the topics have changed."""
        wanted = [source.topic for source in self._sources]
        topic_ids = dict(self._topic_ids(wanted))
        self._problems = tuple(
            f"foreign topics: Kafka has no topic {topic!r}"
            for topic in wanted
            if topic not in topic_ids
        )
        if not topic_ids:
            self._stop.wait(RETRY_S)
            return
        with contextlib.ExitStack() as opened:
            sink = ProducerSink(self._connections)
            opened.callback(sink.close)
            source = Consumer.connect(
                self._connections,
                group=f"{self._connections.namespace}-foreign",
                client_id=CLIENT_ID,
                topics=topic_ids,
                # What a producer gave up is no event.
                isolation="read_committed",
            )
            opened.callback(source.close, wait_ms_max=CLOSE_MS_MAX)
            bridge = ForeignBridge(
                source,
                sink,
                sources=self._sources,
                topic_ids=topic_ids,
                namespace=self._connections.namespace,
                clock=self._clock,
                log=self._log,
                redaction=self._redaction,
                counts=self._counts,
            )
            checked_ms = self._clock.monotonic_ms()
            while not self._stop.is_set():
                bridge.turn(wait_ms_max=POLL_MS)
                if self._clock.monotonic_ms() - checked_ms >= RECHECK_MS:
                    if dict(self._topic_ids(wanted)) != topic_ids:
                        return
                    checked_ms = self._clock.monotonic_ms()


class ProducerSink:
    """Delivers by a producer that keeps order; a broken one ends the session."""

    def __init__(self, connections: Connections) -> None:
        self._brokers = connections.kafka_bootstrap
        self._producer = Producer.connect(
            connections, client_id=CLIENT_ID, request_bytes_max=DEAD.message_bytes_max
        )

    def deliver(self, records: Sequence[Outgoing]) -> list[Outgoing]:
        """Return once all are durable, but for those returned, which are too large.

        Raises:
            ServiceUnavailable: it is not known what is durable.
        """
        failures: list[tuple[Outgoing, SendFailure]] = []
        done = [0]

        def told(record: Outgoing, failure: SendFailure | None) -> None:
            done[0] += 1
            if failure is not None:
                failures.append((record, failure))

        for record in records:
            self._producer.send(
                record.topic,
                value=record.value,
                key=record.key,
                partition=record.partition,
                headers=record.headers,
                on_done=lambda failure, record=record: told(record, failure),
            )
        is_flushed = self._producer.flush(wait_ms_max=FLUSH_MS_MAX)
        others = [f for _, f in failures if f.kind is not FailureKind.TOO_LARGE]
        if not is_flushed or others or done[0] < len(records):
            reason = others[0].detail if others else "no acknowledgement in time"
            raise ServiceUnavailable("Kafka", address=self._brokers, reason=reason)
        return [record for record, _ in failures]

    def close(self) -> None:
        """Close the producer; what is not acknowledged is sent again by the next one."""
        self._producer.close(wait_ms_max=CLOSE_MS_MAX)
