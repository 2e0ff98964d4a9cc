"""Separated values by the names in their head: quotes, other headers, none, other files."""

from __future__ import annotations

import csv
import io
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.detect import detect
from tailrace.tables import COLUMNS_MAX, SEPARATORS, cells_of, table_of
from tailrace.wire import Table
from tests.stream.golden import documents_of, own, placement_of

HEADER = b"time,host,status,took_ms\n"
ROW = b"2026-11-24T01:02:03Z,web1,200,1.5\n"
TABLE = Table(columns=("time", "host", "status", "took_ms"), separator=",")


def made(content: bytes, *, table: Table | None = None) -> list[dict[str, Any]]:
    placed = placement_of("csv", table=table or TABLE)
    return [own(one) for one in documents_of(content, placed=placed)]


def is_mistake(document: dict[str, Any]) -> bool:
    return document.get("error.message") == "not a line of csv"


@pytest.mark.parametrize(
    ("content", "path", "table"),
    [
        (HEADER + ROW, "x.log", TABLE),
        (HEADER + HEADER + ROW, "x.log", TABLE),
        (HEADER, "x.csv", TABLE),
        (
            b"name;value\na;1\n",
            "x.csv",
            Table(columns=("name", "value"), separator=";"),
        ),
        (
            b'"id"|"who"|"ok"\n1|"a|b"|x\n',
            "x.csv.1",
            Table(columns=("id", "who", "ok"), separator="|"),
        ),
        (
            b"id,id,ok\n1,2,x\n",
            "x.csv",
            Table(
                columns=("column_1", "column_2", "column_3"),
                separator=",",
                has_header=False,
            ),
        ),
    ],
    ids=[
        "told by its lines",
        "twice",
        "by its name",
        "two columns",
        "quotes",
        "no names",
    ],
)
def test_the_first_line_names_the_columns(
    content: bytes, path: str, table: Table
) -> None:
    found = detect(content, path=path)
    assert (found.dataset, found.parser, found.table) == ("csv", "csv", table)


@pytest.mark.parametrize(
    "content",
    [
        b"name,value\na,1\nb,2\n",
        b"well, it works, mostly\nthen, after a while, it does not\n",
        b"one, two, three\nfour, five\n",
        HEADER,
        b"1,2,3\n4,5,6\n",
        b"a,b,a\n1,2,3\n",
        b"Dear all,\n\nin 2026, we met, at 10:00\n",
        HEADER + ROW + b"plain words\n" * 9,
    ],
)
def test_what_only_its_lines_could_tell_stays_plain_in_doubt(content: bytes) -> None:
    assert detect(content, path="x.log").dataset == "generic"


def test_a_line_that_names_the_columns_again_holds_no_values() -> None:
    first, row, again = made(HEADER + ROW + HEADER)
    assert again == first
    assert "attributes" not in first
    assert row["attributes"] == {"status": "200", "took_ms": "1.5"}


@pytest.mark.parametrize(
    "line",
    [
        b"host,time,status,took_ms",
        b"time,host,status,took_s",
        b"time,host,status",
        b"time,host,status,took_ms,user",
        b"2026-11-24T01:02:03Z,web1,200",
        b"2026-11-24T01:02:03Z,web1,200,1,2",
        b'2026-11-24T01:02:03Z,"web1,200,1',
        b'2026-11-24T01:02:03Z,"web"1,200,1',
    ],
)
def test_s1_a_line_of_other_columns_gets_no_wrong_names(line: bytes) -> None:
    """A header that changed, too many cells or too few, quotes that do not close."""
    before, other, after = made(ROW + line + b"\n" + ROW)
    assert is_mistake(other)
    assert other["message"] == line.decode()
    assert not other.keys() & {"attributes", "host.hostname"}
    assert before == after
    assert before["attributes"] == {"status": "200", "took_ms": "1.5"}


def test_a_rotated_file_without_names_has_those_that_are_told() -> None:
    told = ("at", "host", "status", "took_ms")
    table = table_of(ROW * 2, path="x", columns=told)
    assert table == Table(columns=told, separator=",", has_header=False)
    # The names in the file are the file's own.
    assert table_of(HEADER + ROW, path="x", columns=told) == TABLE
    assert table_of(ROW, path="x", columns=told[:2]) is None
    numbered = table_of(ROW * 2, path="x.csv-20261124")
    assert numbered is not None
    assert numbered.columns == ("time", "column_2", "column_3", "column_4")


def test_names_are_those_of_fields_whatever_their_case() -> None:
    table = Table(columns=("Timestamp", "Level", "Message", "Fee (%)"), separator=";")
    (found,) = made(b'2026-11-24T01:02:03Z;WARN;"a;b";2,5\n', table=table)
    assert found == {
        "@timestamp": "2026-11-24T01:02:03.000Z",
        "log.level": "warn",
        "message": "a;b",
        "event.original": '2026-11-24T01:02:03Z;WARN;"a;b";2,5',
        "attributes": {"Fee (%)": "2,5"},
    }


def test_a_placement_without_columns_costs_no_line() -> None:
    for table in (None, Table(columns=("a", "b"), separator="")):
        placed = placement_of("some.own")
        placed = type(placed)(
            dataset="csv",
            parser="csv",
            time_rule="event",
            time_zone="UTC",
            anchor_ms=0,
            earliest_ms=0,
            latest_ms=2**60,
            table=table,
        )
        found = documents_of(ROW + b"\n", placed=placed)
        assert [is_mistake(one) for one in found] == [True, False]


cells = st.lists(
    st.text(
        alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12
    ),
    min_size=2,
    max_size=6,
)


@settings(max_examples=300, deadline=None)
@given(row=cells, separator=st.sampled_from(SEPARATORS))
def test_cells_are_those_that_were_written(row: list[str], separator: str) -> None:
    written = io.StringIO()
    csv.writer(written, delimiter=separator, lineterminator="").writerow(row)
    assert cells_of(written.getvalue(), separator=separator) == row


@settings(max_examples=300, deadline=None)
@given(sample=st.binary(max_size=400), path=st.sampled_from(["x", "x.csv"]))
def test_any_bytes_give_an_answer_the_same_each_time(sample: bytes, path: str) -> None:
    found = table_of(sample, path=path)
    assert found == table_of(sample, path=path)
    assert found is None or 2 <= len(found.columns) <= COLUMNS_MAX


@pytest.mark.parametrize(
    "line", [b'"' * 20_001, b'a,"' + b'""' * 10_000, b"," * 20_000]
)
def test_x8_a_hostile_line_costs_little(line: bytes) -> None:
    started_s = time.process_time()
    table_of((line + b"\n") * 64, path="x.csv")
    made((line + b"\n") * 20)
    assert time.process_time() - started_s < 2
