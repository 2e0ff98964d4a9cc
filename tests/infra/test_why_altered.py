"""`tailrace why` of a line whose document somebody altered: it is not stored as it was."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest

from tailrace.elasticsearch import Answer, Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.why.hops import Found, LinePlace, State, Witness, hops, is_stored_once
from tailrace.why.lookup import Lookup
from tests.infra.audit.builders import GENERATION, HeldDocument, facts_at_rest

STORED = HeldDocument(3)
PLACE = LinePlace(
    generation=GENERATION,
    offset=STORED.offset,
    line=STORED.line.encode(),
    event_number=3,
)


class HoldingElastic(Elastic):
    """Answers a search in the events with one document, its source as it stands."""

    def __init__(self, source: bytes, *, status: int = 200) -> None:
        self._source = source
        self._status = status

    def look_up(self, method: str, path: str, *, body: object = None) -> Answer:
        del method, body
        if path.startswith("/t-dead-"):
            return Answer(200, b'{"hits":{"hits":[]}}')
        name = orjson.dumps(STORED.document_id).decode()
        hit = f'{{"_index":"{STORED.index}","_id":{name},"_source":'.encode()
        hits = b"%b%b}" % (hit, self._source)
        return Answer(self._status, b'{"hits":{"hits":[%b]}}' % hits)

    def refusal(self, answer: Answer) -> ServiceUnavailable:
        return ServiceUnavailable(
            "Elasticsearch", address="x", reason=str(answer.status)
        )


def found(source: bytes, *, status: int = 200) -> Found:
    elastic = HoldingElastic(source, status=status)
    return Lookup(elastic, namespace="t").found(PLACE, made=None)


def witness(source: bytes) -> Witness:
    return Witness(place=PLACE, facts=facts_at_rest(10), found=found(source))


def test_a_document_as_it_was_stored_is_stored() -> None:
    told = witness(STORED.source)

    assert is_stored_once(told)
    assert hops(told)[-1].state is State.DONE


@pytest.mark.parametrize(
    ("document", "wrong"),
    [
        (replace(STORED, text="another".ljust(len(STORED.line))), "its digest"),
        # Somebody made a digest anew: the `_id` is of the line.
        (replace(STORED, says={"message": "another"}), "its _id is of another line"),
    ],
)
def test_an_altered_document_is_not_said_to_be_the_line(
    document: HeldDocument, wrong: str
) -> None:
    told = witness(document.source)

    assert not is_stored_once(told)
    last = hops(told)[-1]
    assert last.state is State.ALTERED
    assert f"stored as {STORED.index}/{STORED.document_id}, and altered" in last.text
    assert wrong in last.text
    assert "--repair" in last.text


def test_a_document_without_a_digest_is_held_to_none() -> None:
    source = {"log.offset": STORED.offset, "tailrace.generation": GENERATION}

    assert is_stored_once(witness(orjson.dumps(source)))


def test_events_of_which_there_is_no_index_are_not_stored() -> None:
    assert not found(b"{}", status=404).documents


def test_an_index_that_does_not_answer_says_nothing_of_a_line() -> None:
    with pytest.raises(ServiceUnavailable):
        found(b"{}", status=503)
