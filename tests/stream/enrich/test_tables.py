"""A user's table says more of a field's values, and is read anew when it changes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pydantic import ValidationError

from tailrace.log import logger
from tailrace_stream.alarms import Alarms
from tailrace_stream.enrich.config import EnrichmentSettings
from tailrace_stream.enrich.enrichment import Enrichment
from tests.stream.builders import ACCESS_LINE, origin, placement
from tests.stream.enrich.builders import StepClock, enriched, only

CSV = "user,team,service\nfrank,payments,shop\nanna,search,\n"
CAROL = ACCESS_LINE.replace(b"frank", b"carol")
ANNA = ACCESS_LINE.replace(b"frank", b"anna")


def table(file: Path, content: str | None = None, **more: object) -> dict[str, object]:
    if content is not None:
        file.write_text(content, "utf-8")
    return {"file": file, "key": "user.name", **more}


def labels(document: dict[str, Any]) -> dict[str, str] | None:
    return document.get("labels")


def test_row_of_a_value_becomes_labels(tmp_path: Path) -> None:
    by = only(tables=[table(tmp_path / "owners.csv", CSV)])
    made = enriched(ACCESS_LINE, ANNA, CAROL, by=by, parser="access")
    assert [labels(one) for one in made] == [
        {"team": "payments", "service": "shop"},
        {"team": "search"},
        None,
    ]


def test_columns_go_to_the_fields_that_are_named_in_their_types(tmp_path: Path) -> None:
    content = "name,svc,pid,team\nfrank,shop,42,payments\n"
    fields = {"svc": "service.name", "pid": "process.pid", "team": "labels.owner"}
    by = only(tables=[table(tmp_path / "t.csv", content, fields=fields)])
    made = enriched(ACCESS_LINE, CAROL, by=by, parser="access")
    assert made[0]["service.name"] == "shop"
    assert made[0]["process.pid"] == 42
    assert labels(made[0]) == {"owner": "payments"}
    assert "service.name" not in made[1]


@pytest.mark.parametrize(
    ("content", "column"),
    [
        ('{"frank":{"team":"payments","n":7,"on":true}}', ""),
        (
            '[{"id":"x","team":"y"},{"id":"frank","team":"payments","n":7,"on":true}]',
            "id",
        ),
    ],
)
def test_json_is_read_by_key_and_as_rows(
    tmp_path: Path, content: str, column: str
) -> None:
    by = only(tables=[table(tmp_path / "t.json", content, column=column)])
    document = enriched(ACCESS_LINE, by=by, parser="access")[0]
    assert labels(document) == {"team": "payments", "n": "7", "on": "true"}


def test_labels_of_the_source_stay_and_the_tables_come_first(tmp_path: Path) -> None:
    by = only(
        tables=[
            table(tmp_path / "a.csv", "k,team\nfrank,payments\n"),
            table(tmp_path / "b.csv", "k,team,floor\nfrank,other,3\nanna,search,4\n"),
        ]
    )
    value = b"".join(line + b"\n" for line in (ACCESS_LINE, ANNA, CAROL))
    made = msgspec.structs.replace(
        origin(value, placed=placement("access", dataset="x")),
        fields={"team": "unknown", "site": "north"},
    )
    documents = enriched(ACCESS_LINE, ANNA, CAROL, by=by, made=made)
    assert [labels(one) for one in documents] == [
        {"team": "payments", "floor": "3", "site": "north"},
        {"team": "search", "floor": "4", "site": "north"},
        {"team": "unknown", "site": "north"},
    ]


def test_key_may_be_what_all_lines_of_a_file_have(tmp_path: Path) -> None:
    by = only(
        tables=[table(tmp_path / "t.csv", "h,rack\nweb1,r7\n") | {"key": "host.name"}]
    )
    made = enriched("a", "b", by=by)
    assert [labels(one) for one in made] == [{"rack": "r7"}] * 2


def test_what_a_line_or_its_host_says_itself_is_not_said_twice(tmp_path: Path) -> None:
    by = only(
        origin_fields=True,
        tables=[
            table(tmp_path / "t.csv", "h,s\nweb1,shop\n", fields={"s": "service.name"})
            | {"key": "host.name"}
        ],
    )
    line = '{"message":"x","service":"cart"}'
    made = enriched(line, '{"message":"y"}', by=by, parser="json")
    assert [one["service.name"] for one in made] == ["cart", "shop"]
    value = b'{"message":"y"}\n'
    host = msgspec.structs.replace(
        origin(value, placed=placement("json", dataset="x")),
        fields={"service.name": "own"},
    )
    assert enriched(value[:-1], by=by, made=host)[0]["service.name"] == "own"


def at(by: Enrichment, clock: StepClock) -> dict[str, str] | None:
    clock.sleep_ms(1_500)
    return labels(enriched(ACCESS_LINE, by=by, parser="access")[0])


def test_table_that_changes_is_read_anew_and_a_bad_one_keeps_the_old(
    tmp_path: Path,
) -> None:
    clock, file = StepClock(), tmp_path / "t.csv"
    by = only(clock, tables=[table(file, "k,team\nfrank,one\n")])
    assert at(by, clock) == {"team": "one"}
    file.write_text("k,team\nfrank,two\n")
    assert at(by, clock) == {"team": "two"}
    for bad, problem in (
        ("k,team\nfrank\n", "has another count of cells in row 1"),
        ("k,team\nfrank,a\nfrank,b\n", "has the key of row 2 twice"),
        ('k,team\nfrank,"a\n', "is no CSV: unexpected end of data"),
        ("", "is empty"),
        ("k,team,team\n", "names a column twice"),
        ("k,team\nfrank," + "x" * 2_000 + "\n", (
            "has more than 1024 characters in row 1, column team")),
    ):  # fmt: skip
        file.write_text(bad)
        assert at(by, clock) == {"team": "two"}
        assert by.alarms() == (f"{file} {problem}",)
    file.write_bytes(b"k,team\nfrank,\xff\n")
    assert at(by, clock) == {"team": "two"}
    file.unlink()
    assert at(by, clock) == {"team": "two"}
    assert by.alarms() == (f"{file} cannot be read: No such file or directory",)
    file.write_text("k,team\nfrank,three\n")
    assert at(by, clock) == {"team": "three"}
    assert by.alarms() == ()


def test_table_on_which_its_reader_fails_costs_no_line(tmp_path: Path) -> None:
    clock, file = StepClock(), tmp_path / "t.json"
    by = only(clock, tables=[table(file, '{"frank":{"team":"one"}}')])
    file.write_text("[" * 100_000)
    assert at(by, clock) == {"team": "one"}
    assert len(by.alarms()) == 1


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("http.response.status_code", "32768"),
        ("process.pid", "9223372036854775808"),
        ("process.pid", "many"),
        ("elasticsearch.slowlog.duration", "inf"),
    ],
)
def test_e5_table_whose_number_its_field_does_not_take_is_not_used(
    tmp_path: Path, field: str, said: str
) -> None:
    file = tmp_path / "t.csv"
    given = table(file, f"k,n\nfrank,{said}\n", fields={"n": field})
    by = only(StepClock(), tables=[given])
    (made,) = enriched(ACCESS_LINE, by=by, parser="access")
    assert made.get(field, 200) == 200
    assert by.alarms() == (f"{file} has no number in row 1, n, which {field} takes",)


class TickingClock(StepClock):
    """A clock whose wall time is that of the files' stamps, so that all look new."""

    def now_ms(self) -> int:
        return 0


def test_table_that_is_being_written_is_not_read_before_it_rests(
    tmp_path: Path,
) -> None:
    clock, file = TickingClock(), tmp_path / "t.csv"
    by = only(clock, tables=[table(file, "k,team\nfrank,one\n")])
    file.write_text("k,team\nfr")
    assert at(by, clock) == {"team": "one"}
    file.write_text("k,team\nfrank,two\nanna,x\n")
    os.utime(file, ns=(1, 1))
    assert at(by, clock) == {"team": "one"}
    assert at(by, clock) == {"team": "one"}
    assert at(by, clock) == {"team": "two"}
    assert by.alarms() == ()


def test_alarm_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    from structlog.testing import capture_logs

    said: list[tuple[str, ...]] = [(), ("a",), ("a", "b"), ("b",), ()]
    answers = iter(said)
    alarms = Alarms(lambda: next(answers), log=logger("test"))
    with capture_logs() as logs:
        for expected in said:
            assert alarms.tell() == expected
    assert [(one["event"], one["problem"]) for one in logs] == [
        ("alarm_raised", "a"),
        ("alarm_raised", "b"),
        ("alarm_ended", "a"),
        ("alarm_ended", "b"),
    ]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"a": "log.offset"}, "written by Tailrace itself"),
        ({"a": "nonesuch.field"}, "no field that a table can give"),
        ({"a": "source.geo.city_name"}, "given by another part of enrichment"),
        ({"a": "user.id", "b": "user.id"}, "more than one column goes to user.id"),
    ],
)
def test_table_for_fields_that_it_cannot_give_is_refused(
    fields: dict[str, str], words: str
) -> None:
    given = {"tables": [{"file": "/x.csv", "key": "user.name", "fields": fields}]}
    with pytest.raises(ValidationError, match=words):
        EnrichmentSettings.model_validate(given)
