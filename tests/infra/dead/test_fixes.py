"""A fix changes the field at fault, and nothing else of a document."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tailrace.audit.line import alteration
from tailrace.dead.causes import Cause
from tailrace.dead.fixes import (
    Fix,
    FixFailed,
    FixKind,
    mended,
    object_bytes,
    parse_fix,
    proposed,
)
from tailrace.dead.letters import read_document, read_fields
from tailrace.dead.plan import (
    FIX_FIELD,
    Resend,
    Unfit,
    mended_document,
    planned_of,
)
from tailrace.dead.preview import preview_of
from tailrace.dead.shown import preview_lines, previews_json
from tailrace.digest import is_unaltered
from tailrace.errors import CommandFailed
from tailrace.kafka_consumer import Partition
from tailrace.wire import DocumentsOrigin, decode
from tests.indexer.builders import INDEX, NAMESPACE, line_id
from tests.infra.dead.builders import (
    bulk_lines,
    dead,
    document,
    indexed,
    letters,
    values,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


def after(fix: str, **fields: object) -> dict[str, object]:
    return values(object_bytes(mended(parse_fix(fix), document(fields=fields).fields)))


@pytest.mark.parametrize(
    ("value", "wanted", "coerced"),
    [
        ("12", "long", 12),
        (" 12.0 ", "long", 12),
        (True, "long", 1),
        ("-0.5", "double", -0.5),
        (3, "double", 3.0),
        ("TRUE", "boolean", True),
        (0, "boolean", False),
        (7, "text", "7"),
        ({"a": 1}, "text", '{"a": 1}'),
        ("as it is", "text", "as it is"),
    ],
)
def test_e5_a_value_is_coerced_to_what_the_mapping_wants(
    value: object, wanted: str, coerced: object
) -> None:
    found = after(f"coerce:x={wanted}", x=value)["x"]

    if isinstance(value, dict):
        assert isinstance(found, str)
        assert orjson.loads(found) == value
    else:
        assert found == coerced
        assert type(found) is type(coerced)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("u-7", "long"), ("1.5", "long"), ("1_000", "long"), ("nan", "double"),
        ("inf", "long"), (2**63, "long"), ("9" * 400, "double"), ([1], "long"),
        (None, "long"), ("yes", "boolean"), (2, "boolean"), ("", "double"),
        ({"a": 1}, "double"), ("١٢", "long"),
    ],
)  # fmt: skip
def test_e5_a_value_that_would_become_another_is_not_coerced(
    value: object, wanted: str
) -> None:
    with pytest.raises(FixFailed):
        after(f"coerce:x={wanted}", x=value)


def test_e5_a_value_is_renamed_or_moved_with_its_bytes() -> None:
    renamed = after("rename:user.id=user.name", **{"user.id": "u-7"})
    moved = after("move:user.id", **{"user.id": {"a": [1]}, "attributes": {"b": 2}})
    alone = after("move:user.id", **{"user.id": 5})
    itself = after("move:attributes", attributes="text")

    assert (renamed["user.name"], "user.id" in renamed) == ("u-7", False)
    assert moved["attributes"] == {"b": 2, "user.id": {"a": [1]}}
    assert alone["attributes"] == {"user.id": 5}
    assert itself["attributes"] == {"attributes": "text"}


def test_a_nested_field_is_found_and_leaves_no_empty_object() -> None:
    moved = after("move:user.id", user={"id": "u"}, labels={"a": 1})
    beside = after("move:user.id", user={"id": "u", "name": "n"})
    coerced = after("coerce:user.id=long", user={"id": "7", "name": "n"})

    assert "user" not in moved
    assert moved["labels"] == {"a": 1}
    assert beside["user"] == {"name": "n"}
    assert coerced["user"] == {"id": 7, "name": "n"}


@pytest.mark.parametrize(
    ("fix", "fields"),
    [
        ("move:user.id", {}),
        ("move:x", {"x": 1, "attributes": "no object"}),
        ("move:x", {"x": 1, "attributes": {"x": 0}}),
        ("rename:x=y", {"x": 1, "y": 2}),
    ],
)
def test_e5_a_fix_that_would_lose_a_value_fails(
    fix: str, fields: dict[str, object]
) -> None:
    with pytest.raises(FixFailed):
        after(fix, **fields)


@given(JSON, JSON, st.sampled_from(["move:x", "rename:x=new", "coerce:x=text"]))
def test_e5_all_else_stays_byte_for_byte(
    value: object, other: object, fix: str
) -> None:
    """Whatever the values are: numbers of any length, and text of any kind."""
    raw = orjson.dumps({"a": other, "x": value, "z": [other]})
    raw = raw[:-1] + b', "big": 123456789012345678901234567890.0100 }'
    before = read_fields(raw)
    assert before is not None

    found = mended(parse_fix(fix), before)

    assert {k: v for k, v in found.items() if k in {"a", "z", "big"}} == {
        k: v for k, v in before.items() if k != "x"
    }
    body = object_bytes(found)
    assert b'"big":123456789012345678901234567890.0100' in body
    assert orjson.loads(body)["a"] == other


@pytest.mark.parametrize(
    "text",
    [
        "", "move", "move:", "move:x=y", "coerce:x", "coerce:x=date", "rename:x",
        "drop:x", "move:message", "move:tailrace.digest", "coerce:event.sequence=text",
        "rename:x=message", "rename:x=tailrace.generation", "move:log.offset",
    ],
)  # fmt: skip
def test_e5_what_is_no_fix_or_tells_the_line_is_refused(text: str) -> None:
    with pytest.raises(CommandFailed):
        parse_fix(text)


@pytest.mark.parametrize(
    ("cause", "fields", "fix"),
    [
        (("user.id", "long"), {"user.id": "7"}, "coerce:user.id=long"),
        (("user.id", "long"), {"user.id": "u"}, "move:user.id"),
        (("user.id", "short"), {"user.id": {"a": 1}}, "move:user.id"),
        (("x", "keyword"), {"x": {"a": 1}}, "move:x"),
        (("x", "float"), {"x": "1.5"}, "coerce:x=double"),
        (("x", "boolean"), {"x": "true"}, "coerce:x=boolean"),
        (("host", "object"), {"host": "a string"}, "move:host"),
        (("x", "ip"), {"x": "no address"}, "move:x"),
        (("labels", "flattened"), {"labels": "text"}, "move:labels"),
        (("x", "nothing"), {"x": 1}, "move:x"),
        (("message", "long"), {}, None),
        (("gone", "long"), {}, None),
        (("", ""), {}, None),
    ],
)
def test_e5_what_is_proposed_fits_the_document(
    cause: tuple[str, str], fields: dict[str, object], fix: str | None
) -> None:
    found = proposed(Cause("mapping_conflict", *cause), document(fields=fields).fields)

    assert (None if found is None else str(found)) == fix
    if fix is not None:
        assert parse_fix(fix) == found


def test_e5_a_mended_document_keeps_its_place_its_line_and_a_true_digest() -> None:
    """So a deep audit finds nothing altered; and it says how it was mended."""
    failed = document("user 7 came", fields={"user.id": "u-7"})
    body = mended_document(failed, parse_fix("move:user.id"))

    assert is_unaltered(body)
    found = values(body)
    assert found["message"] == "user 7 came"
    assert found[FIX_FIELD] == "move:user.id"
    assert list(found)[-1] == "tailrace.digest"
    wrong = alteration(
        body, found, document_id=failed.document_id, born_at_ms=1_795_480_000_000
    )
    assert wrong is None


def test_e5_a_retry_sends_the_same_id_to_the_same_index_as_a_repeat() -> None:
    original = bulk_lines("x 1", offset=40, fields={"user.id": "u"})
    letter = indexed(dead(original, partition=Partition("t.docs", 5)))

    plain = planned_of(letter, fix=None, namespace=NAMESPACE)
    fixed = planned_of(letter, fix=parse_fix("move:user.id"), namespace=NAMESPACE)

    assert isinstance(plain, Resend)
    assert isinstance(fixed, Resend)
    assert plain.value == original
    assert fixed.value.startswith(original.partition(b"\n")[0] + b"\n{")
    assert (plain.index, plain.document_id) == (INDEX, line_id("x 1", 40))
    assert (plain.partition, plain.key) == (5, letter.generation.encode())
    origin = decode(plain.header, as_type=DocumentsOrigin)
    assert (origin.is_repeat, origin.document_count, origin.event_count) == (True, 1, 1)
    assert (origin.generation, origin.first_event_number) == (letter.generation, 4)


@pytest.mark.parametrize(
    ("original", "topic", "why"),
    [
        (b"no bulk line", "t.docs", "not the bulk lines"),
        (bulk_lines("x")[:-9], "t.docs", "not the bulk lines"),
        (bulk_lines("x").replace(b'"create"', b'"delete"'), "t.docs", "not the bulk"),
        (bulk_lines("x").replace(b'"t-app', b'"u-app'), "t.docs", "no index of 't'"),
        (bulk_lines("x"), "t.rates", "before there was a document"),
        (b"a line", "t.raw", "before there was a document"),
    ],
)
def test_e5_what_holds_no_document_of_ours_is_not_sent(
    original: bytes, topic: str, why: str
) -> None:
    letter = indexed(dead(original, partition=Partition(topic, 0)))

    planned = planned_of(letter, fix=None, namespace=NAMESPACE)

    assert isinstance(planned, Unfit)
    assert why in planned.why
    assert preview_of(letter, fix=None, namespace=NAMESPACE).why_not == planned.why


def test_e7_a_letter_that_was_cut_is_not_sent() -> None:
    letter = indexed(replace(dead(bulk_lines("x")), truncated_size_bytes=99))

    planned = planned_of(letter, fix=None, namespace=NAMESPACE)

    assert isinstance(planned, Unfit)
    assert "the beginning of 99 bytes" in planned.why


def test_e5_a_preview_shows_the_document_before_and_after() -> None:
    (letter,) = letters(["user 7 came"], fields={"user.id": "u-7", "big": 10**25})
    fix = parse_fix("move:user.id")

    preview = preview_of(letter, fix=fix, namespace=NAMESPACE)
    lines = "\n".join(preview_lines(preview, fix=fix))
    told = orjson.loads(previews_json([(fix, preview)]))["letters"][0]

    assert preview.line == "user 7 came"
    assert '  -     user.id: "u-7"' in lines
    assert '  +     attributes: {"user.id":"u-7"}' in lines
    assert [each["field"] for each in told["changes"]] == ["user.id", "attributes"]
    assert told["document_id"] == line_id("user 7 came", 0)
    sent = planned_of(letter, fix=fix, namespace=NAMESPACE)
    assert isinstance(sent, Resend)
    document_sent = read_document(sent.value)
    assert document_sent is not None
    for change in preview.changes:
        if change.after is not None:
            assert bytes(document_sent.fields[change.field]).decode() == change.after
        else:
            assert change.field not in document_sent.fields


def test_a_fix_that_does_not_fit_a_document_is_told_with_the_reason() -> None:
    (letter,) = letters(["user 7 came"])
    fix = Fix(FixKind.MOVE, "user.id")

    preview = preview_of(letter, fix=fix, namespace=NAMESPACE)

    assert preview.why_not == "move:user.id does not fit: it has no field 'user.id'"
    planned = planned_of(letter, fix=fix, namespace=NAMESPACE)
    assert isinstance(planned, Unfit)
