"""Which part of the raw topic is read again, and that what retention took is refused."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tailrace.errors import CommandFailed
from tailrace.replay.span import Choice, Held, parse_offsets, spans_of
from tailrace.topics import DAY_MS, RAW
from tests.stream.builders import origin, placement

NOW_MS = 1_795_500_000_000
HELD = {
    0: Held(begin=0, end=10),
    1: Held(begin=100, end=120),
    2: Held(begin=5, end=5),
}


def spans(choice: Choice, held: dict[int, Held]) -> dict[int, range]:
    return spans_of(choice, held, now_ms=NOW_MS)


def test_all_that_is_held_is_read_where_offsets_are_left_open() -> None:
    first, end = parse_offsets(":")

    found = spans(Choice(first_offset=first, end_offset=end), HELD)

    assert found == {0: range(10), 1: range(100, 120), 2: range(5, 5)}


def test_offsets_are_those_of_the_named_partitions() -> None:
    first, end = parse_offsets("104:112")
    choice = Choice(partitions=frozenset({1}), first_offset=first, end_offset=end)

    assert spans(choice, HELD) == {1: range(104, 112)}
    assert spans(Choice(end_offset=3), HELD)[0] == range(3)
    assert spans(Choice(end_offset=3), HELD)[1] == range(100, 100)


def test_a_moment_is_read_from_its_first_record_on() -> None:
    held = {
        0: Held(begin=0, end=10, since=(4, NOW_MS - 50), until_offset=8),
        1: Held(begin=100, end=120, since=(110, NOW_MS - 20)),
        2: Held(begin=100, end=120),
    }
    choice = Choice(since_ms=NOW_MS - 60, until_ms=NOW_MS - 10)

    assert spans(choice, held) == {
        0: range(4, 8),
        1: range(110, 120),
        2: range(120, 120),
    }


def test_e9_offsets_that_retention_took_are_refused() -> None:
    choice = Choice(partitions=frozenset({1}), first_offset=99)

    with pytest.raises(CommandFailed) as refused:
        spans(choice, HELD)

    assert "partition 1 begins at offset 100, not at 99" in str(refused.value)
    assert "--offsets" in refused.value.remedy
    assert "7 days" in refused.value.remedy


def test_e9_a_moment_of_which_retention_took_records_is_refused() -> None:
    """The oldest record that is left is younger, and there were others before it."""
    held = {3: Held(begin=100, end=120, since=(100, NOW_MS - 1_000))}

    with pytest.raises(CommandFailed, match="partition 3 begins with a record of 2026"):
        spans(Choice(since_ms=NOW_MS - 2_000), held)

    at_it = Choice(since_ms=NOW_MS - 1_000)
    assert spans(at_it, held) == {3: range(100, 120)}
    never_taken = {3: Held(begin=0, end=120, since=(0, NOW_MS - 1_000))}
    assert spans(Choice(since_ms=0), never_taken) == {3: range(120)}


def test_e9_a_partition_that_was_emptied_is_refused_for_what_is_older_than_retention() -> (
    None
):
    young = Choice(since_ms=NOW_MS - RAW.retention_ms + DAY_MS)
    old = Choice(since_ms=NOW_MS - RAW.retention_ms - 1)

    assert spans(young, {2: HELD[2]}) == {2: range(5, 5)}
    with pytest.raises(CommandFailed, match="partition 2 is empty"):
        spans(old, {2: HELD[2]})


def test_e9_of_many_partitions_that_lost_some_the_first_are_named() -> None:
    held = {n: Held(begin=100, end=120) for n in range(8)}

    with pytest.raises(CommandFailed, match=r"partition 2 begins .*, and 5 more\."):
        spans(Choice(first_offset=5), held)


def test_a_partition_that_is_not_there_is_refused() -> None:
    with pytest.raises(CommandFailed, match="no partition 9"):
        spans(Choice(partitions=frozenset({1, 9})), HELD)


@pytest.mark.parametrize(
    "text", ["", "7", "a:b", "9:9", "9:3", "-1:4", "1:-4", "1:2:3"]
)
def test_offsets_that_are_none_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(CommandFailed) as refused:
        parse_offsets(text)

    assert repr(text) in str(refused.value)
    assert "--offsets 1200:1300" in refused.value.remedy


def test_chunks_are_meant_by_host_file_and_dataset_together() -> None:
    chunk = replace(
        origin(b"x\n", placed=placement(dataset="nginx.access")),
        host_name="web1",
        path="/var/log/nginx/access.log",
    )

    assert Choice().takes(chunk)
    assert Choice(hosts=("db1", "web*"), datasets=("nginx.*",)).takes(chunk)
    assert Choice(files=("/var/log/nginx/*.log",)).takes(chunk)
    assert not Choice(hosts=("web1",), datasets=("generic",)).takes(chunk)
    assert not Choice(files=("access.log",)).takes(chunk)
    assert not Choice(hosts=("WEB1",)).takes(chunk)
