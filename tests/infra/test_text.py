"""Hostile text cannot steer a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.text import path_text, printable


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[31mred", "\\x1b[31mred"),
        ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("nul\x00", "nul\\x00"),
        ("\x9b31m", "\\x9b31m"),
        ("line\u2028end", "line\\u2028end"),
        ("tab\tstays, ä 語 😀 too", "tab\tstays, ä 語 😀 too"),
    ],
)
def test_x5_what_steers_a_terminal_is_escaped(hostile: str, shown: str) -> None:
    assert printable(hostile) == shown


@given(st.text())
def test_x5_nothing_unprintable_passes(text: str) -> None:
    assert all(c == "\t" or c.isprintable() or c.isspace() for c in printable(text))
    assert not set(printable(text)) & {chr(c) for c in (*range(9), *range(10, 32), 127)}


def test_a_path_that_is_not_utf8_is_written_with_escapes() -> None:
    assert path_text(b"/a/\xff.log") == "/a/\\xff.log"
    assert path_text("/a/\udcff.log") == "/a/\\xff.log"
