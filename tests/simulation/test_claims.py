"""What the checker takes an event for, where two lives of one generation are alike."""

from __future__ import annotations

from crc32c import crc32c

from tests.simulation.checker import is_begun_again
from tests.simulation.claims import Claims
from tests.simulation.filesystem import Life
from tests.simulation.indexed import Indexed

SHORT_AND_BLANK, LONGER = b"first life\n\n", b"second life\nthird\n"
"""The blank line of the one stands where the first line of the other ends."""


def event(stored: bytes, *, offset: int, generation: str = "generation") -> Indexed:
    return Indexed(
        "host", "app", generation, offset, stored, len(stored), crc32c(stored)
    )


def claims_of(
    *contents: bytes,
    present: set[int] | None = None,
    nameless: frozenset[int] = frozenset(),
) -> Claims:
    lives = [
        Life(number, "host", "app", bytearray(content))
        for number, content in enumerate(contents)
    ]
    return Claims(lives, present=present or set(), nameless=nameless)


def claim(*events: Indexed, contents: tuple[bytes, ...]) -> list[str]:
    return claims_of(*contents).claim(events)


def test_a_blank_line_of_one_life_is_not_the_newline_of_a_line_of_another() -> None:
    events = (
        event(b"first life", offset=0),
        event(b"second life", offset=0),
        event(b"", offset=11),
        event(b"third", offset=12),
    )
    assert not claim(*events, contents=(SHORT_AND_BLANK, LONGER))


def test_the_newline_behind_a_line_as_an_event_of_its_own_is_found() -> None:
    events = (event(b"second life", offset=0), event(b"", offset=11))
    (problem,) = claim(*events, contents=(LONGER,))
    assert problem.startswith("altered, or never written")


def test_a_blank_line_that_is_there_twice_is_found() -> None:
    (problem,) = claim(*[event(b"", offset=11)] * 2, contents=(SHORT_AND_BLANK,))
    assert problem.startswith("twice")


def test_half_a_line_is_of_the_life_that_no_other_generation_is() -> None:
    """All of the first life but its flushed half has expired, and the file is gone."""
    claims = claims_of(b"expired\n2026-", b"renewed\n2026-11\n", present={1})
    whole = event(b"renewed", offset=0, generation="second")
    problems = claims.claim([event(b"2026-", offset=8, generation="first"), whole])
    assert not problems
    assert [life.number for life in claims.lives_behind("first")] == [0]


def test_half_a_line_that_was_flushed_is_of_the_life_that_ends_with_it() -> None:
    """Nothing of the first life was sent, which begins with the same bytes and goes on."""
    claims = claims_of(b"2026-11-24 first\n", b"2026-11")
    assert not claims.claim([event(b"2026-11", offset=0)])
    assert [life.number for life in claims.lives_behind("generation")] == [1]


def test_a_life_may_be_there_twice_only_where_a_copy_of_it_had_no_name() -> None:
    events = [event(b"one", offset=0), event(b"one", offset=0, generation="copy")]
    (problem,) = claims_of(b"one\n", b"other\n", nameless=frozenset({1})).claim(events)
    assert problem.startswith("twice")
    assert not claims_of(b"one\n", b"other\n", nameless=frozenset({0})).claim(events)


def test_half_a_line_is_of_a_life_that_ends_with_it_though_its_file_is_gone() -> None:
    claims = claims_of(b"2", b"2026-11-24 a line\n", present={1})
    assert not claims.claim([event(b"2", offset=0)])
    assert list(claims.by_life[0]) == [0]
    assert not claims.by_life[1]


def test_first_lines_that_several_lives_have_are_of_the_file_of_their_generation() -> (
    None
):
    claims = claims_of(b"started\nnever read\n", b"started\ngone\n")
    claims.lives[0].born_at_s, claims.lives[1].born_at_s = 1.0, 2.0
    claims.births_ns = {"generation": 2_000_000_000}
    assert not claims.claim([event(b"started", offset=0)])
    assert [life.number for life in claims.lives_behind("generation")] == [1]


def test_a_file_that_was_emptied_amid_a_first_line_and_begun_likewise_tells_nobody() -> (
    None
):
    """Only there: a line that ended, or another beginning, or another file, does tell."""
    half, whole = bytearray(b"2026-11-24"), bytearray(b"2026-11-24 and on\n")
    lives = [
        Life(0, "host", "app", half, born_at_s=1.0),
        Life(1, "other host", "app", bytearray(b"2027"), born_at_s=1.0),
        Life(2, "host", "app", whole, born_at_s=1.0),
        Life(3, "host", "app", bytearray(b"2027\n"), born_at_s=1.0),
        Life(4, "host", "app", bytearray(b"2027"), born_at_s=2.0),
        Life(5, "host", "app", bytearray(b"2027\n"), born_at_s=3.0),
    ]
    assert [is_begun_again(life, lives) for life in lives] == [True] + [False] * 5


def test_life_that_a_rebuilt_generation_sent_is_shared_though_it_expired() -> None:
    """Its host forgot the first generation, which counted no more than it read of it."""
    claims = claims_of(b"first\nsecond\n", b"another\n")
    claims.rebuilt = frozenset({"rebuilt"})
    assert not claims.claim(
        [
            event(b"first", offset=0, generation="forgotten"),
            event(b"another", offset=0, generation="of no such host"),
        ]
    )
    assert not claims.has_repeats("forgotten")
    claims.note_sent([event(b"second", offset=6, generation="rebuilt")])
    assert claims.has_repeats("forgotten")
    assert not claims.has_repeats("of no such host")
