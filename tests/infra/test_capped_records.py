"""A batch that unpacks to more than the cap is refused whole, and reading goes on (X9)."""

from __future__ import annotations

import gzip
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from tailrace import capped_records
from tailrace.capped_records import (
    REFUSED_HEADER,
    UNPACKED_BYTES_MAX,
    cap_aiokafka,
    cap_kafka_python,
    refusal_of,
)
from tailrace.topics import TOPICS
from tailrace.unpacking import (
    UnpackedTooLarge,
    snappy_size,
    unpack_gzip,
    unpack_lz4,
    unpack_snappy,
    unpack_zstd,
)

BATCH_HEADER_BYTES = 61
GZIP, SNAPPY, LZ4, ZSTD = 1, 2, 3, 4
LIBRARIES = {
    "kafka.consumer.fetcher": (GZIP, LZ4, ZSTD),
    "aiokafka.consumer.fetcher": (GZIP, SNAPPY, LZ4, ZSTD),
}
CASES = [(name, codec) for name, codecs in LIBRARIES.items() for codec in codecs]
SMALL_CAP_BYTES = 1 << 20
"""So that nothing of a size that takes long is packed here."""
CAP_BYTES = 16 << 20
BOMB_BYTES = 8 * CAP_BYTES
READS_A_BOMB = """
import resource, sys, importlib
from pathlib import Path
from tailrace import capped_records
capped_records.UNPACKED_BYTES_MAX = int(sys.argv[3])
capped_records.cap_kafka_python(); capped_records.cap_aiokafka()
fetcher = importlib.import_module(sys.argv[1])
data = Path(sys.argv[2]).read_bytes()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
records = list(fetcher.MemoryRecords(data).next_batch())
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(grown, len(records), len(records[0].value))
"""

Codec = Callable[[bytes], bytes]
lz4_frame = cast("Any", importlib.import_module("lz4.frame"))


def packed_lz4(content: bytes) -> bytes:
    return cast("bytes", lz4_frame.compress(content))


def packed_lz4_unsized(content: bytes) -> bytes:
    return cast("bytes", lz4_frame.compress(content, store_size=False))


def packed_zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


def packed_zstd_unsized(content: bytes) -> bytes:
    packing = zstandard.ZstdCompressor().compressobj()
    return packing.compress(content) + packing.flush()


def batch(value: bytes, *, codec: int, count: int = 1) -> bytes:
    """Return a batch of records as a broker gives it."""
    module = cast("Any", importlib.import_module("aiokafka.record.default_records"))
    builder = module.DefaultRecordBatchBuilder(2, codec, 0, -1, -1, -1, 1 << 30)
    for offset in range(count):
        assert builder.append(offset, 1_000, b"key", value, [("h", b"v")]) is not None
    return bytes(builder.build())


def zeros_in_a_batch(size_bytes: int) -> bytes:
    """Return a batch of one record that unpacks to so many zeros, without making them.

    Its header is that of a small one, and it has no checksum: nobody asks for it here.
    """
    small = batch(b"", codec=ZSTD)
    packing = zstandard.ZstdCompressor().compressobj()
    packed = b"".join(packing.compress(bytes(1 << 20)) for _ in range(size_bytes >> 20))
    packed += packing.flush()
    length = BATCH_HEADER_BYTES - 12 + len(packed)
    header = small[:8] + length.to_bytes(4, "big") + small[12:BATCH_HEADER_BYTES]
    return header + packed


def read(fetcher: str, data: bytes) -> list[Any]:
    """Return the records of all batches, as that library's fetcher goes over them."""
    cap_kafka_python()
    cap_aiokafka()
    module = cast("Any", importlib.import_module(fetcher))
    records, found = module.MemoryRecords(data), list[Any]()
    while records.has_next():
        one = records.next_batch()
        assert one.validate_crc()
        found += list(one)
        assert found[-1].offset < one.next_offset
    return found


@pytest.mark.parametrize(("fetcher", "codec"), CASES)
def test_x9_records_within_the_cap_are_read_as_they_are(
    fetcher: str, codec: int
) -> None:
    found = read(fetcher, batch(b"of a log" * 100, codec=codec, count=3))
    assert [(r.offset, r.key, r.value) for r in found] == [
        (offset, b"key", b"of a log" * 100) for offset in range(3)
    ]
    assert all(refusal_of(r.headers) is None for r in found)


@pytest.mark.parametrize(("fetcher", "codec"), CASES)
def test_x9_batch_that_unpacks_to_too_much_is_refused_and_the_next_one_read(
    fetcher: str, codec: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capped_records, "UNPACKED_BYTES_MAX", SMALL_CAP_BYTES)
    bomb = batch(b"\0" * (SMALL_CAP_BYTES + 1), codec=codec)
    found = read(fetcher, bomb + batch(b"good", codec=codec))
    assert [r.value for r in found[1:]] == [b"good"]
    assert found[0].key is None
    assert found[0].offset == 0
    assert bomb.endswith(found[0].value)
    assert str(SMALL_CAP_BYTES) in (refusal_of(found[0].headers) or "")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("fetcher", LIBRARIES)
def test_x9_refused_batch_never_fills_memory(tmp_path: Path, fetcher: str) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(zeros_in_a_batch(BOMB_BYTES))
    done = subprocess.run(
        [sys.executable, "-c", READS_A_BOMB, fetcher, str(path), str(CAP_BYTES)],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    grown_kib, count, kept_bytes = map(int, done.stdout.split())
    assert (count, kept_bytes < path.stat().st_size) == (1, True)
    assert grown_kib * 1_024 < CAP_BYTES * 3 < BOMB_BYTES


def test_x9_cap_lets_the_largest_record_of_every_topic_through() -> None:
    assert max(topic.message_bytes_max for topic in TOPICS) * 4 <= UNPACKED_BYTES_MAX


def test_x9_who_sets_the_cap_twice_caps_once() -> None:
    cap_kafka_python()
    module = cast("Any", importlib.import_module("kafka.consumer.fetcher"))
    capped = module.MemoryRecords
    cap_kafka_python()
    assert module.MemoryRecords is capped
    assert refusal_of([("other", b"x"), (REFUSED_HEADER, b"why")]) == "why"


UNPACKERS: list[tuple[Codec, Callable[..., bytes]]] = [
    (gzip.compress, unpack_gzip),
    (packed_lz4, unpack_lz4),
    (packed_lz4_unsized, unpack_lz4),
    (packed_zstd, unpack_zstd),
    (packed_zstd_unsized, unpack_zstd),
]


@pytest.mark.parametrize(("pack", "unpack"), UNPACKERS)
@given(content=st.binary(max_size=3_000), repeats=st.integers(1, 2_000))
def test_x9_what_fits_is_unpacked_to_the_last_byte_and_no_byte_more(
    pack: Codec, unpack: Callable[..., bytes], content: bytes, repeats: int
) -> None:
    whole = content * repeats
    packed = pack(whole)
    assert unpack(packed, bytes_max=len(whole)) == whole
    if whole:
        with pytest.raises(UnpackedTooLarge) as refused:
            unpack(packed, bytes_max=len(whole) - 1)
        assert refused.value.payload == packed


@pytest.mark.parametrize(("pack", "unpack"), UNPACKERS[:3])
def test_x9_half_of_it_is_an_error_and_not_an_endless_loop(
    pack: Codec, unpack: Callable[..., bytes]
) -> None:
    packed = pack(bytes(range(256)) * 500)
    with pytest.raises((ValueError, RuntimeError, EOFError)):
        unpack(packed[: len(packed) // 2], bytes_max=1 << 20)


def test_x9_gzip_members_one_after_the_other_share_the_limit() -> None:
    packed = gzip.compress(b"a" * 600) + gzip.compress(b"b" * 600)
    assert unpack_gzip(packed, bytes_max=1_200) == b"a" * 600 + b"b" * 600
    with pytest.raises(UnpackedTooLarge):
        unpack_gzip(packed, bytes_max=1_000)


def test_x9_snappy_is_held_to_the_size_that_it_begins_with() -> None:
    one_block = b"\x80\x80\x80\x01" + b"..."
    assert snappy_size(one_block) == 1 << 21
    header = b"\x82SNAPPY\x00" + b"\0\0\0\1" * 2
    blocks = header + b"".join(
        len(one_block).to_bytes(4, "big") + one_block for _ in range(3)
    )
    assert snappy_size(blocks) == 3 << 21
    with pytest.raises(UnpackedTooLarge):
        unpack_snappy(blocks, bytes_max=(3 << 21) - 1, unpack=lambda _: b"")
    assert unpack_snappy(blocks, bytes_max=3 << 21, unpack=lambda _: b"x") == b"x"
    for broken in (b"", b"\xff" * 9, header + b"\0\0\0\0"):
        with pytest.raises(ValueError, match="snappy"):
            snappy_size(broken)
