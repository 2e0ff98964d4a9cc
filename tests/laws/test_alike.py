"""Lines of JSON that are written alike have the very fields that each has by itself."""

from __future__ import annotations

import json

import msgspec
import polars as pl
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace.redaction.tokens import Tokens
from tailrace.wire import Placement
from tailrace_stream.chunk import process_chunk
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.parsers.alike import read_alike
from tailrace_stream.parsers.columns import MATCHED, TOLD
from tailrace_stream.parsers.fields import ALIASES, FIELDS
from tailrace_stream.parsers.shapes import ROWS_MIN
from tailrace_stream.parsers.structured import parse_json
from tailrace_stream.redact.redaction import NO_REDACTION, Redaction
from tailrace_stream.templates.masking import with_numbers_masked
from tests.stream.builders import NAMESPACE, origin, placement

_NAMES = sorted({*FIELDS, *(name for names in ALIASES.values() for name in names)})
_KEYS = st.sampled_from(
    [*_NAMES, "user", "http", "url", "event", "text", "note", "größe", "", " .", 'a"b']
)
_INNER_KEYS = st.sampled_from(
    ["name", "id", "request", "response", "method", "status_code", "body", "text", ""]
)
# Each as it stands in a line; among them what a plain pattern must not take for plain.
_NUMBERS = (
    *("0", "-0", "17", "-5", "30", "60", "9007199254740993", "9223372036854775808"),
    *("123456789012345678901234567890", "1e999", "-1e999", "1e5", "1E-7", "1e-400"),
    *("-0.0", "0.50", "12.000", "0.00001", "0.000001", "0.123456789012345678"),
    *("123456.123456789", "1234567.123456789", "1234567890123456.5", "1795496400.25"),
    *("1795496400123", "1795496400", "true", "false", "null"),
)
_TEXTS = (
    *('""', '"INFO"', '" warn "', '"17"', '"0017"', '"a b"', r'"a\nb"', r'"\u0000"'),
    *(r'"\ud800"', r'"\ud83d\ude00"', r'"\/"', r'"a\"b"', '"ü\u2028\x7f"', '"1e999"'),
    *('"2026-11-24T01:02:03Z"', '"2026-11-24 01:02:03,5+01:00"', '"2026-13-24T01:02Z"'),
    *('"2026-11-24T01:02:03.123456789Z"', '"1969-01-01T00:00:00Z"', '"{}"', '"a\tb"'),
)
_SCALARS = st.sampled_from([*_NUMBERS, *_TEXTS])


def _object(inner: dict[str, str], *, comma: str = ",", colon: str = ":") -> str:
    pairs = (f"{json.dumps(key)}{colon}{value}" for key, value in inner.items())
    return "{" + comma.join(pairs) + "}"


_OBJECTS = st.recursive(
    st.dictionaries(_INNER_KEYS, _SCALARS, max_size=3).map(_object),
    lambda inner: st.dictionaries(_INNER_KEYS, inner | _SCALARS, max_size=3).map(
        _object
    ),
    max_leaves=6,
)
_LISTS = st.lists(_SCALARS, max_size=2).map(lambda items: f"[{','.join(items)}]")
_VALUES = st.one_of(_SCALARS, _SCALARS, _SCALARS, _OBJECTS, _LISTS)
_PAIRS = st.dictionaries(_KEYS, _VALUES, min_size=1, max_size=5)
_BLANKS = st.sampled_from([(",", ":"), (", ", ": "), (" ,", ":")])


@st.composite
def alike(draw: st.DrawFn) -> list[str]:
    """Some ways of writing lines, and of each several with mostly values of one sort."""
    found: list[str] = []
    for _ in range(draw(st.integers(1, 3))):
        pairs = draw(_PAIRS)
        comma, colon = draw(_BLANKS)
        for _ in range(draw(st.integers(1, 3))):
            changed = dict(pairs)
            key = draw(st.sampled_from(sorted(pairs)))
            value = pairs[key]
            same = _TEXTS if value[0] == '"' else _NUMBERS
            changed[key] = draw(st.sampled_from(same))
            found.append(_object(changed, comma=comma, colon=colon))
    odd = ["", "{}", '{"a":1,"a":2}', '{"a":1}{"b":2}', "[1]", '{"a":1} ', "x", '{"a":']
    found += draw(st.lists(st.sampled_from(odd), max_size=2))
    return draw(st.permutations(found))


def many_of(some: list[str]) -> pl.Series:
    """Return the lines again and again, as many as are read together."""
    return pl.Series(some * (3 * ROWS_MIN // len(some) + 1))


def by_itself(line: str) -> dict[str, object]:
    """Return the fields of a line that has no neighbour, without those it has not."""
    (found,) = parse_json(pl.Series([line]), time_zone="Europe/Berlin").to_dicts()
    return {name: value for name, value in found.items() if value is not None}


@given(alike())
@example(['{"a":0.50}', '{"a":12.000}'])
@example([r'{"note":"a\/b","msg":"c\nd"}', '{"note":"d","msg":"e"}'])
@example(['{"duration":-0}', '{"duration":17}'])
@example(['{"msg":"a","message":"b"}', '{"msg":"c","message":"d"}'])
@example(['{"user":{"name":"a"},"user.name":"b"}'])
@example(['{"note":{"a":null,"b":{"":1,"_":2}}}'])
@example(['{"time":true}', '{"time":1795496400}'])
@example(['{"status":200,"level":30}', '{"status":1e999,"level":true}'])
def test_lines_read_together_are_as_read_alone(some: list[str]) -> None:
    together = parse_json(many_of(some), time_zone="Europe/Berlin")
    alone = {line: by_itself(line) for line in some}
    for line, found in zip(some, together.head(len(some)).to_dicts(), strict=True):
        found.pop(TOLD, None)
        has = {name: value for name, value in found.items() if value is not None}
        assert has == alone[line]


@given(alike())
@example(['{"event":"login 17","message":"b"}'])
@example(['{"http":{"text":"took 5 ms"},"msg":"b 7"}'])
@example([f'{{"message":"{"a 5 " * 300}","time":1}}'])
def test_what_a_parser_tells_masks_is_what_they_find(some: list[str]) -> None:
    lines = many_of(some)
    frame = parse_json(lines, time_zone="UTC")
    told = frame.get_column(TOLD) if TOLD in frame.columns else None
    found = with_numbers_masked(lines, told=told)
    assert found.to_list() == with_numbers_masked(lines).to_list()


def test_ordinary_lines_are_read_with_no_object_a_line() -> None:
    """Else the law above would hold of nothing."""
    lines = [
        f'{{"time":"2026-11-24T01:02:03.{n:03}Z","level":"info","msg":"took {n} ms",'
        f'"http":{{"request":{{"method":"GET"}},"cost":{n / 8}}},"ok":true,"x":null}}'
        for n in range(800)
    ]
    lines[7] = '{"msg":"a \\"b\\""}'
    parts, left = read_alike(pl.Series(lines), time_zone="UTC")
    assert left.to_list() == [7]
    assert sum(part.get_column(MATCHED).sum() for part in parts) == 799


def ids_of(
    lines: list[str], *, placed: Placement, redaction: Redaction = NO_REDACTION
) -> list[str | None]:
    """Return the ids of the templates of lines that are one chunk."""
    value = "".join(f"{line}\n" for line in lines).encode()
    made = process_chunk(
        value,
        origin=origin(value, placed=placed),
        namespace=NAMESPACE,
        enrichment=Enrichment(has_templates=True),
        redaction=redaction,
    )
    assert made.templates is not None
    return made.templates.ids.to_list()


def test_a_template_is_that_of_the_line_as_it_is_sent() -> None:
    """A name that is hidden may be the word that the message stands behind."""
    line = '{"user":"message","message":"took 5 ms"}'
    hiding = Redaction(fields=("user.name",), tokens=Tokens(b"k" * 32))
    placed = placement("json")
    alone = ids_of([line], placed=placed, redaction=hiding)
    together = ids_of([line] * (2 * ROWS_MIN), placed=placed, redaction=hiding)
    assert set(together) == set(alone)
    assert set(alone) != set(ids_of([line], placed=placed))


def test_a_template_is_that_of_the_line_around_another() -> None:
    text = json.dumps('{"level":"info","message":"took 5 ms"}\n')
    line = f'{{"log":{text},"stream":"stdout","time":"2026-11-24T01:02:03Z"}}'
    placed = msgspec.structs.replace(placement("docker"), inner="json")
    together = ids_of([line] * (2 * ROWS_MIN), placed=placed)
    assert set(together) == set(ids_of([line], placed=placed))
