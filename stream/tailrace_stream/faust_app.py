"""Faust, wrapped: the one file that knows its types, its settings and its traps.

Faust joins the group, assigns partitions, fetches and sends. What it does with offsets is
not used, because each of these loses records: a handler that raises acknowledges its
event; events fetched before a rebalance are skipped, and by its pure Python stream also
acknowledged; and a commit passes over an unacknowledged record when the one after it is
acknowledged. So the raw topic is declared with `acks=False`, records are acknowledged in
order by `tailrace_stream.protocol`, and those positions are committed from here.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, cast

import faust
from aiokafka.errors import (  # pyright: ignore[reportMissingTypeStubs]
    IllegalOperation,
    IllegalStateError,
    KafkaError,
    MessageSizeTooLargeError,
)
from aiokafka.structs import (  # pyright: ignore[reportMissingTypeStubs]
    OffsetAndMetadata,
    TopicPartition,
)
from faust.transport.consumer import ConsumerThread
from faust.types import TP
from mode.threads import WorkerThread

from tailrace.capped_records import cap_aiokafka
from tailrace.log import FilteringBoundLogger
from tailrace.settings import Connections
from tailrace.topics import DEAD, RAW
from tailrace_stream.config import StreamSettings
from tailrace_stream.kafka_security import broker_credentials
from tailrace_stream.offsets import OffsetsUnknown
from tailrace_stream.packing import pack_lightly
from tailrace_stream.protocol import PublishFailed, RecordTooLarge
from tailrace_stream.raw_topic import RawTopicUnread, has_raw_record
from tailrace_stream.records import Outgoing, RawRecord

BUFFERED_RECORDS_MAX = 16
"""Of up to a few MiB each, between Faust's fetcher and the worker."""
BATCH_BYTES_MAX = 1_024 * 1_024
"""Small records of one partition share a batch; a larger record has its own."""
JOIN_MARGIN_S = 5.0
"""How much longer than the group may take to gather a worker waits for its answer."""
COMMIT_S_MAX = 10.0
STOP_S_MAX = 5.0
_TOO_LARGE_NAMES = frozenset({"MessageSizeTooLargeError", "RecordListTooLargeError"})

OnRecord = Callable[[RawRecord], Awaitable[None]]
OnAssigned = Callable[[list[int]], None]
OnRevoked = Callable[[list[int]], Awaitable[None]]


class LeftThread(WorkerThread):
    """Faust's thread for its consumer, for which no process stays.

    Where brokers do not answer, leaving the group is given up, and this thread goes on.
    Its process has to end all the same: a supervisor starts again only what has ended.
    """

    def __init__(self, service: Any, **options: Any) -> None:  # noqa: ANN401 - mode's
        super().__init__(service, **options)
        self.daemon = True


class StreamApp:
    """The Faust app of one worker: calls back for records and partitions."""

    def __init__(
        self,
        connections: Connections,
        *,
        settings: StreamSettings,
        log: FilteringBoundLogger,
    ) -> None:
        cap_aiokafka()
        pack_lightly()
        ConsumerThread.Worker = LeftThread
        self._connections = connections
        self._log = log
        self._topic = RAW.name(connections.namespace)
        self._app: Any = faust.App(
            f"{connections.namespace}-stream",
            broker=[f"kafka://{a}" for a in connections.kafka_bootstrap.split(",")],
            store="memory://",
            autodiscover=False,
            # Its web server would listen on every interface.
            web_enabled=False,
            # Topics are provisioned; the worker needs no right to make or change any.
            topic_disable_leader=True,
            topic_allow_declare=False,
            consumer_auto_offset_reset="earliest",
            consumer_max_fetch_size=settings.fetch_bytes_max,
            broker_max_poll_records=BUFFERED_RECORDS_MAX,
            broker_session_timeout=settings.session_timeout_ms / 1_000,
            broker_heartbeat_interval=settings.session_timeout_ms / 10_000,
            broker_rebalance_timeout=settings.session_timeout_ms / 1_000,
            # A join is answered only when every member has come or is given up, and a
            # worker that gave up first would join anew, for the others to wait for.
            broker_request_timeout=max(
                settings.session_timeout_ms / 1_000 + JOIN_MARGIN_S,
                settings.request_timeout_ms / 1_000,
            ),
            stream_buffer_maxsize=BUFFERED_RECORDS_MAX,
            stream_wait_empty=False,
            producer_acks=-1,
            producer_compression_type=(
                None if settings.compression == "none" else settings.compression
            ),
            producer_linger=0.0,
            producer_max_batch_size=BATCH_BYTES_MAX,
            producer_max_request_size=DEAD.message_bytes_max + BATCH_BYTES_MAX,
            producer_request_timeout=settings.request_timeout_ms / 1_000,
            **broker_credentials(connections),
        )
        # It would make folders in the current one, which may not be ours to write, for
        # tables: there are none.
        self._app._create_directories = lambda: None  # noqa: SLF001 - no setting does it

    def connect(
        self, *, on_record: OnRecord, on_assigned: OnAssigned, on_revoked: OnRevoked
    ) -> None:
        """Say what to call; before `start`."""
        app = self._app
        # Internal: Faust then neither declares the topic nor knows its partitions.
        topic = app.topic(
            self._topic,
            key_type=bytes,
            value_type=bytes,
            key_serializer="raw",
            value_serializer="raw",
            allow_empty=True,
            acks=False,
        )

        async def chunks(stream: Any) -> None:  # noqa: ANN401 - Faust's stream
            async for event in stream.noack().events():
                await on_record(_raw_record(event.message))

        async def assigned(_app: object, assigned: Iterable[TP], **_: object) -> None:
            on_assigned(self._partitions(assigned))

        async def revoked(_app: object, revoked: Iterable[TP], **_: object) -> None:
            await on_revoked(self._partitions(revoked))

        app.agent(topic, name="chunks")(chunks)
        # Strong references: Faust keeps signal handlers weakly otherwise.
        app.on_partitions_assigned.connect(assigned, weak=False)
        app.on_partitions_revoked.connect(revoked, weak=False)

    async def start(self) -> None:
        """Connect and join the group.

        Raises:
            PublishFailed: the brokers cannot be reached.
        """
        self._app.finalize()
        self._app.consumer._read_offset = _NothingRead()  # noqa: SLF001 - no setting does it
        try:
            await self._app.start()
        except KafkaError as error:
            raise PublishFailed(str(error)) from error

    async def stop(self) -> None:
        """Leave the group and close all connections, as far as brokers answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S_MAX):
                await self._app.stop()

    @property
    def crash_reason(self) -> BaseException | None:
        """Return what ended a service of Faust, if one has ended."""
        if self._app.crashed:
            return cast("BaseException | None", self._app.crash_reason)
        return None

    async def publish(self, record: Outgoing) -> None:
        """Send a record and wait until all in-sync replicas have it.

        Raises:
            RecordTooLarge: the client or the broker refuses its size.
            PublishFailed: it is not known to be durable.
        """
        try:
            await self._app.producer.send_and_wait(
                record.topic,
                record.key,
                record.value,
                record.partition,
                None,
                list(record.headers),
            )
        except MessageSizeTooLargeError as error:
            raise RecordTooLarge(str(error)) from error
        except Exception as error:
            # The driver wraps what aiokafka raises.
            cause = error.__cause__ or error
            names = {type(error).__name__, type(cause).__name__}
            if names & _TOO_LARGE_NAMES:
                raise RecordTooLarge(str(error)) from error
            raise PublishFailed(repr(error)) from error

    async def start_of(self, partition: int) -> int:
        """Return the committed offset, or the first there is where none is.

        Raises:
            OffsetsUnknown: the brokers did not tell.
        """
        where = TopicPartition(self._topic, partition)
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                committed = await self._call(self._consumer().committed, where)
                if committed is not None:
                    return int(committed)
                earliest = await self._call(self._consumer().beginning_offsets, [where])
                return int(earliest[where])
        except (KafkaError, TimeoutError) as error:
            raise OffsetsUnknown(repr(error)) from error

    async def seek(self, partition: int, *, offset: int) -> None:
        """Let the records from `offset` on come (again)."""
        await self._app.consumer.seek(TP(self._topic, partition), offset)

    async def commit(self, offsets: Mapping[int, int]) -> bool:
        """Commit the offsets to read next; False where it has to be tried again."""
        wanted = {
            TopicPartition(self._topic, partition): OffsetAndMetadata(offset, "")
            for partition, offset in offsets.items()
        }
        try:
            # The library would ask a broker that is away for ever.
            async with asyncio.timeout(COMMIT_S_MAX):
                await self._call(self._consumer().commit, wanted)
        except (KafkaError, IllegalStateError, IllegalOperation, TimeoutError) as error:
            # Mostly a rebalance that is under way: its new owner reads these again.
            self._log.warning("commit_failed", error=repr(error))
            return False
        return True

    def waiting_count(self, partition: int, *, next_offset: int) -> int:
        """Return how many records a partition has beyond those taken, as last heard."""
        try:
            end = self._consumer().highwater(TopicPartition(self._topic, partition))
        except (KafkaError, IllegalStateError, AssertionError, ValueError):
            return 0
        return max(int(end or 0) - next_offset, 0)

    async def has_record(self, partition: int, *, next_offset: int) -> bool:
        """Ask the brokers whether a partition has a record from an offset on.

        Raises:
            OffsetsUnknown: the brokers did not tell.
        """
        try:
            async with asyncio.timeout(COMMIT_S_MAX):
                return await asyncio.to_thread(
                    has_raw_record,
                    self._connections,
                    partition=partition,
                    next_offset=next_offset,
                )
        except (RawTopicUnread, TimeoutError) as error:
            raise OffsetsUnknown(repr(error)) from error

    def _partitions(self, partitions: Iterable[TP]) -> list[int]:
        return sorted(tp.partition for tp in partitions if tp.topic == self._topic)

    def _thread(self) -> Any:  # noqa: ANN401 - Faust's consumer thread
        return self._app.consumer._thread  # noqa: SLF001 - Faust offers no other way

    def _consumer(self) -> Any:  # noqa: ANN401 - aiokafka's consumer
        return self._thread()._ensure_consumer()  # noqa: SLF001 - likewise

    async def _call(self, function: Callable[..., Any], *args: object) -> Any:  # noqa: ANN401
        return await self._thread().call_thread(function, *args)


class _NothingRead(dict[TP, "int | None"]):
    """Stands for the offsets that Faust believes to have read: of each partition none.

    It passes over what lies before them, and notes the offset of a record only after it
    has handed it over: where a `seek` came in between, the note of the newest record
    stays, and of what was asked for again only that one comes. Lanes pass over what they
    have had, and need nobody to do it for them.
    """

    def __getitem__(self, _place: TP) -> None:
        return None

    def __setitem__(self, _place: TP, _offset: int | None) -> None:
        """Forget it."""

    def update(self, *_: object, **__: object) -> None:
        """Forget them."""


def _raw_record(message: Any) -> RawRecord:  # noqa: ANN401 - Faust's message
    headers: object = message.headers or ()
    pairs = (
        cast("Mapping[str, bytes]", headers).items()
        if isinstance(headers, Mapping)
        else headers
    )
    return RawRecord(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        key=message.key,
        value=message.value,
        headers=tuple(cast("Iterable[tuple[str, bytes]]", pairs)),
        appended_at_ms=round((message.timestamp or 0) * 1_000),
    )
