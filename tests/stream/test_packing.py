"""What aiokafka's producer packs lightly is read by every reader, and is our packing."""

from __future__ import annotations

import importlib
from typing import Any, cast

import pytest
import zstandard

from tailrace_stream.packing import ZSTD_LEVEL, pack_lightly

VALUE = b"".join(
    b'{"number":%d,"url.path":"/item/%d"}\n' % (n * 7_919 % 10_007, n % 977)
    for n in range(2_000)
)
BATCH_HEADER_BYTES = 61
ZSTD = 4


def packed_batch(module_name: str, builder_name: str) -> bytes:
    builder = getattr(importlib.import_module(module_name), builder_name)
    building = builder(
        magic=2,
        compression_type=ZSTD,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset in range(3):
        building.append(
            offset, timestamp=1_795_482_000_000, key=b"key", value=VALUE, headers=[]
        )
    return bytes(building.build())


@pytest.mark.parametrize(
    ("module_name", "builder_name"),
    [
        ("aiokafka.record.default_records", "_DefaultRecordBatchBuilderPy"),
        ("aiokafka.record._crecords.default_records", "DefaultRecordBatchBuilder"),
    ],
)
def test_batches_are_packed_lightly_and_read_by_both_libraries(
    module_name: str, builder_name: str
) -> None:
    pack_lightly()
    data = packed_batch(module_name, builder_name)
    unpacked = zstandard.ZstdDecompressor().decompress(data[BATCH_HEADER_BYTES:])
    ours = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(unpacked)
    assert data[BATCH_HEADER_BYTES:] == ours
    for reader in ("aiokafka.consumer.fetcher", "kafka.consumer.fetcher"):
        records = cast("Any", importlib.import_module(reader)).MemoryRecords(data)
        batch = records.next_batch()
        assert batch.validate_crc()
        assert [record.value for record in batch] == [VALUE] * 3
