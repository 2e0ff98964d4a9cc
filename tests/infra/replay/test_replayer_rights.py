"""With the documented rights a replay is published and a letter marked; without, nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from tailrace.clock import SystemClock
from tailrace.dead.index import LetterIndex
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tests.indexer.test_rights_on_servers import documented_roles
from tests.infra.dead.test_letters_on_elasticsearch import Place as Letters
from tests.infra.dead.test_letters_on_elasticsearch import letter
from tests.infra.replay.builders import remade
from tests.infra.replay.test_revised_on_elasticsearch import Place
from tests.support.secured import ADMIN, password_of, secured_elasticsearch

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
NAMESPACE = "rights"


@dataclass(frozen=True, slots=True)
class Guarded:
    """One namespace of an Elasticsearch that asks who comes."""

    url: str

    def as_(self, user: str) -> Connections:
        return Connections(
            elasticsearch_url=self.url,
            namespace=NAMESPACE,
            elasticsearch_username=user,
            elasticsearch_password=SecretStr(password_of(user)),
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with secured_elasticsearch(documented_roles(NAMESPACE)) as server:
        yield Guarded(server.url)


@pytest.fixture
def guarded(server: Guarded) -> Iterator[Guarded]:
    """Give a namespace without an index, as another test's events would be found too."""
    yield server
    with Elastic(server.as_(ADMIN)) as elastic:
        for index in elastic.ask("GET", f"/{NAMESPACE}-*"):
            elastic.ask("DELETE", f"/{index}")


def test_x13_a_replayer_publishes_and_a_reader_only_sees(guarded: Guarded) -> None:
    admin = guarded.as_(ADMIN)
    provision_templates(admin)
    with (
        Elastic(admin) as elastic,
        Elastic(guarded.as_("reader")) as reader,
        Elastic(guarded.as_("leader")) as leader,
        Elastic(guarded.as_("replayer")) as replayer,
    ):
        place = Place(elastic, NAMESPACE)
        place.store(*(place.make(n, user="old") for n in range(3)))
        news = remade(*(place.make(n, user="new") for n in range(2)))
        before = place.everything()

        shown = Place(reader, NAMESPACE).shadow(news)
        assert dict(shown.of("app").fates) == {"changed": 2}
        for other in (reader, leader):
            with pytest.raises(ServiceUnavailable):
                Place(other, NAMESPACE).publish(news)
        assert place.users() == {0: ["old"], 1: ["old"], 2: ["old"]}
        assert place.everything()[0] == before[0]

        done = Place(replayer, NAMESPACE).publish(news)

        assert done.published_count == 2
        assert place.users() == {0: ["new"], 1: ["new"], 2: ["old"]}


def test_x13_a_mender_marks_letters_and_changes_no_event(guarded: Guarded) -> None:
    admin = guarded.as_(ADMIN)
    provision_templates(admin)
    clock, died = SystemClock(), [letter(n) for n in range(2)]
    with (
        Elastic(admin) as elastic,
        Elastic(guarded.as_("reader")) as reader,
        Elastic(guarded.as_("mender")) as mender,
    ):
        where = f"{NAMESPACE}-app-2026.11.25"
        event = f"/{where}/_doc/a"
        elastic.ask("PUT", f"/{where}")
        elastic.ask("PUT", event, body={"message": "kept"})
        index = LetterIndex(mender, namespace=NAMESPACE, clock=clock)
        letters = Letters(elastic, index, NAMESPACE)
        letters.bury(*died)
        wanted = [one.dead_id for one in died]

        seen = LetterIndex(reader, namespace=NAMESPACE, clock=clock)
        with seen.open_letters() as shown:
            assert [one.dead_id for one in shown] == wanted
        with pytest.raises((ServiceUnavailable, CommandFailed)):
            seen.mark(wanted, fix="", at_ms=1)
        assert letters.open_ids() == wanted

        index.prepare()
        assert index.stored([(where, "a")]) == {(where, "a")}
        index.mark(wanted[:1], fix="", at_ms=1)
        elastic.refresh(f"{NAMESPACE}-dead-*")
        assert letters.open_ids() == wanted[1:]
        for method in ("PUT", "DELETE"):
            body = b'{"message":"planted"}' if method == "PUT" else None
            assert mender.request(method, event, body=body).status == 403
        assert elastic.ask("GET", event)["_source"] == {"message": "kept"}
