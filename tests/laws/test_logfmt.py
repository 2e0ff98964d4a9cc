"""Lines of logfmt that have the same keys have the very fields that each has by itself."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tailrace_stream.parsers import logfmt
from tailrace_stream.parsers.fields import ALIASES, FIELDS
from tailrace_stream.parsers.structured import parse_logfmt

_NAMES = sorted({*FIELDS, *(name for names in ALIASES.values() for name in names)})
_KEYS = st.sampled_from([*_NAMES, "a", "größe", "a.b", "a+b", "_", "$x", "(", "x\x1cy"])
# Each as it stands in a line; among them what a plain pattern must not take for plain.
_VALUES = st.sampled_from(
    [
        *('""', '"a b"', '"', '"a', 'a"b', '"a"b', '"a\\"b"', '"a\\nb"', r"a\b", "a=b"),
        *("", "17", "-5", "0", "1e9", "info", "WARN", "true", "ü", "a\x1cb", "a\x85b"),
        *(
            '"a\tb"',
            '"=" b="c"',
            "\u2028",
            "2026-11-24T01:02:03Z",
            '"2026-11-24 01:02"',
        ),
        *(
            "1795496400",
            "1795496400.25",
            "99999999999999999999",
            "{}",
            "a\x00b",
            "a\tb",
        ),
    ]
)
_BLANKS = st.sampled_from([" "] * 8 + ["  ", "\t", ""])


@st.composite
def _chunks(draw: st.DrawFn) -> list[str]:
    """Draw lines most of which have the keys of a few."""
    shapes = draw(
        st.lists(st.lists(_KEYS, min_size=1, max_size=5), min_size=1, max_size=3)
    )
    lines: list[str] = []
    for _ in range(draw(st.integers(1, 24))):
        line = ""
        for key in draw(st.sampled_from(shapes)):
            line += f"{draw(_BLANKS) if line else ''}{key}={draw(_VALUES)}"
        lines.append(
            draw(st.sampled_from([line] * 8 + [f"x {line}", f"{line} ", "none"]))
        )
    return lines


def _rows(lines: list[str]) -> list[dict[str, object]]:
    frame = parse_logfmt(pl.Series(lines, dtype=pl.String), time_zone="UTC")
    return [
        {name: value for name, value in row.items() if value is not None}
        for row in frame.to_dicts()
    ]


@example(lines=["a=1 b=2", 'a="1" b=2', "a=1 b=", "a=1 b=2 c", "b=2 a=1", 'a=1 b="2'])
@example(lines=["level=info a=1", "level=17 a=1", "a=1"])
@example(lines=["a=1 a=2", "a=1 a=3"])
@given(lines=_chunks())
def test_lines_read_together_are_as_read_alone(lines: list[str]) -> None:
    assert _rows(lines) == [_rows([line])[0] for line in lines]


def test_ordinary_lines_are_read_with_no_object_a_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the law above would hold of nothing."""
    asked: list[str] = []

    def record_of(line: str) -> None:
        asked.append(line)

    monkeypatch.setattr(logfmt, "record_of", record_of)
    lines = [f'time=2026-11-24T01:02:03Z level=info msg="a b" n={n}' for n in range(64)]
    lines[7] = r'level=info msg="a \"b\""'
    _, matched = logfmt.read_logfmt(pl.Series(lines))
    assert asked == [lines[7]]
    assert [row for row, is_one in enumerate(matched) if not is_one] == [7]
