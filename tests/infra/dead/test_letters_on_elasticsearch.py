"""Dead letters on the real Elasticsearch: read in order, told apart, and marked wherever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec
import pytest

from tailrace.clock import SystemClock
from tailrace.dead.index import PAGE_LETTERS, LetterIndex
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.wire import DeadLetter
from tailrace_indexer.dead_letters import dead_index, dead_lines
from tests.infra.dead.builders import DIED_AT_MS, bulk_lines, dead
from tests.laws.services import with_templates

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]
DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Place:
    """A namespace with our templates, and what is indexed there."""

    elastic: Elastic
    index: LetterIndex
    namespace: str

    def bury(self, *letters: DeadLetter) -> None:
        """Index letters as the indexer does, in indices as its leader makes them."""
        for each in letters:
            self.make(dead_index(each.died_at_ms, namespace=self.namespace))
        lines = b"".join(dead_lines(e, namespace=self.namespace) for e in letters)
        path = "/_bulk?refresh=true"
        answer = self.elastic.request("POST", path, body=lines, content_type=NDJSON)
        assert not answer.json()["errors"], answer.body

    def make(self, index: str) -> None:
        if not self.elastic.request("HEAD", f"/{index}").is_success:
            self.elastic.ask("PUT", f"/{index}")

    def open_ids(self) -> list[str]:
        with self.index.open_letters() as letters:
            found = [letter.dead_id for letter in letters]
            assert letters.count() == len(found)
        return found


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    connections = with_templates(request)
    namespace = connections.namespace
    with Elastic(connections) as elastic:
        index = LetterIndex(elastic, namespace=namespace, clock=SystemClock())
        yield Place(elastic, index, namespace)


def letter(number: int, *, day: int = 0) -> DeadLetter:
    original = bulk_lines(f"user {number}", offset=10 * number)
    return dead(original, died_at_ms=DIED_AT_MS + day * DAY_MS)


def test_where_no_letter_ever_died_there_is_nothing_to_do(place: Place) -> None:
    place.index.prepare()
    place.index.mark(["ab" * 16], fix="", at_ms=1)

    assert place.open_ids() == []
    assert place.index.stored([(f"{place.namespace}-app-2026.11.24", "x")]) == set()


def test_e5_letters_come_the_oldest_first_over_days_and_pages(place: Place) -> None:
    count = 2 * PAGE_LETTERS + 3
    letters = [letter(n, day=n // PAGE_LETTERS) for n in range(count)]
    place.bury(*reversed(letters))

    assert place.open_ids() == [each.dead_id for each in letters]


def test_e5_a_marked_letter_is_open_on_no_day_and_written_again_on_none(
    place: Place,
) -> None:
    """A letter that is read again from its topic meets the mark of the first time."""
    first, other = letter(1), letter(2)
    again = msgspec.structs.replace(first, died_at_ms=DIED_AT_MS + DAY_MS)
    place.bury(first, again, other)

    place.index.prepare()
    place.index.mark([first.dead_id], fix="move:user.id", at_ms=DIED_AT_MS)

    assert place.open_ids() == [other.dead_id]
    lines = dead_lines(first, namespace=place.namespace)
    path = "/_bulk?refresh=true"
    answer = place.elastic.request("POST", path, body=lines, content_type=NDJSON)
    assert answer.json()["items"][0]["create"]["status"] == 409
    assert place.open_ids() == [other.dead_id]
    with place.index.open_letters([first.dead_id]) as letters:
        assert list(letters) == []


def test_e5_marked_letters_are_found_by_their_events_and_opened_again(
    place: Place,
) -> None:
    """On every day on which one died; what it was mended by is told by the oldest."""
    first, other, still_open = letter(1), letter(2), letter(3)
    again = msgspec.structs.replace(first, died_at_ms=DIED_AT_MS + DAY_MS)
    place.bury(first, again, other, still_open)
    place.index.prepare()
    place.index.mark([first.dead_id], fix="move:user.id", at_ms=DIED_AT_MS)
    place.index.mark([other.dead_id], fix="", at_ms=DIED_AT_MS)

    found = place.index.delivered(first.generation, numbers=[1, 2, 3])

    assert {each.dead_id: each.fix for each in found} == {
        first.dead_id: "move:user.id",
        other.dead_id: None,
    }
    assert len(found) == 2
    assert place.index.delivered(first.generation, numbers=[3]) == []
    assert place.index.delivered("other", numbers=[1]) == []

    place.index.reopen([first.dead_id])

    assert place.open_ids() == [first.dead_id, still_open.dead_id, first.dead_id]
    assert place.index.delivered(first.generation, numbers=[1]) == []
    place.index.mark([first.dead_id], fix="", at_ms=DIED_AT_MS)
    assert place.open_ids() == [still_open.dead_id]


def test_e5_letters_of_an_index_from_before_there_were_marks_can_be_marked(
    place: Place,
) -> None:
    old = dead_index(DIED_AT_MS, namespace=place.namespace)
    properties = {
        "@timestamp": {"type": "date"},
        "dead.id": {"type": "keyword"},
        "event.sequence": {"type": "long"},
    }
    before_marks = {
        "index_patterns": [f"{place.namespace}-dead-*"],
        "priority": 999,
        "template": {"mappings": {"dynamic": False, "properties": properties}},
    }
    path = f"/_index_template/{place.namespace}-before-marks"
    place.elastic.ask("PUT", path, body=before_marks)
    place.bury(letter(1), letter(2))
    place.elastic.ask("DELETE", path)
    told = place.elastic.ask("GET", f"/{old}/_mapping")
    assert "delivered_at" not in str(told)

    place.index.prepare()
    place.index.mark([letter(1).dead_id], fix="", at_ms=DIED_AT_MS)

    assert place.open_ids() == [letter(2).dead_id]


def test_e5_stored_is_what_a_search_finds_under_its_index_and_id(place: Place) -> None:
    index = f"{place.namespace}-app-2026.11.24"
    place.make(index)
    place.elastic.ask("PUT", f"/{index}/_doc/one", body={"message": "x"})
    other = f"{place.namespace}-app-2026.11.25"
    names = [(index, "one"), (index, "two"), (other, "one")]

    assert place.index.stored(names) == {(index, "one")}
