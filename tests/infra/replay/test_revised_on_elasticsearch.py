"""Revised documents on the real Elasticsearch: seen once, by searches, audit and retention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
import pytest

from tailrace.audit.index import ElasticIndex
from tailrace.clock import SystemClock
from tailrace.dead.index import LetterIndex
from tailrace.digest import is_unaltered
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.errors import CommandFailed
from tailrace.floors import NO_FLOORS
from tailrace.index_templates import events_alias
from tailrace.kill_points import armed
from tailrace.ledger import WINDOW_EVENTS
from tailrace.replay.made import MadeDocument, Remade
from tailrace.replay.publish import Publishing
from tailrace.replay.resend import bulk_lines
from tailrace.replay.revised_elastic import RevisedElastic
from tailrace.replay.run import Done, Replaying
from tailrace.replay.stored_index import StoredEvents
from tailrace.replay.tally import Tally
from tailrace.revised_indices import REVISED_BY
from tailrace.why.hops import LinePlace, Made
from tailrace.why.lookup import Lookup
from tailrace_indexer.dead_letters import dead_index, dead_lines
from tailrace_indexer.event_indices import EventIndices
from tests.infra.dead.builders import DIED_AT_MS, NO_FIELDS, dead
from tests.infra.dead.builders import bulk_lines as refused_lines
from tests.infra.dead.test_retry import Killed, KillsAt
from tests.infra.replay.builders import GENERATION, made, remade
from tests.laws.services import with_templates

pytestmark = [pytest.mark.stack, pytest.mark.timeout(180)]
FIRST, SECOND = "app-2026.11.24", "app-2026.11.25"
OTHER = "fedcba9876543210fedcba9876543210"


@dataclass(slots=True)
class Place:
    """A namespace with our templates."""

    elastic: Elastic
    namespace: str

    @property
    def alias(self) -> str:
        return events_alias(self.namespace)

    def index(self, name: str) -> str:
        return f"{self.namespace}-{name}"

    def make(
        self,
        number: int,
        day: str = FIRST,
        *,
        user: str = "",
        more: Mapping[str, object] = NO_FIELDS,
    ) -> MadeDocument:
        # A field that our mapping has; `user` alone is an object there.
        named = {"event.action": user, **more}
        return made(number, index=self.index(day), more=named)

    def store(self, *documents: MadeDocument) -> list[int]:
        for index in {each.index for each in documents}:
            if not self.elastic.request("HEAD", f"/{index}").is_success:
                self.elastic.ask("PUT", f"/{index}")
        return self.bulk(b"".join(bulk_lines(each.index, each) for each in documents))

    def bulk(self, lines: bytes) -> list[int]:
        path = "/_bulk?refresh=true"
        answer = self.elastic.request("POST", path, body=lines, content_type=NDJSON)
        return [item["create"]["status"] for item in answer.json()["items"]]

    def stored(self) -> StoredEvents:
        clock = SystemClock()
        letters = LetterIndex(self.elastic, namespace=self.namespace, clock=clock)
        return StoredEvents(
            self.elastic, letters=letters, namespace=self.namespace, clock=clock
        )

    def revisions(self) -> RevisedElastic:
        clock = SystemClock()
        return RevisedElastic(self.elastic, namespace=self.namespace, clock=clock)

    def shadow(self, *records: Remade) -> Tally:
        tally = Tally(samples_max=5)
        Replaying(stored=self.stored(), tally=tally).run(records)
        return tally

    def publish(self, *records: Remade) -> Done:
        publishing = Publishing(
            revisions=self.revisions(),
            alias=self.alias,
            namespace=self.namespace,
            read_floors=lambda: NO_FLOORS,
            is_alone=lambda: True,
        )
        tally = Tally(samples_max=5)
        return Replaying(stored=self.stored(), tally=tally, publishing=publishing).run(
            records
        )

    def users(self) -> dict[int, list[Any]]:
        """Return the users of each event, as many as documents are found."""
        found = self.elastic.search(
            self.alias, body={"size": 1_000, "sort": [{"event.sequence": "asc"}]}
        )
        users: dict[int, list[Any]] = {}
        for hit in found["hits"]["hits"]:
            source = hit["_source"]
            users.setdefault(source["event.sequence"], []).append(
                source.get("event.action")
            )
        return users

    def everything(self) -> Any:  # noqa: ANN401 - JSON
        """Return all indices with documents, aliases and mappings: what a write alters."""
        self.elastic.refresh(f"{self.namespace}-*")
        path = f"/{self.namespace}-*"
        documents = self.elastic.search(
            f"{self.namespace}-*",
            body={"size": 1_000, "version": True, "sort": ["_doc"]},
        )["hits"]["hits"]
        return sorted(map(str, documents)), self.elastic.ask("GET", path)

    def counted(self) -> dict[str, int]:
        """Return what retention counts of each index."""
        indices = EventIndices(
            self.elastic,
            namespace=self.namespace,
            clock=SystemClock(),
            guard=cast("Any", None),  # Counting changes nothing, so it is not asked.
        )
        return {
            each.name.removeprefix(f"{self.namespace}-"): sum(
                one.document_count for one in indices.counted(each.name)
            )
            for each in indices.facts()
        }

    def audited(self) -> tuple[int, list[bool]]:
        """Return how many documents an audit counts, and whether each is unaltered."""
        index = ElasticIndex(
            self.elastic,
            namespace=self.namespace,
            window_events=WINDOW_EVENTS,
            clock=SystemClock(),
        )
        with index.snapshot() as snapshot:
            sums = snapshot.sums(None)[GENERATION].stored
            sources = [bytes(each.source) for each in snapshot.documents(None)]
        return sums[0].count, [is_unaltered(source) for source in sources]


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    connections = with_templates(request)
    with Elastic(connections) as elastic:
        yield Place(elastic, connections.namespace)


def olds(place: Place, numbers: Sequence[int] = range(4)) -> list[MadeDocument]:
    return [place.make(n, user="old") for n in numbers]


def test_e9_replayed_documents_replace_their_former_ones_for_every_reader(
    place: Place,
) -> None:
    """Searches, sums, audit, retention and `why` see each once; a re-send meets its id."""
    assert place.store(*olds(place)) == [201] * 4
    news = [place.make(1, user="new"), place.make(2, user="new", day=SECOND)]
    same = [place.make(n, user="old") for n in (0, 3)]

    done = place.publish(remade(*same, *news))

    assert (done.revision, done.published_count) == (1, 2)
    assert place.users() == {0: ["old"], 1: ["new"], 2: ["new"], 3: ["old"]}
    assert place.elastic.count(place.alias) == 4
    assert place.audited() == (4, [True] * 4)
    assert place.counted() == {
        FIRST: 2,
        f"{FIRST}-r1": 1,
        f"{SECOND}-r1": 1,
    }
    assert place.store(*olds(place)) == [409] * 4
    assert place.publish(remade(*same, *news)).published_count == 0
    letters = LetterIndex(place.elastic, namespace=place.namespace, clock=SystemClock())
    names = [(each.index, each.document_id) for each in olds(place)]
    assert letters.stored([*names, (place.index(FIRST), "x")]) == set(names)
    found = Lookup(place.elastic, namespace=place.namespace).found(
        LinePlace(generation=GENERATION, offset=10, line=b"line 1", event_number=1),
        made=Made(index=place.index(FIRST), document_id=news[0].document_id),
    )
    assert found.documents == [
        f"{place.index(FIRST)}-r1/{news[0].document_id}",
    ]


def test_e9_a_replay_of_a_replay_hides_its_former_one_too(place: Place) -> None:
    place.store(*olds(place))
    place.publish(remade(place.make(1, user="new"), place.make(2, user="new")))

    done = place.publish(remade(place.make(1, user="newer"), place.make(0, user="n")))

    assert done.revision == 2
    assert place.users() == {0: ["n"], 1: ["newer"], 2: ["new"], 3: ["old"]}
    assert place.audited() == (4, [True] * 4)
    assert place.counted() == {FIRST: 1, f"{FIRST}-r1": 1, f"{FIRST}-r2": 2}


def test_e9_an_index_of_which_all_is_replaced_is_still_known_to_retention(
    place: Place,
) -> None:
    """It takes its room, and would stay for ever."""
    place.store(*olds(place))
    place.publish(remade(*(place.make(n, user="new") for n in range(4))))

    assert place.users() == {n: ["new"] for n in range(4)}
    assert place.counted() == {FIRST: 0, f"{FIRST}-r1": 4}


@pytest.mark.parametrize("point", ["R2", "R3", "R4", "R5"])
def test_e9_a_replay_that_was_killed_shows_all_of_it_or_nothing(
    place: Place, point: str
) -> None:
    place.store(*olds(place))
    # What it changed is not what the next one changes: no mark of it may count.
    with armed(KillsAt(point)), pytest.raises(Killed):
        place.publish(remade(*(place.make(n, user="lost") for n in range(3))))
    lost = "lost" if point == "R5" else "old"
    assert place.audited() == (4, [True] * 4)
    assert place.users() == {**{n: [lost] for n in range(3)}, 3: ["old"]}

    place.publish(remade(place.make(1, user="new"), place.make(3, user="new")))

    assert place.users() == {0: [lost], 1: ["new"], 2: [lost], 3: ["new"]}
    assert place.audited()[0] == 4
    assert place.revisions().standing().drafts == ()


def test_e9_into_shadow_nothing_is_written(place: Place) -> None:
    place.store(*olds(place))
    before = place.everything()

    tally = place.shadow(remade(*(place.make(n, user="new") for n in range(5))))

    assert dict(tally.of("app").fates) == {"changed": 4, "not_stored": 1}
    assert place.everything() == before


def test_e9_one_that_was_altered_meanwhile_is_not_replaced(place: Place) -> None:
    place.store(*olds(place))
    formers = place.stored().versions([each.document_id for each in olds(place)])
    path = f"/{place.index(FIRST)}/_update/{olds(place)[2].document_id}"
    place.elastic.ask("POST", path, body={"doc": {"event.action": "other"}})

    with pytest.raises(CommandFailed, match="was altered while it was replayed"):
        place.revisions().mark(
            [each for versions in formers.values() for each in versions], revision=1
        )


def test_e9_what_the_index_refuses_stays_as_it_was(place: Place) -> None:
    """A mapping takes no object where it has a number."""
    place.store(*olds(place))
    odd = place.make(1, more={"process.pid": {"is": "no number"}})

    done = place.publish(remade(odd, place.make(2, user="new")))

    assert list(done.refused) == [odd.document_id]
    assert "process.pid" in done.refused[odd.document_id]
    assert place.users() == {0: ["old"], 1: ["old"], 2: ["new"], 3: ["old"]}


def test_e9_documents_from_before_there_were_marks_are_replaced_too(
    place: Place,
) -> None:
    old_template: dict[str, Any] = {
        "index_patterns": [f"{place.namespace}-*-*"],
        "priority": 240,
        "template": {
            "mappings": {
                "dynamic": False,
                "properties": {
                    "@timestamp": {"type": "date_nanos"},
                    "event.sequence": {"type": "long"},
                    "tailrace.generation": {"type": "keyword"},
                },
            },
            "aliases": {place.alias: {}},
        },
    }
    path = f"/_index_template/{place.namespace}-before-marks"
    place.elastic.ask("PUT", path, body=old_template)
    place.store(*olds(place))
    place.elastic.ask("DELETE", path)

    place.publish(remade(place.make(1, user="new")))

    assert place.users() == {0: ["old"], 1: ["new"], 2: ["old"], 3: ["old"]}


def test_e9_a_filter_that_is_not_ours_is_left_alone(place: Place) -> None:
    place.store(*olds(place))
    mine = {"term": {"event.dataset": "app"}}
    add = {"index": place.index(FIRST), "alias": place.alias, "filter": mine}
    place.elastic.ask("POST", "/_aliases", body={"actions": [{"add": add}]})

    with pytest.raises(CommandFailed, match="a filter of its own"):
        place.publish(remade(place.make(1, user="new")))


def test_e5_letters_are_found_by_the_events_that_they_name(place: Place) -> None:
    line = refused_lines("user 1", offset=10, fields={"user.id": "u-1"})
    letter = dead(line)
    index = dead_index(DIED_AT_MS, namespace=place.namespace)
    place.elastic.ask("PUT", f"/{index}")
    place.bulk(dead_lines(letter, namespace=place.namespace))
    stored, generation = place.stored(), letter.generation

    assert letter.first_event_number == 1
    found = stored.letters([(generation, 1), (generation, 2), (OTHER, 1)])

    assert {key: [one.dead_id for one in each] for key, each in found.items()} == {
        (generation, 1): [letter.dead_id]
    }


def test_what_is_stored_of_a_number_is_counted_once_behind_the_alias(
    place: Place,
) -> None:
    assert place.stored().count(GENERATION, range(9)) == 0
    assert place.stored().versions(["x"]) == {}
    place.store(*olds(place))
    place.publish(remade(place.make(1, user="new")))

    assert place.stored().count(GENERATION, range(1, 3)) == 2
    assert place.stored().count(OTHER, range(1, 3)) == 0
    name = olds(place)[1].document_id
    (version,) = place.stored().versions([name])[name]
    assert version.index == f"{place.index(FIRST)}-r1"
    assert orjson.loads(bytes(version.fields["event.action"])) == "new"


@pytest.mark.parametrize("is_whole", [False, True])
def test_e9_what_is_lost_of_a_replay_is_missing_for_all_until_the_next_replay(
    place: Place, is_whole: bool
) -> None:
    """One document, or the whole index: `why` and audit see what searches see."""
    place.store(*olds(place))
    news = [place.make(n, user="new") for n in (1, 2)]
    rest = [place.make(n, user="old") for n in (0, 3)]
    place.publish(remade(*news, *rest))
    index = f"{place.index(FIRST)}-r1"
    lost = "" if is_whole else f"/_doc/{news[0].document_id}?refresh=true"
    place.elastic.ask("DELETE", f"/{index}{lost}")
    left = {2: ["new"]} if not is_whole else {}
    assert place.users() == {0: ["old"], **left, 3: ["old"]}
    assert found_of_first(place, news[0]) == ()

    done = place.publish(remade(*news, *rest))

    assert (done.revision, done.published_count) == (2, 2 if is_whole else 1)
    assert place.users() == {0: ["old"], 1: ["new"], 2: ["new"], 3: ["old"]}
    assert place.audited() == (4, [True] * 4)
    assert found_of_first(place, news[0]) == (
        f"{place.index(FIRST)}-r2/{news[0].document_id}",
    )
    assert place.store(*olds(place)) == [409] * 4
    assert place.publish(remade(*news, *rest)).published_count == 0


def found_of_first(place: Place, document: MadeDocument) -> tuple[str, ...]:
    found = Lookup(place.elastic, namespace=place.namespace).found(
        LinePlace(generation=GENERATION, offset=10, line=b"line 1", event_number=1),
        made=Made(index=place.index(FIRST), document_id=document.document_id),
    )
    return tuple(found.documents)


def test_e9_a_mark_of_a_replay_that_was_killed_hides_nothing_from_why(
    place: Place,
) -> None:
    """Not even before a search finds the document."""
    place.store(*olds(place))
    with armed(KillsAt("R4")), pytest.raises(Killed):
        place.publish(remade(place.make(1, user="lost")))
    index, name = place.index(FIRST), olds(place)[1].document_id
    source = place.elastic.request("GET", f"/{index}/_source/{name}").body
    assert REVISED_BY.encode() in source
    still = {"index": {"refresh_interval": "-1"}}
    place.elastic.ask("PUT", f"/{index}/_settings", body=still)
    place.elastic.ask("DELETE", f"/{index}/_doc/{name}?refresh=true")
    place.elastic.request("PUT", f"/{index}/_doc/{name}", body=source)
    assert 1 not in place.users()

    (found,) = found_of_first(place, olds(place)[1])

    assert found.startswith(f"{place.index(FIRST)}/")
