"""Lines of JSON with values that few decoders take are lines of JSON all the same."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace_stream.parsers.json_objects import object_of
from tests.stream.builders import documents


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('{"a":1e999,"b":[-1e999,{"c":1E+400}]}', {
            "a": "1e999", "b": ["-1e999", {"c": "1E+400"}]}),
        ('{"a":1.7976931348623159e308}', {"a": "1.7976931348623159e308"}),
        ('{"a":1e999,"b":0.5,"c":-0.0,"d":1e-999}', {
            "a": "1e999", "b": 0.5, "c": -0.0, "d": 0.0}),
        (f'{{"a":{"9" * 5_000}}}', {"a": "9" * 5_000}),
        (r'{"a":"x\ud800y"}', {"a": r"x\ud800y"}),
        (r'{"\uDC00":"\udc00\ud800"}', {r"\udc00": r"\udc00\ud800"}),
        (r'{"a":"\ud83d\ude00","b":"\ud83d"}', {"a": "😀", "b": r"\ud83d"}),
    ],
)  # fmt: skip
def test_what_no_decoder_can_hold_stands_as_it_is_written(
    line: str, found: dict[str, object]
) -> None:
    assert object_of(line) == found


@pytest.mark.parametrize(
    "line",
    [
        *("", "1", "[1e999]", '"\\ud800"', '{"a":1e999', '{"a":NaN,"b":1e999}'),
        *('{"a":Infinity}', '{"a":"\\ud800\t"}', '{"a":01e999}', '{"a":1e999}x'),
        *('{"a":1e999,}', '{"a":' * 100_000, '{"a":"\\ud80"}', "{'a':1e999}"),
        *('{"a":1e999,"b":NaN}', '{"a":1e999,"b":-Infinity}'),
    ],
)
def test_what_is_no_object_of_json_is_none(line: str) -> None:
    assert object_of(line) is None


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text() | st.floats(width=64),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
        max_size=5,
    )
)
def test_an_odd_value_changes_no_other(record: dict[str, object]) -> None:
    text = msgspec.json.encode(record).decode()
    others = object_of(text)
    assert others == msgspec.json.decode(text)
    odd = object_of(f'{{"odd value":1e999,{text[1:]}')
    if record:
        assert odd == {"odd value": "1e999", **record_of(text)}


def record_of(text: str) -> dict[str, object]:
    return msgspec.json.decode(text, type=dict[str, object])


@pytest.mark.parametrize("parser", ["json", "auto"])
def test_such_a_line_keeps_its_fields_beside_the_odd_value(parser: str) -> None:
    line = (
        r'{"time":"2026-11-24T01:02:03Z","level":"warn","message":"half \ud800 of it",'
        r'"pid":1e999,"load":-1e999}'
    )
    (document,) = documents(line, parser=parser)
    assert "event.kind" not in document
    assert document["@timestamp"] == "2026-11-24T01:02:03.000Z"
    assert document["message"] == r"half \ud800 of it"
    assert document["log.level"] == "warn"
    assert document["attributes"]["pid"] == "1e999"
    assert document["attributes"]["load"] == "-1e999"
    assert document["tailrace.conflicts"] == ["process.pid"]
