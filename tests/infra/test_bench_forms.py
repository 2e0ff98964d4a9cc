"""Each form of the index that is measured differs from the one in use by what it is named for."""

from __future__ import annotations

from typing import Any, cast

import pytest

from tailrace.bench.alone import lines_of
from tailrace.bench.forms import CHOSEN, Form, addressed, forms
from tailrace.index_templates import Capabilities, index_templates

CAPABILITIES = Capabilities(has_lean_sequence_numbers=True)
FORMS = {form.name: form for form in forms(capabilities=CAPABILITIES)}
FIRST, SECOND = b"A" * 28, b"B" * 28
BODIES = [
    b'{"create":{"_index":"made-json-2026.11.28","_id":"%b"}}\n'
    b'{"message":"{\\"create\\":{\\"_index\\":\\"x\\",\\"_id\\":\\"y\\"}}"}\n' % FIRST,
    b'{"create":{"_index":"made-json-2026.11.29","_id":"%b"}}\n{"message":"b"}\n'
    % SECOND,
]


def test_the_first_form_is_what_provision_writes_for_events() -> None:
    made = index_templates("any", capabilities=CAPABILITIES)["any-events"]["template"]

    assert next(iter(FORMS)) == CHOSEN
    assert FORMS[CHOSEN].body["mappings"] == made["mappings"]
    ours = _flat(FORMS[CHOSEN].body["settings"])
    theirs = _flat(made["settings"])
    assert _changes(ours, theirs) == {
        "index.auto_expand_replicas",
        "index.number_of_replicas",
    }


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("default codec", {"index.codec"}),
        ("sequence numbers indexed", {"index.seq_no.index_options"}),
        ("sorted by host and time", {"index.sort.field", "index.sort.order"}),
        ("sorted by template and time", {"index.sort.field", "index.sort.order"}),
        ("LogsDB, stored source", {"index.mode", "index.mapping.source.mode"}),
        ("LogsDB, synthetic source", {"index.mode", "index.mapping.source.mode"}),
    ],
)
def test_a_form_changes_the_setting_it_is_named_for(
    name: str, changed: set[str]
) -> None:
    chosen, form = FORMS[CHOSEN], FORMS[name]

    assert form.body["mappings"] == chosen.body["mappings"]
    assert (
        _changes(_flat(form.body["settings"]), _flat(chosen.body["settings"]))
        == changed
    )


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("every number indexed", "log.offset", {"type": "long"}),
        (
            "words without positions",
            "message",
            {"type": "text", "norms": False, "index_options": "docs"},
        ),
    ],
)
def test_a_form_changes_the_fields_it_is_named_for(
    name: str, field: str, said: dict[str, Any]
) -> None:
    form = FORMS[name]

    assert form.body["settings"] == FORMS[CHOSEN].body["settings"]
    assert form.body["mappings"]["properties"][field] == said
    assert FORMS[CHOSEN].body["mappings"]["properties"][field] != said


def test_what_a_column_gives_back_is_left_out_of_source_and_no_more() -> None:
    excluded = FORMS["columns not in source"].body["mappings"]["_source"]["excludes"]

    assert {"host.name", "log.offset", "source.ip"} <= set(excluded)
    # Of these no column gives back what was written: text, the moment, objects.
    assert not {"message", "@timestamp", "attributes", "event.original"} & set(excluded)


def test_documents_go_to_one_index_under_their_own_ids() -> None:
    sent = addressed(BODIES, index="form-a", id_of=None)

    assert lines_of(sent) == lines_of(BODIES)
    assert sent[0].splitlines()[1] == BODIES[0].splitlines()[1]
    assert [body.splitlines()[0] for body in sent] == [
        b'{"create":{"_index":"form-a","_id":"%b"}}' % known
        for known in (FIRST, SECOND)
    ]


@pytest.mark.parametrize(
    ("name", "characters"), [("ids of 16 bytes", 22), ("ids in no order", 28)]
)
def test_other_ids_are_of_their_length_and_as_many(name: str, characters: int) -> None:
    ids = [_id_of(body) for body in _sent_as(FORMS[name])]

    assert [len(one) for one in ids] == [characters, characters]
    assert len({*ids, FIRST, SECOND}) == 4


def test_elasticsearch_may_make_the_ids() -> None:
    actions = [body.splitlines()[0] for body in _sent_as(FORMS["ids of Elasticsearch"])]

    assert actions == [b'{"create":{"_index":"form-a"}}'] * 2


def _sent_as(form: Form) -> list[bytes]:
    return addressed(BODIES, index="form-a", id_of=form.id_of)


def _id_of(body: bytes) -> bytes:
    return body.splitlines()[0].split(b'"_id":"')[1].split(b'"')[0]


def _flat(settings: dict[str, Any], path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            found |= _flat(cast("dict[str, Any]", value), f"{path}{name}.")
        else:
            found[path + name] = value
    return found


def _changes(one: dict[str, Any], other: dict[str, Any]) -> set[str]:
    return {name for name in {*one, *other} if one.get(name) != other.get(name)}
