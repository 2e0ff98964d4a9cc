"""`tailrace audit` and `tailrace why` on lines that real roles carried through real servers."""

from __future__ import annotations

import json
import secrets
import subprocess
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import crc32c
import orjson
import pytest

from tailrace.audit.verdict import NAMED_MAX
from tailrace.elasticsearch import Elastic
from tailrace.identity import document_id
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
LINES = 12_345
"""More than one window, and an end within one."""
RATE_LINES_PER_S = 2_000
AUDITS_WHILE_FLOWING = 3
WAIT_S = 240


@dataclass(frozen=True, slots=True)
class Installation:
    """Roles that run, and the commands of a person who looks at what they did."""

    namespace: str
    folder: Path
    roles: list[KilledRole]
    elastic: Elastic

    @property
    def path(self) -> Path:
        return self.folder / "logs" / "app.log"

    def line(self, number: int) -> str:
        return f"line {number} häß 語 {number * number}"

    def offset(self, number: int) -> int:
        return sum(len(self.line(n).encode()) + 1 for n in range(number))

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.roles[0].run(*arguments, wait_s_max=WAIT_S + 120)

    def audit(self, *options: str) -> tuple[int, dict[str, Any]]:
        done = self.run("audit", "--json", *options)
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    def document(self, number: int) -> tuple[str, str, bytes]:
        """Return index, `_id` and source of an event of `app.log`."""
        body = {
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"log.file.path": str(self.path)}},
                        {"term": {"event.sequence": number}},
                    ]
                }
            }
        }
        self.elastic.refresh(f"{self.namespace}-events")
        found = self.elastic.search(f"{self.namespace}-events", body=body)
        (hit,) = found["hits"]["hits"]
        path = f"/{hit['_index']}/_source/{hit['_id']}"
        return hit["_index"], hit["_id"], self.elastic.request("GET", path).body

    def put(self, index: str, name: str, source: bytes) -> None:
        answer = self.elastic.request("PUT", f"/{index}/_doc/{name}", body=source)
        assert answer.is_success, answer.body

    @contextmanager
    def deleted(self, number: int) -> Generator[None]:
        index, name, source = self.document(number)
        self.elastic.ask("DELETE", f"/{index}/_doc/{name}")
        try:
            yield
        finally:
            self.put(index, name, source)

    @contextmanager
    def doubled(self, number: int) -> Generator[None]:
        index, name, source = self.document(number)
        copy = f"{name[:-2]}--"
        self.put(index, copy, source)
        try:
            yield
        finally:
            self.elastic.ask("DELETE", f"/{index}/_doc/{copy}")

    @contextmanager
    def altered(self, number: int) -> Generator[None]:
        index, name, source = self.document(number)
        changed = {**orjson.loads(source), "message": "nothing happened"}
        self.put(index, name, orjson.dumps(changed))
        try:
            yield
        finally:
            self.put(index, name, source)


@pytest.fixture(scope="module")
def installation(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    namespace = f"t{secrets.token_hex(3)}"
    folder = tmp_path_factory.mktemp("audit")
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    with (
        started_roles(
            stack,
            namespace=namespace,
            folder=folder,
            plans={"agent": (), "stream": (), "indexer": ()},
        ) as roles,
        Elastic(connections) as elastic,
    ):
        installed = Installation(namespace, folder, roles, elastic)
        installed.path.write_text(
            "".join(f"{installed.line(n)}\n" for n in range(LINES))
        )
        # Before the agent has looked nothing is known that could be waited for.
        eventually(lambda: installed.audit()[1]["totals"]["generations"] > 0, WAIT_S)
        code, report = installed.audit("--wait", str(WAIT_S))
        logs = {role.name: role.last_lines() for role in roles}
        assert code == 0, (report, logs)
        assert report["totals"]["stored"] >= LINES
        yield installed


def problems_of(report: dict[str, Any], path: Path) -> list[tuple[str, int, int]]:
    """Return kind, event number and offset of each problem of a file."""
    return [
        (problem["kind"], problem["event_number"], problem["offset"])
        for generation in report["generations"]
        if generation["path"] == str(path)
        for problem in generation["problems"]
    ]


def test_what_came_through_adds_up_to_the_last_byte(installation: Installation) -> None:
    code, report = installation.audit("--deep", "--wait", str(WAIT_S))

    assert code == 0, report
    assert report["verdict"] == "sound"
    assert report["settled"]
    assert report["compared_documents"] == report["totals"]["stored"]
    shown = installation.run("audit", "--wait", str(WAIT_S))
    assert shown.returncode == 0
    assert "Everything adds up" in shown.stdout


def test_a_deleted_document_is_named_by_file_and_offset(
    installation: Installation,
) -> None:
    with installation.deleted(10_100):
        code, report = installation.audit()
        shown = installation.run("audit")

    assert code == shown.returncode == 1
    offset = installation.offset(10_100)
    assert problems_of(report, installation.path) == [("missing", 10_100, offset)]
    assert f"event 10100 at offset {offset}" in shown.stdout
    assert str(installation.path) in shown.stdout.replace("\n", "")


def test_a_doubled_document_is_named_with_both_ids(installation: Installation) -> None:
    _, name, _ = installation.document(77)
    with installation.doubled(77):
        code, report = installation.audit()

    assert code == 1
    offset = installation.offset(77)
    assert problems_of(report, installation.path) == [("doubled", 77, offset)]
    (generation,) = report["generations"]
    documents = generation["problems"][0]["documents"]
    assert len(documents) == 2
    assert any(document.endswith(name) for document in documents)


def test_one_deleted_and_another_doubled_do_not_cancel_out(
    installation: Installation,
) -> None:
    with installation.deleted(500), installation.doubled(501):
        code, report = installation.audit()

    assert code == 1
    assert problems_of(report, installation.path) == [
        ("missing", 500, installation.offset(500)),
        ("doubled", 501, installation.offset(501)),
    ]


def test_what_the_index_lost_is_read_again_from_the_file(
    installation: Installation,
) -> None:
    """The first event, some in a row, one alone and the last: all come back as they were."""
    lost = (0, 500, 501, 502, 9_000, LINES - 1)
    before = [installation.document(number) for number in lost]
    for index, name, _ in before:
        installation.elastic.ask("DELETE", f"/{index}/_doc/{name}")
    code, _ = installation.audit()
    assert code == 1

    code, report = installation.audit("--repair")

    assert code == 0, report
    assert len(report["repairs"]) == 4
    assert all(repair.startswith("sent again") for repair in report["repairs"])
    after = [installation.document(number) for number in lost]
    assert [(index, name) for index, name, _ in after] == [
        (index, name) for index, name, _ in before
    ]
    code, report = installation.audit("--deep")
    assert code == 0, report


def test_more_holes_than_are_named_at_once_are_filled_in_turns(
    installation: Installation,
) -> None:
    lost = range(1_001, 1_001 + 2 * (NAMED_MAX + 20), 2)
    before = [installation.document(number) for number in lost]
    for index, name, _ in before:
        installation.elastic.ask("DELETE", f"/{index}/_doc/{name}")

    code, report = installation.audit("--repair")

    assert code == 0, report
    assert all(repair.startswith("sent again") for repair in report["repairs"])
    after = [installation.document(number) for number in lost]
    assert [each[:2] for each in after] == [each[:2] for each in before]


def test_an_altered_document_is_seen_by_deep_alone(installation: Installation) -> None:
    with installation.altered(9_999):
        plain, _ = installation.audit("--wait", str(WAIT_S))
        deep, report = installation.audit("--deep", "--wait", str(WAIT_S))

    assert plain == 0
    assert deep == 1
    offset = installation.offset(9_999)
    assert problems_of(report, installation.path) == [("altered", 9_999, offset)]


def test_why_names_the_document_of_a_line_by_its_number(
    installation: Installation,
) -> None:
    done = installation.run("why", f"{installation.path}:4001", "--json")
    told = json.loads(done.stdout)
    index, name, _ = installation.document(4_000)

    assert done.returncode == 0, done.stderr
    assert told["offset"] == installation.offset(4_000)
    assert told["event_number"] == 4_000
    assert told["expected_id"] == name
    assert told["expected_index"] == index
    assert told["documents"] == [f"{index}/{name}"]
    assert told["source_glob"].endswith("logs/*.log")
    assert {hop["state"] for hop in told["hops"]} == {"done"}
    raw = document_id(
        generation=told["generation"],
        born_at_ms=0,
        offset=told["offset"],
        checksum=crc32c.crc32c(installation.line(4_000).encode()),
    )
    assert raw[-6:] == name[-6:]


def test_why_finds_a_line_by_its_words(installation: Installation) -> None:
    done = installation.run("why", installation.line(123), "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["offset"] == installation.offset(123)


def test_why_says_that_a_line_is_missing_and_fails(installation: Installation) -> None:
    with installation.deleted(321):
        done = installation.run("why", f"{installation.path}:322")

    assert done.returncode == 1
    assert "indexer  missing" in done.stdout


def test_why_says_what_is_wrong_with_the_question(installation: Installation) -> None:
    beyond = installation.run("why", f"{installation.path}:99999999")
    unwatched = installation.folder / "unwatched.txt"
    unwatched.write_text("one\n")
    stranger = installation.run("why", f"{unwatched}:1")
    nowhere = installation.run("why", "no such line was ever written here")

    assert "and no line 99999999" in beyond.stderr
    assert "is not watched" in stranger.stderr
    assert "nor in a watched file" in nowhere.stderr
    assert beyond.returncode == stranger.returncode == nowhere.returncode == 1


def test_an_audit_is_right_while_lines_flow(installation: Installation) -> None:
    """Green at each look, with what is under way told as in flight; then all is there."""
    stop = threading.Event()
    path = installation.folder / "logs" / "flow.log"
    written = 0

    def write() -> None:
        nonlocal written
        with path.open("a") as file:
            while not stop.wait(0.05):
                count = RATE_LINES_PER_S // 20
                for number in range(written, written + count):
                    file.write(f"{installation.line(number)} flows\n")
                file.flush()
                written += count

    writer = threading.Thread(target=write)
    writer.start()
    try:
        looks = [installation.audit() for _ in range(AUDITS_WHILE_FLOWING)]
    finally:
        stop.set()
        writer.join()
    code, report = installation.audit("--wait", str(WAIT_S), "--deep")

    assert [code for code, _ in looks] == [0] * AUDITS_WHILE_FLOWING, looks
    assert any(not report["settled"] and report["in_flight"] for _, report in looks)
    assert code == 0, report
    assert report["totals"]["stored"] >= LINES + written


def test_a_search_ends_with_how_complete_it_is(installation: Installation) -> None:
    done = installation.run("search", "no such words anywhere", "--json")

    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    assert "complete" in done.stderr
