"""A document is one line, and nothing in it can steer a terminal."""

from __future__ import annotations

import json
from unicodedata import category

from hypothesis import given
from hypothesis import strategies as st

from tailrace.shown import document_json, document_line

TEXTS = st.text() | st.sampled_from(["\x1b[2J", "a\nb\r", "\u202egnp", "\U000e0041"])


@given(TEXTS, TEXTS)
def test_a_hostile_document_is_one_harmless_line(message: str, host: str) -> None:
    shown = document_line({"message": message, "host.name": host})

    assert not [one for one in shown.replace("\t", "") if category(one)[0] == "C"]
    assert len(shown.splitlines()) == 1


@given(TEXTS.filter(lambda text: text.isprintable() or "\ud800" not in text))
def test_json_is_harmless_and_reads_back_as_it_was(message: str) -> None:
    if any(0xD800 <= ord(character) <= 0xDFFF for character in message):
        return
    shown = document_json({"message": message}, document_id="i", index="x")

    assert shown.isprintable()
    assert json.loads(shown) == {"_id": "i", "_index": "x", "message": message}


def test_e5_what_the_index_ignored_is_named_beside_the_document() -> None:
    shown = document_json({"a": 1}, document_id="i", index="x", ignored=("a", "b"))

    assert json.loads(shown) == {
        "_id": "i",
        "_index": "x",
        "_ignored": ["a", "b"],
        "a": 1,
    }


def test_time_level_dataset_host_and_message_are_shown() -> None:
    document = {
        "@timestamp": "2026-11-24T01:02:03.4Z",
        "log.level": "warning",
        "event": {"dataset": "shop"},
        "message": "hello",
    }

    assert document_line(document) == (
        "2026-11-24T01:02:03.4Z  WARNING  shop  -  hello"
    )
