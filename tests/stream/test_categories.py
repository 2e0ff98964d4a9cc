"""Lines say what kind of event they are, in the words that ECS allows."""

from __future__ import annotations

from typing import Any, cast

import msgspec
import pytest

from tailrace.wire import Placement
from tailrace_stream.categories import WORDS
from tests.stream.builders import ACCESS_LINE
from tests.stream.golden import Sample, documents_of, placement_of, samples

# https://www.elastic.co/docs/reference/ecs/ecs-allowed-values-event-kind and those beside
# it, of versions 8.17 to 9.2: elastic/ecs, generated/ecs/ecs_flat.yml.
ALLOWED = {
    "event.kind": (
        "alert asset enrichment event metric state pipeline_error signal"
    ),
    "event.category": (
        "api authentication configuration database driver email file host iam"
        " intrusion_detection library malware network package process registry session"
        " threat vulnerability web"
    ),
    "event.type": (
        "access admin allowed change connection creation deletion denied device end"
        " error group indicator info installation protocol start user"
    ),
    "event.outcome": "failure success unknown",
}  # fmt: skip
SAMPLES = samples()
ACCESS = placement_of("nginx.access")


def words(document: dict[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in ALLOWED if name in document}


def made(*lines: bytes, placed: Placement = ACCESS) -> list[dict[str, Any]]:
    content = b"".join(line + b"\n" for line in lines)
    return [words(one) for one in documents_of(content, placed=placed)]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.label)
def test_each_word_is_one_that_is_allowed(sample: Sample) -> None:
    for document in sample.documents():
        for name, value in words(document).items():
            is_list = name in {"event.category", "event.type"}
            assert isinstance(value, list) == is_list, name
            said = cast("list[str]", value if is_list else [value])
            assert set(said) <= set(ALLOWED[name].split()), name


def test_every_dataset_of_an_integration_says_its_kind() -> None:
    assert WORDS.keys() <= {sample.dataset for sample in SAMPLES}
    for sample in SAMPLES:
        written = [one for one in sample.documents() if one["message"].strip()]
        kinds = {document.get("event.kind") for document in written}
        expected = WORDS.get(sample.dataset, {}).get("event.kind")
        assert kinds == {expected}, sample.dataset


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (b"200", "success"),
        (b"399", "success"),
        (b"400", "failure"),
        (b"503", "failure"),
    ],
)
def test_an_access_is_a_success_or_a_failure_by_its_status(
    status: bytes, outcome: str
) -> None:
    line = ACCESS_LINE.replace(b'" 200 ', b'" %b ' % status)
    (nginx,) = made(line)
    assert nginx == {
        "event.kind": "event",
        "event.category": ["web"],
        "event.type": ["access"],
        "event.outcome": outcome,
    }
    (apache,) = made(line, placed=placement_of("apache.access"))
    assert apache == {name: nginx[name] for name in nginx if name != "event.type"}


def test_a_line_says_the_same_whichever_lines_are_beside_it() -> None:
    alone = [made(line)[0] for line in (ACCESS_LINE, b"no access", b" ")]
    assert made(ACCESS_LINE, b"no access", b" ") == alone
    assert alone[1:] == [{"event.kind": "pipeline_error"}, {}]


def test_a_dataset_that_another_parser_reads_is_called_nothing() -> None:
    placed = msgspec.structs.replace(ACCESS, parser="json")
    (document,) = made(b'{"a":1}', placed=placed)
    assert document == {}
