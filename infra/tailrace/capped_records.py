"""A cap of our own on what a batch of records unpacks to, in both libraries that read Kafka.

Who may write a record to one of our topics could else fill the memory of every reader with
a few kilobytes. A batch beyond the cap is not unpacked: in its place the reader is given
one record, at the batch's first offset, whose value are the bytes as they were packed and
whose header `REFUSED_HEADER` says why. So reading goes on behind it, and who reads decides
(`refusal_of`): the stream and the indexer make a dead letter of it. It has no key, and
readers of compacted topics take no word from a record without one.

The libraries have no setting for this. What is put in its place is what each of them names
at one place: the class that parts an answer into batches, and the functions that unpack.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, cast

from tailrace.topics import MEBIBYTE
from tailrace.unpacking import (
    UnpackedTooLarge,
    unpack_gzip,
    unpack_lz4,
    unpack_snappy,
    unpack_zstd,
)

UNPACKED_BYTES_MAX = 64 * MEBIBYTE
"""Of one batch of records: four times the largest record of any topic of ours, and more
than other collectors put into one. A reader holds this twice for a moment."""
REFUSED_HEADER = "tailrace-refused"
UNPACKED_TOO_LARGE = "unpacked_too_large"
"""The reason that the dead letter gives."""
_ALL_PACKINGS = 0x07
_CAPPED_MARK = "_tailrace_is_capped"


class _Unpack(Protocol):
    def __call__(self, payload: bytes, *, bytes_max: int) -> bytes: ...


@dataclass(frozen=True, slots=True)
class RefusedRecord:
    """Stands for a batch that was not unpacked, as both libraries look at a record."""

    offset: int
    timestamp: int
    timestamp_type: int
    value: bytes
    headers: list[tuple[str, bytes]]
    key: None = None
    checksum: None = None

    @property
    def size_in_bytes(self) -> int:
        """Return the size that a library's figures count."""
        return len(self.value)

    def validate_crc(self) -> bool:
        """Return whether it is as it was written: its batch was asked before."""
        return True


class CappedBatch:
    """One packed batch; everything but its records is the library's own."""

    def __init__(self, batch: object) -> None:
        self._batch = cast("Any", batch)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the library has no types
        return getattr(self._batch, name)

    def __iter__(self) -> Iterator[Any]:
        """Yield the records, or the one that says why there are none."""
        try:
            yield from self._batch
        except UnpackedTooLarge as error:
            batch = self._batch
            yield RefusedRecord(
                offset=batch.base_offset,
                timestamp=batch.max_timestamp,
                timestamp_type=batch.timestamp_type,
                value=error.payload,
                headers=[(REFUSED_HEADER, str(error).encode())],
            )


class CappedRecords:
    """Parts an answer of a broker into batches, as the library's class does."""

    def __init__(self, records: object) -> None:
        self._records = cast("Any", records)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - the library has no types
        return getattr(self._records, name)

    def next_batch(self) -> Any:  # noqa: ANN401 - the library has no types
        """Return the next batch; None where the library has none."""
        batch = self._records.next_batch()
        attributes = getattr(batch, "attributes", 0)
        return CappedBatch(batch) if attributes & _ALL_PACKINGS else batch


def refusal_of(headers: Iterable[tuple[str, bytes]] | None) -> str | None:
    """Return why a record stands for what was not unpacked; None where it is itself."""
    for name, value in headers or ():
        if name == REFUSED_HEADER:
            return value.decode("utf-8", "replace")
    return None


def cap_kafka_python() -> None:
    """Have consumers of kafka-python unpack no more than the cap; safe to repeat."""
    _cap(
        "kafka.consumer.fetcher",
        ("kafka.record.default_records", "kafka.record.legacy_records"),
    )


def cap_aiokafka() -> None:
    """Have consumers of aiokafka, which Faust stands on, unpack no more; likewise."""
    _cap(
        "aiokafka.consumer.fetcher",
        (
            "aiokafka.record.default_records",
            "aiokafka.record.legacy_records",
            "aiokafka.record._crecords.default_records",
            "aiokafka.record._crecords.legacy_records",
        ),
    )


def modules_there(names: Iterable[str]) -> Iterator[Any]:
    """Yield those modules of a library that are there, of which some may be compiled.

    Without its compiled half the library uses the other one.
    """
    for name in names:
        try:
            yield importlib.import_module(name)
        except ImportError:
            continue


def _cap(fetcher_name: str, record_modules: Sequence[str]) -> None:
    fetcher = cast("Any", importlib.import_module(fetcher_name))
    if getattr(fetcher, _CAPPED_MARK, False):
        return
    records = fetcher.MemoryRecords

    def capped(data: bytes) -> CappedRecords:
        return CappedRecords(records(data))

    fetcher.MemoryRecords = capped
    setattr(fetcher, _CAPPED_MARK, True)
    for module in modules_there(record_modules):
        for function, unpack in _unpackers(module.snappy_decode).items():
            if hasattr(module, function):
                setattr(module, function, unpack)


def _unpackers(
    snappy: Callable[[bytes], bytes],
) -> dict[str, Callable[[bytes], bytes]]:
    return {
        "gzip_decode": _within_cap(unpack_gzip),
        "lz4_decode": _within_cap(unpack_lz4),
        "zstd_decode": _within_cap(unpack_zstd),
        "snappy_decode": _within_cap(partial(unpack_snappy, unpack=snappy)),
    }


def _within_cap(unpack: _Unpack) -> Callable[[bytes], bytes]:
    def unpacked(payload: bytes) -> bytes:
        return unpack(payload, bytes_max=UNPACKED_BYTES_MAX)

    return unpacked
