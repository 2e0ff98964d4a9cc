"""What a document that is made anew is to the stored one."""

from __future__ import annotations

import orjson
import pytest
from msgspec.structs import replace

from tailrace.dead.letters import Fields, Letter, read_fields
from tailrace.dead.preview import Change
from tailrace.digest import with_digest
from tailrace.replay.compare import Fate, Version, changes_between, fate_of
from tests.infra.dead.builders import bulk_lines, dead, indexed
from tests.infra.replay.builders import DAY, made


def fields(**told: object) -> Fields:
    found = read_fields(orjson.dumps(told))
    assert found is not None
    return found


def version(source: bytes) -> Version:
    return Version(index=DAY, document_id="x", fields=read_fields(source) or {})


def letter(**told: object) -> Letter:
    return indexed(dead(bulk_lines("user 1", fields=told)))


def document(**told: object) -> bytes:
    return bulk_lines("user 1", fields=told).split(b"\n")[1]


def test_changes_are_told_field_by_field_in_the_order_of_the_documents() -> None:
    before = fields(a=1, b="x", c={"d": [1, 2]}, gone=None)
    after = fields(new=0, a=1, b="y", c={"d": [1, 3]})

    assert changes_between(before, after) == (
        Change(field="b", before='"x"', after='"y"'),
        Change(field="c", before='{"d":[1,2]}', after='{"d":[1,3]}'),
        Change(field="gone", before="null", after=None),
        Change(field="new", before=None, after="0"),
    )


def test_what_a_reading_adds_is_no_change() -> None:
    before = fields(**{"a": 1, "event.created": "x", "tailrace.digest": 1})
    after = fields(**{"a": 1, "event.created": "y", "tailrace.digest": 2})
    marked = fields(**{"a": 1, "event.created": "y", "tailrace.revised_by": 3})

    assert changes_between(before, after) == ()
    assert changes_between(marked, after) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":"\\u00e9"}', '{"a":"é"}'.encode()),
        (b'{"a":{"b":1,"c":2}}', b'{"a":{"c":2, "b":1}}'),
        (b'{"a":1.0e3}', b'{"a":1000.0}'),
    ],
)
def test_another_spelling_is_no_change(first: bytes, second: bytes) -> None:
    """Elasticsearch writes a source anew where somebody updates it."""
    assert changes_between(read_fields(first) or {}, read_fields(second) or {}) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}'),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":null}', b"{}"),
    ],
)
def test_values_that_are_not_the_same_are_told_apart(
    first: bytes, second: bytes
) -> None:
    assert changes_between(read_fields(first) or {}, read_fields(second) or {})


def test_e9_the_fates_of_an_event_that_is_stored() -> None:
    old, new = made(1, user="old").source, made(1, user="new").source

    assert fate_of(old, [version(old)], letters=()) == (Fate.SAME, ())
    fate, changes = fate_of(new, [version(old)], letters=())
    assert fate is Fate.CHANGED
    assert [each.field for each in changes] == ["user"]
    # One that is stored twice is the same only where both are.
    assert fate_of(new, [version(new), version(old)], letters=())[0] is Fate.CHANGED


def test_e5_what_a_retry_mended_is_left_alone() -> None:
    """The pipeline would make again of it what Elasticsearch refused."""
    mended = with_digest(b'{"user":"new","tailrace.fix":"move:user.id"}')

    assert fate_of(made(1).source, [version(mended)], letters=())[0] is Fate.MENDED


def test_e5_the_fates_of_an_event_that_is_not_stored() -> None:
    refused = letter(**{"user.id": "u-1"})
    as_then = document(**{"user.id": "u-1"})
    otherwise = document(**{"user.id": 1})
    line = replace(refused, original_base64="bGluZQ==", stage="stream")

    assert fate_of(as_then, (), letters=())[0] is Fate.NOT_STORED
    assert fate_of(as_then, (), letters=[refused])[0] is Fate.STILL_DEAD
    assert fate_of(otherwise, (), letters=[refused])[0] is Fate.NO_LONGER_DEAD
    assert fate_of(as_then, (), letters=[line])[0] is Fate.NO_LONGER_DEAD
