"""Elasticsearch as the sink: bulks and orders for indices, each in a thread of a few."""

from __future__ import annotations

import queue
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec

from tailrace.elasticsearch import NDJSON, Answer, Elastic, RequestTimedOut
from tailrace.errors import ServiceUnavailable
from tailrace_indexer.bulk import Bulk
from tailrace_indexer.contracts import (
    BulkAnswered,
    BulkLost,
    Finished,
    IndexAnswered,
)
from tailrace_indexer.index_orders import Maker
from tailrace_indexer.outcomes import (
    ItemError,
    Outcome,
    Reason,
    Verdict,
    judge_request,
)

BULK_PATH = (
    # How long the server waits for a shard that is not there: other indices' documents
    # are in the same request, and their answers wait with it.
    "/_bulk?timeout=10s"
    # What is read only where something failed, and the status that keeps the count.
    "&filter_path=errors,items.*.status,items.*.error.type,items.*.error.reason"
    ",items.*.error.caused_by.type,items.*.error.caused_by.reason"
)
ANSWER_TIMEOUT_S = 60.0


class _ErrorAnswer(msgspec.Struct):
    error: ItemError | str | None = None


_error_decoder = msgspec.json.Decoder(_ErrorAnswer)


class ElasticsearchSink:
    """Sends bulks, each in one request and once; what to do next is not decided here."""

    def __init__(
        self, elastic: Elastic, *, index_maker: Maker, in_flight_max: int
    ) -> None:
        self._elastic = elastic
        self._index_maker = index_maker
        self._pool = ThreadPoolExecutor(in_flight_max, "bulk")
        # An order for an index must not wait behind bulks that wait for that index.
        self._index_pool = ThreadPoolExecutor(1, "index")
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()

    def submit(self, bulk: Bulk) -> None:
        """Send a bulk; returns at once."""
        self._pool.submit(self._send, bulk)

    def submit_index(self, index: str) -> None:
        """Have an index made, by our template; returns at once."""
        self._index_pool.submit(self._make, index)

    def finished(self, *, wait_ms_max: int) -> Sequence[Finished]:
        """Return what was answered since last asked; wait for a first one at most so."""
        taken: list[Finished] = []
        try:
            if wait_ms_max:
                taken.append(self._finished.get(timeout=wait_ms_max / 1_000))
            while True:
                taken.append(self._finished.get_nowait())
        except queue.Empty:
            return taken

    def close(self) -> None:
        """Take no more; requests on their way end by themselves."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._index_pool.shutdown(wait=False, cancel_futures=True)

    def _send(self, bulk: Bulk) -> None:
        started_s = time.monotonic()
        try:
            answer = self._elastic.request(
                "POST",
                BULK_PATH,
                body=bulk.body(),
                content_type=NDJSON,
                timeout_s=ANSWER_TIMEOUT_S,
            )
        except RequestTimedOut as error:
            verdict = Verdict(Outcome.RETRY, Reason.TIMED_OUT, str(error))
            self._finished.put(BulkLost(bulk, verdict))
            return
        except ServiceUnavailable as error:
            verdict = Verdict(Outcome.RETRY, Reason.UNREACHABLE, str(error))
            self._finished.put(BulkLost(bulk, verdict))
            return
        except Exception as error:  # noqa: BLE001 - a bulk must be answered, whatever happens
            verdict = Verdict(Outcome.HOLD, Reason.UNEXPECTED, repr(error)[:500])
            self._finished.put(BulkLost(bulk, verdict))
            return
        took_ms = int((time.monotonic() - started_s) * 1_000)
        self._finished.put(answered(bulk, answer, took_ms=took_ms))

    def _make(self, index: str) -> None:
        try:
            verdict = self._index_maker.make(index)
        except Exception as error:  # noqa: BLE001 - an order must be answered, whatever happens
            verdict = Verdict(Outcome.HOLD, Reason.UNEXPECTED, repr(error)[:500])
        self._finished.put(IndexAnswered(index, verdict))


def answered(bulk: Bulk, answer: Answer, *, took_ms: int) -> BulkAnswered:
    """Return an answer as the protocol takes it."""
    if answer.status == 200:
        return BulkAnswered(bulk, took_ms, answer.body)
    return BulkAnswered(
        bulk, took_ms, refusal=judge_request(answer.status, error_of(answer))
    )


def error_of(answer: Answer) -> ItemError:
    """Return the error of a whole answer; what is not JSON is quoted."""
    try:
        error = _error_decoder.decode(answer.body).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ItemError("", answer.body[:300].decode("utf-8", "backslashreplace"))
    if isinstance(error, ItemError):
        return error
    return ItemError("", error or "")
