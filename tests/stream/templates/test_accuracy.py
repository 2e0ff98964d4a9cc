"""How many lines come into just the group that they belong to, of kinds of log untuned for."""

from __future__ import annotations

import polars as pl
import pytest

from tailrace.template_grouping import group
from tailrace_stream.templates.masking import masked
from tests.stream.templates.corpora import corpus_of, grouping_accuracy, systems

LINES_COUNT = 1_000
ACCURACY_MIN = 0.95


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", systems())
def test_lines_of_a_system_come_into_their_groups(name: str, seed: int) -> None:
    corpus = corpus_of(name, lines_count=LINES_COUNT, seed=seed)
    texts = masked(pl.Series(corpus.lines)).to_list()
    of_text = group(texts)
    found = [of_text[text] for text in texts]
    assert grouping_accuracy(found, corpus.truth) >= ACCURACY_MIN


def test_one_wrong_line_makes_two_groups_wrong() -> None:
    """The measure itself: a group counts only when it is exactly right."""
    assert grouping_accuracy(["a", "a", "b", "c"], [1, 1, 2, 3]) == 1.0
    assert grouping_accuracy(["a", "b", "b", "c"], [1, 1, 2, 3]) == 0.25
