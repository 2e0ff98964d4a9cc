"""What is fixed for a generation at first sight, by settings and by its first bytes."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tailrace.wire import Placement, Table
from tailrace_agent.config import SourceSettings
from tailrace_agent.placement import ENTRY_LINES_MAX, placement_of
from tests.agent.test_container_chunking import cri
from tests.agent.test_streams_chunking import Written, content_of

SLOW = (
    b"# User@Host: a[a] @ b []  Id: 1\n# Query_time: 1.0  Lock_time: 0.0\nSELECT 1;\n"
)
CSV = b"time,host,status\n2026-11-24T01:02:03Z,web1,200\n"
ROWS = b"2026-11-24T01:02:03Z,web1,200\n" * 2


def placed(sample: bytes, *, path: str = "x.log", **given: object) -> Placement:
    source = SourceSettings.model_validate({"name": "x", "paths": ("/**",), **given})
    return placement_of(
        sample, path=path, source=source, host_time_zone="UTC", first_seen_at_ms=0
    )


def test_a_slow_log_has_its_rule_without_being_asked() -> None:
    """Its lines say nothing alone."""
    for given in ({}, {"dataset": "mysql.slowlog"}, {"multiline": "auto"}):
        found = placed(SLOW, **given)
        assert (found.dataset, found.parser) == ("mysql.slowlog", "mysql.slowlog")
        assert found.multiline is not None
        assert found.multiline.rule == "slowlog"
    whole = placed(SLOW).multiline
    assert whole is not None
    assert whole.max_lines == ENTRY_LINES_MAX
    assert placed(b"plain words\n").multiline is None


def test_the_columns_of_a_file_travel_with_its_chunks() -> None:
    table = Table(columns=("time", "host", "status"), separator=",")
    found = placed(CSV)
    assert (found.dataset, found.parser, found.table) == ("csv", "csv", table)
    assert found.time_rule == "event"
    assert placed(CSV, dataset="csv").table == table


def test_a_file_that_begins_without_names_has_those_of_its_source() -> None:
    found = placed(ROWS, dataset="csv", columns=("at", "web", "code"))
    assert found.table == Table(
        columns=("at", "web", "code"), separator=",", has_header=False
    )


def test_what_has_no_columns_is_read_line_by_line_whatever_it_is_called() -> None:
    found = placed(b"plain words\n", dataset="csv")
    assert (found.dataset, found.parser, found.table) == ("csv", "auto", None)
    assert found.time_rule == "generation"


@pytest.mark.parametrize(
    "given",
    [
        {"columns": ("a", "b")},
        {"columns": ("a", "b"), "dataset": "nginx.access"},
        {"columns": ("a",), "dataset": "csv"},
        {"columns": ("a", "A"), "dataset": "csv"},
        {"columns": ("a", "7"), "dataset": "csv"},
    ],
)
def test_columns_that_can_name_nothing_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="columns"):
        placed(ROWS, **given)


@pytest.mark.parametrize("container", ["cri", "docker"])
def test_auto_asks_each_stream_of_a_container_for_its_rule(container: str) -> None:
    access: Written = ("stdout", '{"level":"info","message":"GET /"}', False)
    error: Written = ("stderr", "java.lang.Error: no", False)
    frame: Written = ("stderr", "\tat app.Orders.take(Orders.java:41)", False)
    timed: Written = ("stdout", "2026-11-24 10:00:00,100 INFO started", False)
    for lines, name in (
        ([access, access], "pieces"),
        ([access, error, frame], "java"),
        ([timed, timed], "time"),
        ([timed, error, frame], "trace"),
        ([access, ("stderr", timed[1], False)], "trace"),
    ):
        rule = placed(
            content_of(lines, container=container), multiline="auto"
        ).multiline
        assert rule is not None
        assert (rule.rule, rule.container) == (name, container)


def test_a_rule_of_ones_own_sees_what_a_container_wrote() -> None:
    for given in ("go", {"start": r"^\d"}):
        rule = placed(cri("x"), multiline=given).multiline
        assert rule is not None
        assert rule.rule in {"go", "start"}
        assert rule.container == "cri"
