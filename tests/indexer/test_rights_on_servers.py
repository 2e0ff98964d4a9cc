"""With the documented rights everything works, nothing more does, and a lost one loses nothing.

On a real Elasticsearch that knows users, with the roles that `docs/rights.md` has.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Generator, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tailrace.elasticsearch import JSON, NDJSON, Elastic
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.provision import provision_templates, provision_topics
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS
from tailrace_embedded.stack import Endpoints
from tests.indexer.builders import documents
from tests.support.secured import (
    ADMIN,
    Roles,
    SecuredElasticsearch,
    password_of,
    secured_elasticsearch,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack
WAIT_S_MAX = 120
PAGE = Path(__file__).parents[2] / "docs" / "rights.md"


def documented_roles(namespace: str) -> dict[str, Any]:
    """Return each role of the page, with the namespace in the place of ours."""
    text = PAGE.read_text("utf-8").replace('"tailrace-', f'"{namespace}-')
    found = re.findall(
        r"^## `(\w+)`$.*?^```json\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
    )
    return {name: json.loads(body) for name, body in found}


@pytest.fixture(scope="module")
def server() -> Iterator[SecuredElasticsearch]:
    with secured_elasticsearch(documented_roles("none")) as secured:
        yield secured


@dataclass
class Guarded:
    """A namespace on servers of which Elasticsearch asks who comes."""

    server: SecuredElasticsearch
    connections: Connections
    folder: Path
    roles: dict[str, Any]
    admin: Elastic

    @property
    def index(self) -> str:
        return f"{self.connections.namespace}-app.log-2026.11.24"

    def known_as(self, user: str) -> Connections:
        return self.connections.model_copy(
            update={
                "elasticsearch_username": user,
                "elasticsearch_password": SecretStr(password_of(user)),
            }
        )

    def password_file(self, user: str) -> Path:
        return self.folder / f"{user}.password"

    def write(self, lines: list[str], *, first: int = 0) -> None:
        producer = Producer.connect(
            self.connections,
            client_id="test",
            request_bytes_max=DOCS.message_bytes_max,
        )
        told: list[SendFailure | None] = []
        producer.send(
            DOCS.name(self.connections.namespace),
            value=documents(lines, first=first, index=self.index),
            key=b"key",
            on_done=told.append,
        )
        assert producer.flush(wait_ms_max=60_000)
        producer.close(wait_ms_max=1_000)
        assert told == [None]

    @contextmanager
    def indexer(
        self, name: str, *, leads: bool
    ) -> Generator[subprocess.Popen[bytes], None, None]:
        """Run an indexer that is known as a writer and, where it leads, as a leader."""
        keys = {"": "writer"} | ({"LEADER_": "leader"} if leads else {})
        environment = {
            f"TAILRACE_ELASTICSEARCH_{kind}{setting}": value
            for kind, user in keys.items()
            for setting, value in (
                ("USERNAME", user),
                ("PASSWORD_FILE", str(self.password_file(user))),
            )
        }
        with (self.folder / f"{name}.out").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tailrace_indexer"],
                env={**os.environ, **self.environment(), **environment},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(60)

    def environment(self) -> Mapping[str, str]:
        return {
            "TAILRACE_KAFKA_BOOTSTRAP": self.connections.kafka_bootstrap,
            "TAILRACE_ZOOKEEPER_HOSTS": self.connections.zookeeper_hosts,
            "TAILRACE_ELASTICSEARCH_URL": self.server.url,
            "TAILRACE_NAMESPACE": self.connections.namespace,
            "TAILRACE_DATA_DIR": str(self.folder),
        }

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.out").read_text()

    def messages(self) -> list[str]:
        self.admin.refresh(self.index)
        if not self.admin.count(self.index):
            return []
        answer = self.admin.search(self.index, body={"size": 10_000})
        return sorted(hit["_source"]["message"] for hit in answer["hits"]["hits"])

    def dead_count(self) -> int:
        topic = DEAD.name(self.connections.namespace)
        with KafkaAdmin(self.connections) as kafka:
            return sum(kafka.end_offsets([topic]).values())

    def set_roles(self, roles: Roles) -> None:
        self.server.set_roles(roles)
        self.server.await_roles()


@pytest.fixture
def rights(
    server: SecuredElasticsearch, namespace: str, tmp_path: Path
) -> Iterator[Guarded]:
    """Give a namespace with our templates, and with each role its rights in it."""
    connections = Connections(
        elasticsearch_url=server.url, namespace=namespace, data_dir=tmp_path
    )
    roles = documented_roles(namespace)
    server.set_roles(roles)
    server.set_users({name: password_of(name) for name in roles})
    for name in roles:
        (tmp_path / f"{name}.password").write_text(password_of(name) + "\n")
    admin = connections.model_copy(
        update={
            "elasticsearch_username": ADMIN,
            "elasticsearch_password": SecretStr(password_of(ADMIN)),
        }
    )
    with Elastic(admin) as elastic:
        found = Guarded(server, connections, tmp_path, roles, elastic)
        server.await_roles()
        provision_templates(found.known_as("leader"))
        yield found


@pytest.fixture
def guarded(rights: Guarded, stack: Endpoints) -> Guarded:
    """Give that namespace on Kafka and ZooKeeper, too."""
    rights.connections = rights.connections.model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
        }
    )
    provision_topics(rights.connections)
    return rights


def texts(count: int, *, first: int = 0) -> list[str]:
    return [f"line {number:05}" for number in range(first, first + count)]


@pytest.mark.timeout(600)
def test_x13_a_writer_adds_documents_and_the_leader_makes_their_index(
    guarded: Guarded,
) -> None:
    """Without a leader the lines wait; with one they are there, and none is given up."""
    guarded.write(texts(50))
    with guarded.indexer("writer", leads=False):
        eventually(lambda: "no leader makes it" in guarded.log("writer"), WAIT_S_MAX)
        assert "leading_left_to_others" in guarded.log("writer")
        assert guarded.admin.request("HEAD", f"/{guarded.index}").status == 404

        with guarded.indexer("leader", leads=True):
            eventually(lambda: guarded.messages() == texts(50), WAIT_S_MAX)
    assert guarded.dead_count() == 0
    # Made by our template, or its fields would have been guessed.
    mapping = guarded.admin.ask("GET", f"/{guarded.index}/_mapping")
    fields = mapping[guarded.index]["mappings"]["properties"]
    assert fields["@timestamp"]["type"] == "date_nanos"
    with Elastic(guarded.known_as("reader")) as reader:
        assert reader.count(f"{guarded.connections.namespace}-events") == 50
    log = guarded.log("leader")
    assert "leader_elected" in log
    assert "retention_skipped" not in log


@pytest.mark.timeout(600)
def test_e1_x13_a_right_that_is_taken_away_holds_the_lines_until_it_is_given_back(
    guarded: Guarded,
) -> None:
    """None is dead-lettered, none is lost, none comes twice, and one alarm names it."""
    guarded.write(texts(20))
    with guarded.indexer("one", leads=True) as process:
        eventually(lambda: guarded.messages() == texts(20), WAIT_S_MAX)

        guarded.set_roles(guarded.roles | {"writer": guarded.roles["reader"]})
        guarded.write(texts(500, first=20), first=20)
        eventually(lambda: "create_doc" in guarded.log("one"), WAIT_S_MAX)
        assert "alarm_raised" in guarded.log("one")
        assert guarded.messages() == texts(20)
        assert guarded.dead_count() == 0

        guarded.set_roles(guarded.roles)
        eventually(lambda: guarded.messages() == texts(520), WAIT_S_MAX)
        eventually(lambda: "alarm_cleared" in guarded.log("one"), WAIT_S_MAX)
        assert process.poll() is None

    assert guarded.dead_count() == 0


@pytest.mark.timeout(600)
def test_e11_a_password_that_was_changed_is_taken_from_its_file_while_running(
    guarded: Guarded,
) -> None:
    guarded.write(texts(20))
    with guarded.indexer("one", leads=True) as process:
        eventually(lambda: guarded.messages() == texts(20), WAIT_S_MAX)

        passwords = {name: password_of(name) for name in guarded.roles}
        guarded.server.set_users(passwords | {"writer": "changed"})
        with Elastic(guarded.known_as("writer")) as writer:
            eventually(
                lambda: writer.request("GET", "/_search").status == 401, WAIT_S_MAX
            )
        guarded.write(texts(100, first=20), first=20)
        eventually(lambda: "unauthorized" in guarded.log("one"), WAIT_S_MAX)
        assert guarded.messages() == texts(20)

        guarded.password_file("writer").write_text("changed\n")
        eventually(lambda: guarded.messages() == texts(120), WAIT_S_MAX)
        assert process.poll() is None

    assert guarded.dead_count() == 0
    log = guarded.log("one")
    assert password_of("writer") not in log
    assert password_of("leader") not in log
    assert "changed\\n" not in log


REVISED = (
    '{"index":{"_index":"NAMESPACE-ledger","_id":"l","version":%d,'
    '"version_type":"external_gte"}}'
)
SETTING = '{"persistent":{"cluster.routing.allocation.enable":"all"}}'
FORBIDDEN = {
    "writer": [
        ("POST", "/_bulk", '{"index":{"_index":"INDEX","_id":"a"}}\n{"message":"x"}\n'),
        ("POST", "/_bulk", '{"delete":{"_index":"INDEX","_id":"a"}}\n'),
        ("POST", "/_bulk", '{"update":{"_index":"INDEX","_id":"a"}}\n{"doc":{}}\n'),
        ("POST", "/INDEX/_search", "{}"),
        ("GET", "/INDEX/_doc/a", ""),
        ("PUT", "/NAMESPACE-new-2026.11.24", ""),
        ("DELETE", "/INDEX", ""),
        ("POST", "/_aliases", '{"actions":[{"remove_index":{"index":"INDEX"}}]}'),
        ("PUT", "/INDEX/_settings", '{"index.blocks.read_only":true}'),
        ("PUT", "/_index_template/x", '{"index_patterns":["x-*"]}'),
        ("PUT", "/_cluster/settings", SETTING),
        ("POST", "/_bulk", '{"create":{"_index":"foreign","_id":"a"}}\n{"x":1}\n'),
    ],
    "leader": [
        ("POST", "/_bulk", '{"create":{"_index":"INDEX","_id":"b"}}\n{"x":1}\n'),
        ("POST", "/_bulk", '{"index":{"_index":"INDEX","_id":"a"}}\n{"x":1}\n'),
        ("POST", "/_bulk", '{"delete":{"_index":"INDEX","_id":"a"}}\n'),
        ("DELETE", "/foreign", ""),
        ("PUT", "/foreign-new", ""),
        ("GET", "/foreign/_search", ""),
        ("PUT", "/_cluster/settings", SETTING),
    ],
    "reader": [
        ("POST", "/_bulk", '{"create":{"_index":"INDEX","_id":"b"}}\n{"x":1}\n'),
        ("POST", "/_bulk", '{"delete":{"_index":"INDEX","_id":"a"}}\n'),
        ("PUT", "/NAMESPACE-new-2026.11.24", ""),
        ("DELETE", "/INDEX", ""),
        ("PUT", "/INDEX/_settings", '{"index.blocks.read_only":true}'),
        ("PUT", "/_index_template/x", '{"index_patterns":["x-*"]}'),
        ("GET", "/foreign/_search", ""),
    ],
}
"""By role, what is not its business: each must be refused, or the page gives too much."""


EPOCH = '{"index":"NAMESPACE-leader","alias":"NAMESPACE-leader-1-1"'
LEADS = '{"aliases":{"NAMESPACE-leader-1-1":{"is_hidden":true}}}'
LEADS_STILL = (
    '{"actions":[{"remove":EPOCH,"must_exist":true}},{"add":EPOCH,"is_hidden":true}}]}'
).replace("EPOCH", EPOCH)
LEADS_AND_REMOVES = LEADS_STILL.replace("}]}", '},{"remove_index":{"index":"INDEX"}}]}')
TEMPLATE = '{"index_patterns":["NAMESPACE-app-*"],"priority":250}'
ALLOWED = [
    # In this order: the leader makes what the writer fills and the reader finds.
    ("leader", "PUT", "/INDEX", "", 200),
    ("leader", "PUT", "/NAMESPACE-ledger", "", 200),
    ("writer", "POST", "/_bulk", '{"create":{"_index":"INDEX","_id":"a"}}\n{}\n', 201),
    ("writer", "POST", "/_bulk", '{"create":{"_index":"INDEX","_id":"a"}}\n{}\n', 409),
    ("writer", "POST", "/_bulk", f"{REVISED % 7}\n{{}}\n", 201),
    ("writer", "POST", "/_bulk", f"{REVISED % 8}\n{{}}\n", 200),
    ("writer", "POST", "/_bulk", f"{REVISED % 7}\n{{}}\n", 409),
    ("leader", "POST", "/NAMESPACE-*/_refresh", "", 200),
    ("leader", "PUT", "/NAMESPACE-alerts", "", 200),
    ("leader", "PUT", "/NAMESPACE-alerts/_create/a", "{}", 201),
    ("leader", "PUT", "/NAMESPACE-alerts/_doc/a", "{}", 200),
    ("leader", "GET", "/NAMESPACE-alerts/_doc/a", "", 200),
    ("reader", "POST", "/NAMESPACE-alerts/_search", "{}", 200),
    (
        "leader",
        "POST",
        "/_bulk",
        '{"delete":{"_index":"NAMESPACE-alerts","_id":"a"}}\n',
        200,
    ),
    ("reader", "POST", "/NAMESPACE-events/_search", "{}", 200),
    ("reader", "POST", "/NAMESPACE-events/_pit?keep_alive=1s", "", 200),
    ("reader", "GET", "/NAMESPACE-events/_field_caps?fields=message", "", 200),
    ("leader", "GET", "/NAMESPACE-events/_stats/store,docs", "", 200),
    ("leader", "GET", "/_nodes/stats/fs", "", 200),
    (
        "leader",
        "POST",
        "/_bulk",
        '{"delete":{"_index":"NAMESPACE-ledger","_id":"l"}}\n',
        200,
    ),
    ("leader", "PUT", "/NAMESPACE-leader", LEADS, 200),
    ("leader", "GET", "/NAMESPACE-leader/_alias", "", 200),
    ("leader", "POST", "/_aliases", LEADS_STILL, 200),
    ("leader", "GET", "/_tasks?actions=indices:admin/forcemerge*", "", 200),
    ("leader", "POST", "/INDEX/_forcemerge?max_num_segments=1", "", 200),
    ("leader", "PUT", "/INDEX/_mapping", '{"_meta":{"tailrace_merged":true}}', 200),
    ("leader", "PUT", "/INDEX/_settings", '{"index.number_of_replicas":0}', 200),
    ("leader", "PUT", "/_index_template/NAMESPACE-events-00", TEMPLATE, 200),
    ("leader", "GET", "/_index_template/NAMESPACE-events-*", "", 200),
    ("leader", "DELETE", "/_index_template/NAMESPACE-events-00", "", 200),
    ("leader", "PUT", "/INDEX/_block/write", "", 200),
    ("writer", "POST", "/_bulk", '{"create":{"_index":"INDEX","_id":"b"}}\n{}\n', 403),
    ("leader", "POST", "/_aliases", LEADS_AND_REMOVES, 200),
]


@pytest.mark.timeout(600)
def test_x13_what_is_a_roles_business_it_may_do(rights: Guarded) -> None:
    known: dict[str, Elastic] = {}
    with ExitStack() as closing:
        for role in rights.roles:
            elastic = Elastic(rights.known_as(role))
            known[role] = closing.enter_context(elastic)
        for role, method, path, body, status in ALLOWED:
            found = asked(rights, known[role], method, path, body)
            assert found == status, (role, method, path, body)


@pytest.mark.timeout(600)
def test_x12_x13_what_is_not_a_roles_business_is_refused(rights: Guarded) -> None:
    rights.admin.ask("PUT", f"/{rights.index}")
    rights.admin.request("PUT", "/foreign")
    rights.admin.ask("PUT", f"/{rights.index}/_doc/a", body={"message": "kept"})
    for role, forbidden in FORBIDDEN.items():
        with Elastic(rights.known_as(role)) as elastic:
            for method, path, body in forbidden:
                status = asked(rights, elastic, method, path, body)
                assert status == 403, (role, method, path, body)
    with Elastic(rights.connections) as anonymous:
        for method, path, body in [*FORBIDDEN["writer"], *FORBIDDEN["reader"]]:
            status = asked(rights, anonymous, method, path, body)
            assert status == 401, ("nobody", method, path, body)
    source = rights.admin.ask("GET", f"/{rights.index}/_doc/a")["_source"]
    assert source == {"message": "kept"}


def asked(rights: Guarded, elastic: Elastic, method: str, path: str, body: str) -> int:
    """Return the status of a request, or of its one item where it is a bulk."""
    namespace = rights.connections.namespace
    fill = {"INDEX": rights.index, "NAMESPACE": namespace}
    for name, value in fill.items():
        path, body = path.replace(name, value), body.replace(name, value)
    is_bulk = path == "/_bulk"
    answer = elastic.request(
        method,
        path,
        body=body.encode() if body else None,
        content_type=NDJSON if is_bulk else JSON,
    )
    if not is_bulk or not answer.is_success:
        return answer.status
    (item,) = answer.json()["items"]
    (result,) = item.values()
    return int(result["status"])
