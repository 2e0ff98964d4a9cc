"""What of the state topic counts as the truth."""

from __future__ import annotations

import pytest

from tailrace.wire import encode
from tailrace_stream import state_store
from tailrace_stream.seeding import BURIED, Remembered, beginning_of
from tailrace_stream.state_store import keep_newest, keep_template
from tailrace_stream.windows import GenerationState
from tests.stream.builders import GENERATION, origin


def state(revision: int) -> bytes:
    return encode(GenerationState(generation="g", revision=revision))


def kept(*values: bytes | None) -> bytes | None:
    states: dict[str, bytes] = {}
    for value in values:
        keep_newest(states, generation="g", value=value)
    return states.get("g")


def test_the_greatest_revision_is_the_truth_and_not_the_last_record() -> None:
    """A worker that lost the partition may still write behind the one that has it."""
    assert kept(state(1), state(5), state(3)) == state(5)


def test_a_tombstone_ends_a_generation() -> None:
    assert kept(state(1), None) == BURIED
    assert kept(state(9), None, state(2)) == state(2)


def test_s3_what_cannot_be_read_never_hides_what_can() -> None:
    for junk in (b"", b"\xff", b"[]", b'{"revision":"x"}', b'{"revision":null}'):
        assert kept(state(1), junk) == state(1)
        assert kept(junk, state(1)) == state(1)
        assert kept(junk) == junk
        begun = beginning_of(Remembered(junk), origin=origin(b"a\n"))
        assert begun.state == GenerationState(generation=GENERATION)
        assert begun.is_state_unreadable == (junk != BURIED)


def test_a_state_of_a_newer_tailrace_counts_as_none() -> None:
    newer = b'{"wire_version":99,"generation":"g","revision":7}'
    begun = beginning_of(Remembered(newer), origin=origin(b"a\n"))
    assert begun.state.revision == 0


def test_of_a_template_the_greatest_revision_is_the_truth() -> None:
    held: dict[bytes, bytes] = {}
    for revision in (1, 5, 3):
        keep_template(held, key=b"a", value=b'{"revision":%d}' % revision)
    assert held == {b"a": b'{"revision":5}'}
    keep_template(held, key=b"a", value=None)
    assert held == {}


def test_of_templates_so_many_are_held_and_those_told_last_stay(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(state_store, "TEMPLATES_MAX", 2)
    held: dict[bytes, bytes] = {}
    for revision, key in enumerate((b"a", b"b", b"a", b"c")):
        keep_template(held, key=key, value=b'{"revision":%d}' % revision)
    assert list(held) == [b"a", b"c"]
