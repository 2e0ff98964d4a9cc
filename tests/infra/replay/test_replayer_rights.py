"""With the documented rights a replay is shown and published, and without them nothing is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from pydantic import SecretStr

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tests.indexer.test_rights_on_servers import documented_roles
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
def guarded() -> Iterator[Guarded]:
    with secured_elasticsearch(documented_roles(NAMESPACE)) as server:
        yield Guarded(server.url)


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
