"""The id of a template: the same for a line wherever, whenever and beside whatever it comes."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace_stream.templates import naming
from tailrace_stream.templates.masking import masked, with_paths_masked
from tailrace_stream.templates.naming import Memory, template_id, templates_of
from tests.stream.templates.corpora import corpus_of, systems

_PIECES = st.sampled_from(
    [
        *(
            "2024-02-03 11:12:13 INFO ",
            "Feb  4 04:47:44 web01 app[7]: ",
            "user ",
            "anna",
        ),
        *(
            " 10.0.0.1:99",
            "17",
            " failed",
            "\n",
            "\x1a",
            '{"msg":"',
            '"}',
            " (a, b)",
            "é",
        ),
    ]
)
_LINES = st.lists(st.lists(_PIECES, max_size=6).map("".join), max_size=20)


def ids_of(lines: list[str], *, memory: Memory | None = None) -> list[str]:
    column = pl.Series(lines, dtype=pl.String)
    ids, _ = templates_of(column, memory=Memory() if memory is None else memory)
    return ids.to_list()


@settings(max_examples=40, deadline=None)
@given(_LINES, st.integers(1, 8), st.integers(0, 3))
def test_s2_an_id_depends_on_its_line_alone(
    lines: list[str], chunk_lines: int, remembered: int
) -> None:
    """S2: whatever the chunk, the worker, or what it has seen before a restart."""
    alone = [ids_of([line])[0] for line in lines]
    memory = Memory(texts_max=remembered)
    chunks = [lines[n : n + chunk_lines] for n in range(0, len(lines), chunk_lines)]
    of_worker = [one for chunk in chunks for one in ids_of(chunk, memory=memory)]
    backwards = ids_of(lines[::-1])[::-1]
    assert alone == of_worker == backwards


def test_an_id_never_changes_from_one_release_to_the_next() -> None:
    """A release that masks otherwise raises `VERSION`, and says so in the changelog."""
    lines = [
        "2024-02-03 11:12:13 INFO [main] org.example.Server: opened /x in 5 ms",
        "Feb  4 04:47:44 web01 sshd[99]: Failed password for root from 10.0.0.1 port 2",
        '10.0.0.1 - - [10/Oct/2024:13:55:36 +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"',
        "",
    ]
    assert ids_of(lines) == [
        "08e779e64b56fede",
        "5c6407878bc1e329",
        "a68d3a1484b6a248",
        "99fc780e3c752f92",
    ]


def test_each_id_is_the_hash_of_its_text() -> None:
    lines = [
        line
        for name in systems()
        for line in corpus_of(name, lines_count=40, seed=1).lines
    ]
    column = pl.Series(lines)
    ids, texts = templates_of(column, memory=Memory())
    assert [texts[one] for one in ids.to_list()] == masked(column).to_list()
    assert all(one == template_id(text) for one, text in texts.items())


def test_what_is_remembered_is_bounded() -> None:
    memory = Memory(texts_max=10)
    for n in range(20):
        ids_of([f"{'x' * n} word{chr(97 + m)}" for m in range(8)], memory=memory)
        assert len(memory.numberless) <= 10
        assert len(memory.pathless) <= 10


def test_long_texts_take_no_more_than_short_ones() -> None:
    memory = Memory(characters_max=500)
    for n in range(20):
        ids_of([f"{'x' * 90} {chr(97 + n)} word", "y" * 400], memory=memory)
        assert 0 < memory.numberless.characters <= 500
        assert 0 < memory.pathless.characters <= 500


@pytest.fixture
def masked_texts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what is masked beyond its numbers from now on, in its order."""
    texts: list[str] = []

    def noting(column: pl.Series) -> pl.Series:
        texts.extend(column.to_list())
        return with_paths_masked(column)

    monkeypatch.setattr(naming, "with_paths_masked", noting)
    return texts


def test_each_text_is_masked_once_while_it_is_remembered(
    masked_texts: list[str],
) -> None:
    """What it costs to mask grows with the texts that are new, and not with the lines."""
    memory = Memory()
    for n in range(5):
        lines = [f"GET /{path} took {n} ms" for path in ("a", "b", "c")]
        ids_of(lines * 20, memory=memory)
    assert len(masked_texts) == 3


def test_what_comes_again_and_again_stays_however_much_comes_between(
    masked_texts: list[str],
) -> None:
    memory = Memory(texts_max=8)
    for n in range(30):
        ids_of(["a usual line", f"word {'x' * n}"], memory=memory)
    assert masked_texts.count("a usual line") == 1
    ids_of(["word "], memory=memory)
    assert masked_texts.count("word ") == 2


def test_nothing_is_named_in_a_chunk_without_events() -> None:
    assert ids_of([]) == []
