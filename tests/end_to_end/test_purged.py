"""Records that Kafka's retention takes unread, of partitions in which nothing follows."""

from __future__ import annotations

from typing import Any

import kafka
import pytest

from tailrace.kafka_options import kafka_options
from tailrace.topics import DOCS, RAW, Topic
from tests.support.installation import Installation
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
STORED, PURGED = 40, 25
WAIT_S = 240


@pytest.mark.parametrize(("reader", "topic"), [("stream", RAW), ("indexer", DOCS)])
def test_k10_what_retention_took_unread_is_a_loss_and_is_sent_again(
    installation: Installation, reader: str, topic: Topic
) -> None:
    path = installation.folder / "logs" / "app.log"
    path.write_text("".join(f"line {n}\n" for n in range(STORED)))
    eventually(lambda: installation.audit()[1]["totals"]["stored"] == STORED, WAIT_S)
    code, report = installation.audit("--wait", str(WAIT_S))
    assert code == 0, report
    installation.roles[reader].stop()
    before = installation.ends(topic)
    with path.open("a") as log:
        log.writelines(f"line {n}\n" for n in range(STORED, STORED + PURGED))
    eventually(lambda: installation.ends(topic) != before, WAIT_S)
    eventually(lambda: _sent(installation) == STORED + PURGED, WAIT_S)
    _purge(installation, topic)
    installation.roles[reader].start()

    code, report = installation.audit("--wait", "2")

    assert code == 1, report
    (generation,) = report["generations"]
    assert [one["kind"] for one in generation["problems"]] == ["stranded"]
    assert generation["problems"][0]["count"] == PURGED
    asked = installation.run("why", f"{path}:{STORED + 1}")
    assert asked.returncode == 1
    assert f"that the {reader} had not read" in asked.stdout
    lost = f"{PURGED} lines lost from Kafka before being read"
    eventually(lambda: lost in _stated(installation), WAIT_S)
    assert "lines in Kafka" not in _stated(installation)
    # Nor does anything else pass for in flight there.
    document = _document(installation, number=3)
    installation.elastic.ask("DELETE", document)
    _, report = installation.audit()
    (generation,) = report["generations"]
    kinds = sorted(one["kind"] for one in generation["problems"])
    assert kinds == ["missing", "stranded"]

    code, report = installation.audit("--repair")

    assert code == 0, report
    code, report = installation.audit("--deep", "--wait", str(WAIT_S))
    assert code == 0, report
    assert report["settled"]
    assert report["totals"]["stored"] == STORED + PURGED


def _stated(installation: Installation) -> str:
    """Return how complete a search says that it is."""
    return installation.run("search", "*").stderr


def _sent(installation: Installation) -> int:
    """Return how many events the hop before has told of, whatever became of them."""
    totals = installation.audit()[1]["totals"]
    return totals["read"] + totals["in_flight"]


def _document(installation: Installation, *, number: int) -> str:
    alias = f"{installation.connections.namespace}-events"
    body = {"query": {"term": {"event.sequence": number}}}
    (hit,) = installation.elastic.search(alias, body=body)["hits"]["hits"]
    return f"/{hit['_index']}/_doc/{hit['_id']}"


def _purge(installation: Installation, topic: Topic) -> None:
    """Do as retention does where all that there is has become too old."""
    untyped: Any = kafka
    options = kafka_options(installation.connections, client_id="test")
    admin = untyped.KafkaAdminClient(**options)
    name = topic.name(installation.connections.namespace)
    places = {
        untyped.TopicPartition(name, partition): end
        for partition, end in installation.ends(topic).items()
    }
    admin.delete_records(places)
    admin.close()
