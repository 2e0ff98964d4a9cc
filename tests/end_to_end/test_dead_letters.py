"""A mapping conflict made on purpose is listed, mended, previewed and retried by commands."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import time
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
LINES = 400
WORDS = range(0, LINES, 20)
"""Lines whose `user.id` is a word, and no number."""
NAMES = range(5, LINES, 40)
"""Lines whose `url.domain` is a name, and no address."""
WAIT_S = 240
MENDED_IN_S_MAX = 60
"""What the issue promises from the first look to the last document."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Roles on an index of a mapping that some lines do not fit."""

    namespace: str
    index: str
    folder: Path
    roles: Sequence[KilledRole]
    elastic: Elastic

    def run(
        self, *arguments: str, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.roles[0].run(
            *arguments, wait_s_max=WAIT_S + 120, environment=environment
        )

    def told(self, *arguments: str) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout)

    def groups(self) -> dict[str, dict[str, Any]]:
        """Return the groups of `dead list` by the field at fault."""
        return {each["field"]: each for each in self.told("dead", "list")["groups"]}

    def totals(self, *options: str) -> dict[str, Any]:
        done = self.run("audit", "--json", "--wait", str(WAIT_S), *options)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)["totals"]

    def stored(self, number: int) -> list[dict[str, Any]]:
        self.elastic.refresh(self.index)
        query = {"term": {"event.sequence": number}}
        found = self.elastic.search(self.index, body={"query": query})
        return [hit["_source"] for hit in found["hits"]["hits"]]


def line_of(number: int, *, at: datetime) -> dict[str, Any]:
    line: dict[str, Any] = {
        "@timestamp": at.isoformat(),
        "message": f"user {number} came \x1b[31m",
        "user.id": f"u-{number}" if number in WORDS else str(number),
    }
    if number in NAMES:
        line["url.domain"] = f"example-{number}.test"
    return line


@pytest.fixture(scope="module")
def installation(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    namespace = f"t{secrets.token_hex(3)}"
    folder = tmp_path_factory.mktemp("dead")
    now = datetime.now(UTC)
    index = f"{namespace}-json-{now:%Y.%m.%d}"
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    with (
        Elastic(connections) as elastic,
        started_roles(
            stack,
            namespace=namespace,
            folder=folder,
            plans={"agent": (), "stream": (), "indexer": ()},
        ) as roles,
    ):
        strict = {"ignore_malformed": False}
        properties = {
            "user.id": {"type": "long", **strict},
            "url.domain": {"type": "ip", **strict},
        }
        mappings = {"mappings": {"properties": properties}}
        elastic.ask("PUT", f"/{index}", body=mappings)
        lines = [json.dumps(line_of(n, at=now)) for n in range(LINES)]
        (folder / "logs" / "app.log").write_text("\n".join([*lines, ""]))
        installed = Installation(namespace, index, folder, roles, elastic)
        eventually(
            lambda: installed.told("audit")["totals"]["read"] == LINES,
            WAIT_S,
            what="the lines at all hops",
        )
        assert installed.totals()["dead"] == len(WORDS) + len(NAMES)
        yield installed


def test_e5_a_conflict_is_mended_previewed_and_retried_within_a_minute(
    installation: Installation,
) -> None:
    """Killed after the sending and before the marking, too; and nothing comes twice."""
    dead_count = installation.totals()["dead"]
    began_s = time.monotonic()
    group = installation.groups()["user.id"]
    preview = installation.told("dead", "show", group["group"], "--size", "3")
    retried = installation.told(
        "dead", "retry", group["group"], "--fix", "proposed", "--limit", "5"
    )
    took_s = time.monotonic() - began_s

    assert (group["letters"], group["wanted"]) == (len(WORDS), "long")
    assert group["reason"] == "mapping_conflict"
    assert group["template"] == "user * came \x1b[*m"
    assert group["proposed_fix"] == "move:user.id"
    changes = preview["letters"][0]["changes"]
    assert [each["field"] for each in changes] == ["user.id", "attributes"]
    number = preview["letters"][0]["event_number"]
    assert changes[0]["before"] == f'"u-{number}"'
    assert len(retried["stored"]) == 5
    assert took_s < MENDED_IN_S_MAX
    (mended,) = installation.stored(number)
    assert mended["attributes"] == {"user.id": f"u-{number}"}
    assert mended["message"] == f"user {number} came \x1b[31m"
    totals = installation.totals("--deep")
    assert (totals["dead"], totals["read"]) == (dead_count - 5, LINES)
    assert totals["stored"] == LINES - totals["dead"]

    for point in ("D2", "D4"):
        witness = installation.folder / f"{point}.witness"
        killed = installation.run(
            *("dead", "retry", group["group"], "--fix", "move:user.id"),
            *("--limit", "6"),
            **{POINT_VARIABLE: point, WITNESS_VARIABLE: str(witness)},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert witness.read_text().startswith(point)
    # Stored, and not marked yet: an event is one or the other all the same.
    assert installation.totals()["dead"] == dead_count - 5 - 6
    rest = installation.told("dead", "retry", group["group"], "--fix", "proposed")

    assert len(rest["stored"]) == len(WORDS) - 5
    assert "user.id" not in installation.groups()
    assert [len(installation.stored(n)) for n in WORDS] == [1] * len(WORDS)
    totals = installation.totals("--deep")
    assert totals["dead"] == dead_count - len(WORDS)
    assert totals["stored"] == LINES - totals["dead"]

    delivers_again_what_was_deleted_by_hand(installation)


def test_e5_once_the_mapping_takes_it_a_letter_is_stored_as_it_was(
    installation: Installation,
) -> None:
    dead_count = installation.totals()["dead"]
    name = installation.groups()["url.domain"]["group"]
    refused = installation.run("dead", "retry", name, "--limit", "2")
    assert refused.returncode == 1
    assert "2 refused again" in refused.stdout
    assert "failed to parse field [url.domain]" in refused.stdout
    assert installation.groups()["url.domain"]["letters"] == len(NAMES)

    relaxed = {"url.domain": {"type": "ip", "ignore_malformed": True}}
    path = f"/{installation.index}/_mapping"
    installation.elastic.ask("PUT", path, body={"properties": relaxed})
    done = installation.run("dead", "retry", name)

    assert done.returncode == 0, done.stderr
    assert f"{len(NAMES)} stored" in done.stdout
    (stored,) = installation.stored(NAMES[1])
    assert stored["url.domain"] == f"example-{NAMES[1]}.test"
    assert "tailrace.fix" not in stored
    assert installation.run("dead", "retry", name).returncode == 1
    path = installation.folder / "logs" / "app.log"
    told = installation.run("why", f"{path}:{NAMES[1] + 1}")
    assert told.returncode == 0, told.stdout
    assert "it was a dead letter before: mapping_conflict, sent again" in told.stdout
    totals = installation.totals("--deep")
    assert totals["dead"] == dead_count - len(NAMES)
    assert totals["stored"] == LINES - totals["dead"]


def delivers_again_what_was_deleted_by_hand(installation: Installation) -> None:
    """Read again from its file the line would be refused, and its letter hide that."""
    before = installation.totals("--deep")
    elastic, lost = installation.elastic, (WORDS[1], WORDS[2])
    mended = [installation.stored(number)[0] for number in lost]
    for number in lost:
        query = {"query": {"term": {"event.sequence": number}}}
        (hit,) = elastic.search(installation.index, body=query)["hits"]["hits"]
        path = f"/{installation.index}/_doc/{hit['_id']}?refresh=true"
        elastic.ask("DELETE", path)
    assert installation.run("audit").returncode == 1

    repaired = installation.run("audit", "--repair")

    assert repaired.returncode == 0, (repaired.stdout, repaired.stderr)
    assert repaired.stdout.count("REPAIR delivered again: ") == 2
    assert "mended by move:user.id" in repaired.stdout
    assert "not sent again" not in repaired.stdout
    assert [installation.stored(number) for number in lost] == [[e] for e in mended]
    assert installation.totals("--deep") == before


def test_a_letter_that_was_doubled_by_hand_is_seen_by_deep(
    installation: Installation,
) -> None:
    elastic, every = installation.elastic, f"{installation.namespace}-dead-*"
    elastic.refresh(every)
    hit = elastic.search(every, body={"size": 1})["hits"]["hits"][0]
    path = f"/{hit['_index']}/_doc/copy?refresh=true"

    elastic.ask("PUT", path, body=hit["_source"])
    try:
        done = installation.run("audit", "--deep", "--json")
    finally:
        elastic.ask("DELETE", path)

    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["kind"] == "doubled"
    assert problem["documents"] == [f"{hit['_index']}/copy"]
    assert hit["_id"] in problem["text"]
    assert problem["path"] == str(installation.folder / "logs" / "app.log")
    assert problem["offset"] == hit["_source"]["log.offset"]
    installation.totals("--deep")


def test_a_letter_whose_original_bytes_were_altered_is_seen_by_deep(
    installation: Installation,
) -> None:
    elastic, every = installation.elastic, f"{installation.namespace}-dead-*"
    elastic.refresh(every)
    hit = elastic.search(every, body={"size": 1})["hits"]["hits"][0]
    source = hit["_source"]
    altered = {**source, "dead.original_base64": b64encode(b"nothing").decode()}
    path = f"/{hit['_index']}/_doc/{hit['_id']}?refresh=true"

    elastic.ask("PUT", path, body=altered)
    try:
        done = installation.run("audit", "--deep", "--json")
    finally:
        elastic.ask("PUT", path, body=source)

    assert done.returncode == 1
    (problem,) = json.loads(done.stdout)["problems"]
    assert problem["kind"] == "altered"
    assert problem["documents"] == [f"{hit['_index']}/{hit['_id']}"]
    installation.totals("--deep")


def test_what_is_shown_to_people_has_hostile_text_escaped(
    installation: Installation,
) -> None:
    listed = installation.run("dead", "list")
    unknown = installation.run("dead", "show", "00000000")

    assert listed.returncode == 0
    assert "\x1b" not in listed.stdout
    assert unknown.returncode == 1
    assert "No letter is waiting under 00000000" in unknown.stderr
