"""Which pattern a masked text fits."""

from __future__ import annotations

from tailrace.template_patterns import Pattern, TemplatePatterns
from tailrace.template_text import compared


def owner(text: str, *patterns: str, except_of: str = "") -> str:
    """Return the pattern that a text fits, of patterns that own themselves."""
    known = TemplatePatterns(Pattern(compared(one), one) for one in patterns)
    found = known.fitting(compared(text), except_of={except_of})
    return found.owner if found else ""


def test_another_word_where_a_pattern_has_a_value_fits() -> None:
    pattern = "session opened for user <*> by <*>"
    assert owner("session opened for user anna by <*>", pattern) == pattern
    assert owner(pattern, pattern) == pattern


def test_another_word_elsewhere_does_not_fit() -> None:
    pattern = "session opened for user <*>"
    assert owner("session closed for user anna", pattern) == ""
    assert owner("session opened for user anna now", pattern) == ""


def test_a_value_where_a_pattern_has_a_word_does_not_fit() -> None:
    assert owner("read <*> of <*> blocks", "read all of <*> blocks") == ""


def test_a_state_is_no_value() -> None:
    """A program chooses it from few, so a line that has it says something else."""
    assert owner("task <*> of job failed", "task <*> of job <*>") == ""


def test_of_several_patterns_the_one_that_says_most_is_taken() -> None:
    wide, narrow = "user <*> left <*>", "user <*> left early"
    assert owner("user anna left early", wide, narrow) == narrow
    assert owner("user anna left early", wide, narrow, except_of=narrow) == wide


def test_a_pattern_without_a_word_takes_nothing() -> None:
    assert owner("anything", "<*>") == ""
    assert owner("out of memory", "<*> <*> <*>") == ""
