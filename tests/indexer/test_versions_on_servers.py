"""The documents of a fixed corpus are the same on Elasticsearch 8.12, 8.19 and 9.2.

The golden lines of every dataset and some documents that do not fit their index go through
the indexer twice, once to each server, and what the two hold is compared document by
document: by index, id, `_source` as its bytes mean, and what the index ignored of it.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import subprocess
import sys
from base64 import b64decode
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tailrace.chaos.stored import stored_hits
from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.provision import provision
from tailrace.settings import Connections
from tailrace.topics import DEAD, DOCS
from tailrace_embedded.stack import Endpoints
from tailrace_stream.chunk import process_chunk
from tests.indexer.builders import document
from tests.stream.builders import origin
from tests.stream.golden import samples
from tests.support.versions import (
    V8_12_2,
    V8_19_9,
    V8_19_21,
    Version,
    elasticsearch_of,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.stack
WAIT_S_MAX = 240
DAY = b"2026.11.24"
INDEX_OF_A_DAY = re.compile(rb'("_index":"[^"]+-)\d{4}\.[\d.]+(?=")')
NAMED = re.compile(r"field \[([^\]]+)\]")
ODD: tuple[dict[str, Any], ...] = (
    # What the index passes over, ignores, or refuses: no guard stands before these.
    {"host": "a string where an object is"},
    {"source.ip": "no address"},
    {"user.name": "n" * 40_000},
    {"user.name": "n" * 9_000},
    {"never.heard.of": {"a": [1, {"b": None}]}},
    {"http.response.status_code": "200"},
    {"http.response.status_code": 1e30},
    {"http.response.status_code": 3.7},
    {"http.response.status_code": True},
    {"process.pid": 2**63 - 1},
    {"process.pid": 2**63},
    {"attributes": {"deep": {"er": [1, "a", None, True, 1.50]}, "v": "w" * 9_000}},
    {"attributes": {"v": "w" * 40_000}},
    {"attributes": "no object"},
    {"tags": ["a", None, "b", []]},
    {"event.duration": -1},
    {"message": "\ud83d\ude00 \u0000 \u2028 \u202e"},
    {"message": None},
    {"@timestamp": "2026-11-24T01:02:03.123456789Z"},
    {"@timestamp": "2026-11-24"},
    {"@timestamp": "yesterday"},
    {"source.geo.location": "52.5,13.4"},
    {"source.geo.location": {"lat": 91, "lon": 13.4}},
    {"labels": {"team": "a", "n": "1"}},
)


@dataclass
class Run:
    """One way of the corpus into one server, in a namespace of its own."""

    connections: Connections
    folder: Path
    elastic: Elastic

    @property
    def namespace(self) -> str:
        return self.connections.namespace

    def deliver(self) -> None:
        """Write the corpus to the topic, and let an indexer deliver all of it."""
        provision(self.connections)
        self._write(corpus(self.namespace))
        with self._indexer():
            eventually(self._is_delivered, WAIT_S_MAX, what="all of it delivered")

    def documents(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Return what the server holds of events, by index and id, and of dead letters.

        Those by the bytes that were refused: the rest of them is of the run.
        """
        found: dict[tuple[str, str], dict[str, Any]] = {}
        for hit in stored_hits(
            self.elastic, index=f"{self.namespace}-events", fields=("*",)
        ):
            place = (hit["_index"].removeprefix(self.namespace), hit["_id"])
            ignored = sorted(hit.get("_ignored", []))
            found[place] = {"source": hit["_source"], "ignored": ignored}
        for hit in stored_hits(
            self.elastic, index=f"{self.namespace}-dead-*", fields=("*",)
        ):
            letter = hit["_source"]
            original = b64decode(letter["dead.original_base64"]).decode()
            place = ("-dead-", original.replace(self.namespace, ""))
            reason, detail = letter["dead.reason"], letter["dead.detail"]
            found[place] = {"reason": reason, "names": NAMED.findall(detail)}
        return found

    def _is_delivered(self) -> bool:
        topics = [topic.name(self.namespace) for topic in (DOCS, DEAD)]
        try:
            with KafkaAdmin(self.connections) as admin:
                lags = admin.group_lag(f"{self.namespace}-indexer", topics=topics)
        except ServiceUnavailable:
            return False  # A busy broker is away for a moment, and nothing is known.
        return not sum(partition.lag_records for partition in lags)

    def _write(self, records: list[tuple[bytes, bytes]]) -> None:
        producer = Producer.connect(
            self.connections, client_id="test", request_bytes_max=DOCS.message_bytes_max
        )
        told: list[SendFailure | None] = []
        for key, value in records:
            producer.send(
                DOCS.name(self.namespace), value=value, key=key, on_done=told.append
            )
        assert producer.flush(wait_ms_max=20_000)
        producer.close(wait_ms_max=1_000)
        assert told == [None] * len(records)

    @contextmanager
    def _indexer(self) -> Generator[None]:
        environment = {
            "TAILRACE_KAFKA_BOOTSTRAP": self.connections.kafka_bootstrap,
            "TAILRACE_ZOOKEEPER_HOSTS": self.connections.zookeeper_hosts,
            "TAILRACE_ELASTICSEARCH_URL": self.connections.elasticsearch_url,
            "TAILRACE_NAMESPACE": self.namespace,
            "TAILRACE_DATA_DIR": str(self.folder),
        }
        with (self.folder / "indexer.out").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tailrace_indexer"],
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
            )
        try:
            yield
        finally:
            process.terminate()
            process.wait(60)


def corpus(namespace: str) -> list[tuple[bytes, bytes]]:
    """Return key and value of each record: the same but for the namespace.

    All in the indices of one day: those of each day of the samples would have the
    mappings of the same templates, and are most of what a run costs.
    """
    records: list[tuple[bytes, bytes]] = []
    for sample in samples():
        generation = hashlib.sha256(sample.label.encode()).hexdigest()[:32]
        made = origin(sample.content, placed=sample.placement, generation=generation)
        chunk = process_chunk(sample.content, origin=made, namespace=namespace)
        records += [
            (generation.encode(), INDEX_OF_A_DAY.sub(rb"\g<1>%b" % DAY, piece.body))
            for piece in chunk.pieces
        ]
    index = f"{namespace}-odd-{DAY.decode()}"
    records += [
        (b"odd", document(f"odd {number}", offset=number, index=index, **fields))
        for number, fields in enumerate(ODD)
    ]
    return records


@pytest.fixture(scope="module")
def newer(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the server that we ship makes of the corpus."""
    return _delivered(
        stack,
        namespace=f"t{secrets.token_hex(3)}",
        folder=tmp_path_factory.mktemp("newer"),
        url=stack.elasticsearch_url,
    )


def _delivered(
    stack: Endpoints, *, namespace: str, folder: Path, url: str
) -> dict[tuple[str, str], dict[str, Any]]:
    # Not by the constructor, over which the environment wins.
    connections = Connections(
        kafka_bootstrap=stack.kafka_bootstrap,
        zookeeper_hosts=stack.zookeeper_hosts,
        namespace=namespace,
        data_dir=folder,
    ).model_copy(update={"elasticsearch_url": url})
    with Elastic(connections) as elastic:
        run = Run(connections, folder, elastic)
        run.deliver()
        return run.documents()


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    "older", [V8_12_2, V8_19_9, V8_19_21], ids=lambda one: one.name
)
def test_e5_the_documents_of_a_corpus_are_the_same_on_8_and_9(
    stack: Endpoints,
    namespace: str,
    tmp_path: Path,
    newer: dict[tuple[str, str], dict[str, Any]],
    older: Version,
) -> None:
    with elasticsearch_of(older) as url:
        older_found = _delivered(stack, namespace=namespace, folder=tmp_path, url=url)
    assert newer.keys() == older_found.keys()
    differing = {
        place: (one, older_found[place])
        for place, one in newer.items()
        if one != older_found[place]
    }
    assert not differing, dict(list(differing.items())[:3])
    # What is compared is there at all: every sample, what was refused, what was ignored.
    datasets = {place[0].split("-")[1] for place in newer}
    assert {sample.dataset for sample in samples()} | {"odd", "dead"} <= datasets
    assert any(one.get("ignored") for one in newer.values())
