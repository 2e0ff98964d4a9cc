from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.query import Filter, Row
from tailrace_dashboard.rows import chip_views, markdown, message_of, row_view
from tests.browser.corpus import HOSTILE_MESSAGES

CURSOR = ("2026-11-24T01:02:03.456789012Z", "generation", 7)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=10), inner, max_size=3)
    ),
    max_leaves=8,
)


def row(document: dict[str, Any], *, cursor: tuple[Any, ...] = CURSOR) -> Row:
    return Row(document_id="id-1", index="ns-a-1", document=document, cursor=cursor)


def texts_of(view: object) -> Iterator[str]:
    """Yield every text that the page will draw; raw filter values are not drawn."""
    if isinstance(view, str):
        yield view
    elif isinstance(view, dict):
        for key, value in cast("dict[str, object]", view).items():
            if key not in {"value", "name", "id"}:
                yield from texts_of(value)
    elif isinstance(view, list):
        for value in cast("list[object]", view):
            yield from texts_of(value)


@given(st.dictionaries(st.text(max_size=20), VALUES, max_size=8), st.text(max_size=40))
def test_x5_no_text_that_is_drawn_can_steer_the_page(
    document: dict[str, Any], message: str
) -> None:
    """Controls, bidirectional overrides and lone surrogates are written out (X5)."""
    view = row_view(row({**document, "message": message}), zone=UTC, has_date=True)
    for text in texts_of(view):
        for character in text:
            if character in "\n\t":
                continue
            category = unicodedata.category(character)
            assert category[0] != "C", (category, text)
            assert category not in {"Zl", "Zp"}, (category, text)
    json.dumps(view)


def test_a_row_shows_its_time_in_the_readers_zone_to_the_millisecond() -> None:
    view = row_view(row({}), zone=ZoneInfo("Asia/Kolkata"), has_date=False)
    assert view["time"] == "06:32:03.456"
    assert "2026-11-24T01:02:03.456789012Z" in view["time_full"]
    assert row_view(row({}), zone=UTC, has_date=True)["time"] == "Nov 24 01:02:03.456"


def test_a_line_found_by_its_offset_shows_its_own_time() -> None:
    document = {"@timestamp": "2026-11-24T01:02:03.456789012Z"}
    view = row_view(row(document, cursor=(69_013,)), zone=UTC, has_date=False)
    assert view["time"] == "01:02:03.456"


def test_a_time_that_no_calendar_has_is_shown_as_it_stands() -> None:
    view = row_view(row({}, cursor=("\x1b[31mnever",)), zone=UTC, has_date=False)
    assert view["time"] == "\\x1b[31mnever"


def test_an_opened_row_has_every_field_and_raw_values_to_filter_by() -> None:
    document = {
        "message": "hello",
        "host.name": "web\u202e-1",
        "http": {"response": {"status_code": 502}},
        "tags": ["a", "b"],
        "ok": True,
    }
    fields = {
        one["name"]: one
        for one in row_view(row(document), zone=UTC, has_date=False)["fields"]
    }
    assert fields["host.name"]["shown"] == "web\\u202e-1"
    assert fields["host.name"]["value"] == "web\u202e-1"
    assert fields["http.response.status_code"]["value"] == "502"
    assert fields["ok"]["value"] == "true"
    assert (fields["tags"]["shown"], fields["tags"]["value"]) == ("a, b", None)
    assert fields["message"]["value"] is None
    assert {"_id", "_index"} <= set(fields)
    assert "_ignored" not in fields


def test_e5_an_opened_row_names_what_the_index_ignored() -> None:
    found = replace(row({"message": "hello"}), ignored=("user.name", "url\x1b.path"))
    view = row_view(found, zone=UTC, has_date=False)
    (ignored,) = [one for one in view["fields"] if one["name"] == "_ignored"]
    assert ignored["shown"] == "user.name, url\\x1b.path"
    assert "_ignored" in view["json"]


def test_the_line_as_written_stands_in_for_a_missing_message() -> None:
    assert message_of({"event": {"original": "raw"}}) == "raw"
    assert message_of({"message": "said", "event.original": "raw"}) == "said"
    assert message_of({}) == ""


@pytest.mark.parametrize("message", HOSTILE_MESSAGES)
def test_x6_markdown_shows_hostile_text_as_it_stands(message: str) -> None:
    """Every sign that Markdown or Streamlit gives a meaning is escaped (X6)."""
    shown = markdown(message)
    for place, character in enumerate(shown):
        if character in "<>[]()*_`~#!$|{}&":
            assert shown[place - 1] == "\\", shown
    assert ":red[" not in shown
    assert ":material/" not in shown


def test_chips_name_what_is_filtered() -> None:
    chips = chip_views([Filter("host.name", "a\x1b", is_excluded=True)])
    assert chips == [{"text": "host.name: a\\x1b", "is_excluded": True}]
