"""What a user agent's text says stands in fields of its own."""

from __future__ import annotations

import polars as pl
import pytest

from tailrace_stream.enrich.fragments import Fragments
from tailrace_stream.enrich.user_agents import UserAgents
from tests.stream.builders import ACCESS_LINE
from tests.stream.enrich.builders import enriched, only

FIREFOX = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:139.0) Gecko/20100101 Firefox/139.0"
)
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML,"
    " like Gecko) Version/18.5 Mobile/15E148 Safari/604.1"
)
agents = UserAgents()


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        (
            FIREFOX,
            {
                "user_agent.name": "Firefox",
                "user_agent.version": "139.0",
                "user_agent.os.name": "Windows",
                "user_agent.os.version": "10",
            },
        ),
        (
            IPHONE,
            {
                "user_agent.name": "Mobile Safari",
                "user_agent.version": "18.5",
                "user_agent.os.name": "iOS",
                "user_agent.os.version": "18.5",
                "user_agent.device.name": "iPhone",
            },
        ),
        (
            "curl/8.14.1",
            {"user_agent.name": "curl", "user_agent.version": "8.14.1"},
        ),
        ("", {}),
        ("\0\ud7ff\U0010ffff", {}),
    ],
)
def test_text_says_name_system_and_device(text: str, fields: dict[str, str]) -> None:
    assert agents.fields(text) == fields


def test_document_has_the_fields_beside_the_text_itself() -> None:
    line = ACCESS_LINE.replace(b"Mozilla/5.0 (X11; Linux)", FIREFOX.encode())
    document = enriched(line, by=only(user_agent=True), parser="access")[0]
    assert document["user_agent.original"] == FIREFOX
    assert document["user_agent.name"] == "Firefox"
    assert "source.geo.country_iso_code" not in document


def test_line_without_a_user_agent_gets_none_beside_one_with_it() -> None:
    line = ACCESS_LINE.replace(b"Mozilla/5.0 (X11; Linux)", FIREFOX.encode())
    without = ACCESS_LINE.replace(b"Mozilla/5.0 (X11; Linux)", b"-")
    made = enriched(without, line, by=only(user_agent=True), parser="access")
    assert ["user_agent.name" in one for one in made] == [False, True]


def test_long_text_costs_no_more_than_its_beginning() -> None:
    text = FIREFOX + " " + "(" * 2_000_000
    assert agents.fields(text)["user_agent.name"] == "Firefox"


def test_table_asks_each_value_once_and_is_begun_anew_when_it_is_full() -> None:
    asked: list[str] = []

    def look_up(value: str) -> dict[str, object]:
        asked.append(value)
        return {"x": value}

    table = Fragments(look_up, bytes_max=10_000)
    values = pl.Series(["a", "b", None, "a", "b"])
    assert table.column(values).to_list() == [
        ',"x":"a"',
        ',"x":"b"',
        "",
        ',"x":"a"',
        ',"x":"b"',
    ]
    assert asked == ["a", "b"]
    for number in range(200):
        table.column(pl.Series([f"other-{number}"]))
        assert len(table) < 60
    assert table.column(values).to_list()[0] == ',"x":"a"'


def test_value_that_cannot_be_looked_up_costs_its_fields_and_no_line() -> None:
    def look_up(value: str) -> dict[str, object]:
        if value == "bad":
            raise RuntimeError(value)
        return {"x": value}

    table = Fragments(look_up)
    assert table.column(pl.Series(["bad", "a"])).to_list() == ["", ',"x":"a"']
    assert table.failure_count == 1


def test_value_that_is_very_long_is_not_remembered() -> None:
    table = Fragments(lambda value: {"size": len(value)})
    assert table.column(pl.Series(["x" * 5_000])).to_list() == [',"size":5000']
    assert not table
