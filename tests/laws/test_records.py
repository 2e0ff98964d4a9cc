"""Records of one shape, read as columns, have the very cells that each has by itself."""

from __future__ import annotations

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace_stream.parsers.fields import ALIASES, FIELDS, fields_of
from tailrace_stream.parsers.records import Cells, cells_of

_NAMES = sorted({*FIELDS, *(name for names in ALIASES.values() for name in names)})
_KEYS = st.sampled_from([*_NAMES, "user", "http", "url", "note", "size", "", " ."])
_INNER_KEYS = st.sampled_from(
    ["name", "id", "request", "response", "method", "status_code", "body", "bytes", ""]
)
_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63),
    st.integers(0, 60),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["", "INFO", " warn ", "17", "2026-11-24T01:02:03Z", "a\nb", "\0"]),
)
_OBJECTS = st.recursive(
    st.dictionaries(_INNER_KEYS, _SCALARS, max_size=3),
    lambda inner: st.dictionaries(_INNER_KEYS, inner | _SCALARS, max_size=3),
    max_leaves=6,
)
_VALUES = st.one_of(_SCALARS, _SCALARS, _OBJECTS, st.lists(_SCALARS, max_size=2))
_RECORDS = st.dictionaries(_KEYS, _VALUES, max_size=5)


def _deep(levels: int) -> dict[str, object]:
    return {"note": _deep(levels - 1)} if levels else {"size": 1}


_DEEP = _deep(12)


@st.composite
def alike(draw: st.DrawFn) -> list[dict[str, object] | None]:
    """Some records, and each several times with other values of mostly the same types."""
    shapes = draw(st.lists(_RECORDS, min_size=1, max_size=3))
    found: list[dict[str, object] | None] = []
    for _ in range(draw(st.integers(1, 6))):
        record: dict[str, object] = dict(draw(st.sampled_from(shapes)))
        if record and draw(st.integers(0, 3)) == 0:
            record[draw(st.sampled_from(sorted(record)))] = draw(_VALUES)
        found.append(draw(st.sampled_from([record, record, record, None])))
    return found


def by_themselves(records: list[dict[str, object] | None]) -> Cells:
    cells = Cells(len(records))
    for row, record in enumerate(records):
        if record is not None:
            cells.put(row, fields_of(record))
    return cells


@given(alike())
@example([{"note": "a\0b"}])
@example([{"http": {"request": {"method": "GET"}}, "http.request.method": "PUT"}])
@example([{"http.request.method": "PUT", "http": {"request": {"method": "GET"}}}])
@example([{"pid": "x"}, {"pid": "17"}])
@example([{"pid": 2**63}, {"pid": 17}])
@example([{"user": {"id": 1}}, {"user": {"name": "a"}}])
@example([{"user": {"name": "a"}}, {"user": {"name": 5}}])
@example([{"msg": "a"}, {"msg": 5}])
@example([{"level": ""}, {"level": "INFO"}])
@example([{"http": {"a": {"b": {"c": {"d": 1}}}}}])
@example([{"note": [1, {"": {"a": []}}], "url": {"note": [{" .": 1}]}}] * 2)
@example([{"note": _DEEP, "http": {"note": [_DEEP], "a": {"note": {"a": _DEEP}}}}] * 2)
def test_records_read_together_are_as_read_alone(
    records: list[dict[str, object] | None],
) -> None:
    text = msgspec.json.encode(records)
    together = cells_of(records, is_plain=b"\\u0000" not in text)
    alone = by_themselves(records)
    assert together.columns == alone.columns
    assert together.attributes == alone.attributes
    assert together.conflicts == alone.conflicts
    for name, column in together.columns.items():
        assert list(map(type, column)) == list(map(type, alone.columns[name]))
