"""The indexer as a process on the real servers: killed, refused, blocked, and over quota."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from base64 import b64decode
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace.topics import DOCS, TEMPLATES, Topic
from tailrace.wire import encode
from tailrace_embedded.stack import Endpoints
from tests.indexer.builders import document, documents
from tests.indexer.test_template_documents import record as template_record
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack
WAIT_S_MAX = 60


@dataclass
class Place:
    """A namespace on the servers, and what a test does there."""

    connections: Connections
    elastic: Elastic
    folder: Path
    environment: dict[str, str] = field(default_factory=dict[str, str])
    _starts: int = 0

    @property
    def index(self) -> str:
        return f"{self.connections.namespace}-app.log-2026.11.24"

    @property
    def log(self) -> str:
        return "\n".join(path.read_text() for path in self.folder.glob("*.out"))

    def write(self, *values: bytes, topic: Topic = DOCS) -> None:
        """Write records to a topic, that of documents or another, all acknowledged."""
        producer = Producer.connect(
            self.connections,
            client_id="test",
            request_bytes_max=DOCS.message_bytes_max,
        )
        told: list[SendFailure | None] = []
        for number, value in enumerate(values):
            producer.send(
                topic.name(self.connections.namespace),
                value=value,
                key=b"%d" % (number % 5),
                on_done=told.append,
            )
        assert producer.flush(wait_ms_max=20_000)
        producer.close(wait_ms_max=1_000)
        assert told == [None] * len(values)

    @contextmanager
    def indexer(self, **environment: str) -> Generator[subprocess.Popen[bytes]]:
        self._starts += 1
        with (self.folder / f"{self._starts}.out").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tailrace_indexer"],
                env={**os.environ, **self.environment, **environment},
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)

    def found(self, index: str) -> list[dict[str, Any]]:
        self.elastic.refresh(index)
        # A search of an index that is not there is refused; a count of it is none.
        if not self.elastic.count(index):
            return []
        answer = self.elastic.search(index, body={"size": 10_000})
        return [hit["_source"] for hit in answer["hits"]["hits"]]

    def messages(self) -> list[str]:
        return sorted(source["message"] for source in self.found(self.index))

    def lag(self) -> int:
        namespace = self.connections.namespace
        with KafkaAdmin(self.connections) as admin:
            return sum(
                partition.lag_records
                for partition in admin.group_lag(
                    f"{namespace}-indexer", topics=[DOCS.name(namespace)]
                )
            )


@pytest.fixture
def place(stack: Endpoints, namespace: str, tmp_path: Path) -> Iterator[Place]:
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        zookeeper_hosts=stack.zookeeper_hosts,
        elasticsearch_url=stack.elasticsearch_url,
        namespace=namespace,
        data_dir=tmp_path,
    )
    provision(connections)
    environment = {
        **stack.as_environment(),
        "TAILRACE_NAMESPACE": namespace,
        "TAILRACE_DATA_DIR": str(tmp_path),
    }
    with Elastic(connections) as elastic:
        yield Place(connections, elastic, tmp_path, environment)
        elastic.request("DELETE", f"/{namespace}-app.log-2026.11.24")


def texts(count: int) -> list[str]:
    return [f"line {number:05}" for number in range(count)]


def bodies(index: str, lines: list[str], *, size: int = 25) -> list[bytes]:
    return [
        documents(lines[first : first + size], first=first, index=index)
        for first in range(0, len(lines), size)
    ]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("point", ["I1", "I2", "I4", "I6"])
def test_p1_a_killed_indexer_stores_each_document_once(
    place: Place, tmp_path: Path, point: str
) -> None:
    lines = texts(2_000)
    place.write(*bodies(place.index, lines))
    witness = tmp_path / "witness"
    armed = {POINT_VARIABLE: f"{point}:2", WITNESS_VARIABLE: str(witness)}
    # A second bulk and a second commit need a second writing.
    with place.indexer(**armed) as process:
        eventually(lambda: process.poll() is not None or place.lag() == 0, WAIT_S_MAX)
        if process.poll() is None:
            place.write(*bodies(place.index, ["more"]))
            eventually(lambda: process.poll() is not None, WAIT_S_MAX)
            lines.append("more")
        assert process.returncode == -signal.SIGKILL, place.log
    assert witness.read_text().startswith(point)

    with place.indexer():
        eventually(lambda: place.lag() == 0, WAIT_S_MAX)
        eventually(lambda: len(place.messages()) >= len(lines), WAIT_S_MAX)

    assert place.messages() == sorted(lines)


@pytest.mark.timeout(120)
def test_e4_a_block_by_hand_holds_the_index_and_buries_nothing(place: Place) -> None:
    other = place.index.replace("app.log", "other")
    place.write(*bodies(place.index, ["first"]), *bodies(other, ["o1"]))
    with place.indexer() as process:
        eventually(lambda: place.messages() == ["first"], WAIT_S_MAX)
        # Not `read_only_allow_delete`, the disk's: with room on it, Elasticsearch takes
        # that one away again by itself within 30 s.
        block = {"index.blocks.read_only": True}
        place.elastic.ask("PUT", f"/{place.index}/_settings", body=block)
        lines = texts(200)
        place.write(*bodies(place.index, lines), *bodies(other, ["o2"]))
        eventually(lambda: len(place.found(other)) == 2, WAIT_S_MAX)
        eventually(lambda: "alarm_raised" in place.log, WAIT_S_MAX)

        def is_told() -> bool:
            status = json.loads((place.folder / "indexer/status.json").read_bytes())
            return place.index in status["held_indices"]

        eventually(is_told, WAIT_S_MAX)
        assert place.messages() == ["first"]

        block = {"index.blocks.read_only": None}
        place.elastic.ask("PUT", f"/{place.index}/_settings", body=block)
        eventually(lambda: len(place.messages()) == 201, WAIT_S_MAX)
        eventually(lambda: place.lag() == 0, WAIT_S_MAX)
        process.terminate()
        assert process.wait(20) == 0

    assert place.messages() == sorted(["first", *lines])
    assert place.found(f"{place.connections.namespace}-dead-*") == []
    assert "alarm_cleared" in place.log
    place.elastic.request("DELETE", f"/{other}")


@pytest.mark.timeout(120)
def test_e5_a_mapping_conflict_is_shown_with_its_bytes_and_others_are_stored(
    place: Place,
) -> None:
    bad = document("bad", offset=500, index=place.index, host="a string")
    place.write(*bodies(place.index, ["a", "b"]), bad, *bodies(place.index, ["c"]))
    dead = f"{place.connections.namespace}-dead-*"
    with place.indexer():
        eventually(lambda: place.found(dead), WAIT_S_MAX)
        eventually(lambda: len(place.messages()) == 3, WAIT_S_MAX)

    assert place.messages() == ["a", "b", "c"]
    (shown,) = place.found(dead)
    assert b64decode(shown["dead.original_base64"]) == bad
    assert shown["dead.reason"] == "mapping_conflict"
    assert shown["log.offset"] == 500


@pytest.mark.timeout(300)
def test_the_quota_expires_the_oldest_index_and_writes_it_down(place: Place) -> None:
    namespace = place.connections.namespace
    days = [f"{namespace}-app.log-2026.11.{day}" for day in (21, 22, 24)]
    with place.indexer(TAILRACE_INDEXER_DISK_QUOTA_BYTES="-1"):
        for number, index in enumerate(days):
            at = f"2026-11-{(21, 22, 24)[number]}T01:00:00Z"
            fields = {"@timestamp": at, "event.created": at}
            place.write(document(f"d{number}", offset=1, index=index, **fields))
        eventually(lambda: len(place.found(f"{namespace}-events")) == 3, WAIT_S_MAX)

    with place.indexer(
        TAILRACE_INDEXER_DISK_QUOTA_BYTES="1",
        TAILRACE_INDEXER_RETENTION_CHECK_MS="1000",
    ):
        # Every worker has half a minute to read the floor first.
        eventually(lambda: "index_expired" in place.log, 2 * WAIT_S_MAX)
        eventually(lambda: len(place.found(f"{namespace}-events")) == 1, WAIT_S_MAX)

    assert place.messages() == ["d2"]
    # What it counts into the ledger is held by `test_expiry_on_servers.py`.
    assert place.log.count("index_expired") == len(days[:2])


@pytest.mark.timeout(120)
def test_of_a_template_the_index_has_what_was_known_last(place: Place) -> None:
    """In whatever order its records come: the time first seen never moves later."""
    revisions = [3, 7, 5, 1]
    values = [encode(template_record(revision=n, count=n)) for n in revisions]
    place.write(*values, encode(template_record(partition=2)), topic=TEMPLATES)
    index = f"{place.connections.namespace}-templates"
    with place.indexer():
        eventually(
            lambda: (
                sorted(one["template.count"] for one in place.found(index)) == [7, 9]
            ),
            WAIT_S_MAX,
            what="a document for each partition",
        )
        body = {"query": {"term": {"template.id": "08e779e64b56fede"}}, "size": 5}
        answer = place.elastic.search(index, body=body)
        sources = [hit["_source"] for hit in answer["hits"]["hits"]]
        assert {one["template.first_seen"] for one in sources} == {1_000 - 7}
        text = {"query": {"match": {"template.text": "opened"}}, "size": 5}
        assert len(place.elastic.search(index, body=text)["hits"]["hits"]) == 2
    place.elastic.request("DELETE", f"/{index}")
