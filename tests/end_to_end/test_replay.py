"""A parser is changed: shown against what is stored, published, and audited, by commands."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.index_templates import events_alias
from tailrace.kill_points import POINT_VARIABLE, WITNESS_VARIABLE
from tailrace.settings import Connections
from tailrace.topics import PARTITIONS, RAW
from tailrace_embedded.stack import Endpoints
from tests.support.roles import KilledRole, started_roles
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]
LINES = 300
ODD = range(0, LINES, 30)
"""Lines that neither parser takes."""
WORDS = range(5, LINES, 50)
"""Lines whose `user.id` is a word, which the index refuses."""
CHANGED = LINES - len(ODD) - len(WORDS)
WAIT_S = 240
COMMAND_S_MAX = WAIT_S + 120
BEFORE = r"^(?P<when>\S+) (?P<user.id>\S+) (?P<event.action>\w+)"
AFTER = r"^(?P<when>\S+) (?P<user.name>\S+) (?P<event.action>\w+)"
OTHER = r"^(?P<when>\S+) (?P<user.email>\S+) (?P<event.action>\w+)"
"""Differs from both, so that it changes what is stored whichever made it."""


@dataclass(frozen=True, slots=True)
class Installation:
    """Roles with one parser, and the settings of a changed one."""

    namespace: str
    folder: Path
    roles: Sequence[KilledRole]
    elastic: Elastic
    changed: Path

    @property
    def alias(self) -> str:
        return events_alias(self.namespace)

    def run(
        self, *arguments: str, config: Path | None = None, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        return self.roles[0].run(
            *arguments, wait_s_max=COMMAND_S_MAX, config=config, environment=environment
        )

    def replay(self, *arguments: str) -> dict[str, Any]:
        done = self.run("replay", *arguments, "--json", config=self.changed)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)

    def totals(self, *options: str) -> dict[str, Any]:
        done = self.run("audit", "--json", "--wait", str(WAIT_S), *options)
        assert done.returncode == 0, (done.stdout, done.stderr)
        return json.loads(done.stdout)["totals"]

    def events(self) -> dict[int, dict[str, Any]]:
        """Return the document of each event, and hold that there is one of each."""
        self.elastic.refresh(f"{self.namespace}-*")
        body = {"size": 2 * LINES, "sort": [{"event.sequence": "asc"}]}
        hits = self.elastic.search(self.alias, body=body)["hits"]["hits"]
        times = Counter(hit["_source"]["event.sequence"] for hit in hits)
        assert set(times.values()) == {1}, times.most_common(5)
        return {
            hit["_source"]["event.sequence"]: {**hit["_source"], "in": hit["_index"]}
            for hit in hits
        }

    def indices(self) -> dict[str, Any]:
        """Return all indices of events with their aliases, and what they hold."""
        self.elastic.refresh(f"{self.namespace}-*")
        aliases = self.elastic.ask("GET", f"/{self.namespace}-*-*/_alias")
        body = {"size": 3 * LINES, "version": True, "sort": ["_doc"]}
        held = self.elastic.search(f"{self.namespace}-*-*", body=body)
        return {"aliases": aliases, "held": sorted(map(str, held["hits"]["hits"]))}


def settings_of(logs: Path, pattern: str, *, with_time: bool) -> str:
    time = 'time = { field = "when", formats = ["iso8601"] }\n' if with_time else ""
    return (
        f'[[agent.sources]]\nname = "shop"\ndataset = "shop.log"\n'
        f'paths = ["{logs}/*.log"]\n\n'
        f'[[stream.parsers]]\ndataset = "shop.log"\n{time}'
        f"[[stream.parsers.patterns]]\nregex = '{pattern}'\n"
    )


def line_of(number: int, *, at: datetime) -> str:
    if number in ODD:
        return f"neither:{number}"
    user = f"u-{number}" if number in WORDS else str(number)
    return f"{at.isoformat()} {user} paid \x1b[31m{number}"


@pytest.fixture(scope="module")
def installation(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    namespace = f"t{secrets.token_hex(3)}"
    folder = tmp_path_factory.mktemp("replay")
    logs = folder / "logs"
    now = datetime.now(UTC)
    index = f"{namespace}-shop.log-{now:%Y.%m.%d}"
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    changed = folder / "changed.toml"
    changed.write_text(settings_of(logs, AFTER, with_time=True))
    with (
        Elastic(connections) as elastic,
        started_roles(
            stack,
            namespace=namespace,
            folder=folder,
            plans={"agent": (), "stream": (), "indexer": ()},
            settings=settings_of(logs, BEFORE, with_time=False),
        ) as roles,
    ):
        number = {"type": "long", "ignore_malformed": False}
        elastic.ask(
            "PUT", f"/{index}", body={"mappings": {"properties": {"user.id": number}}}
        )
        at = now - timedelta(days=3)
        lines = [line_of(n, at=at) for n in range(LINES)]
        (logs / "shop.log").write_text("\n".join([*lines, ""]))
        installed = Installation(namespace, folder, roles, elastic, changed)

        def read() -> int:
            done = installed.run("audit", "--json")
            return json.loads(done.stdout)["totals"]["read"] if done.stdout else 0

        eventually(lambda: read() == LINES, WAIT_S, what="the lines at all hops")
        assert installed.totals()["dead"] == len(WORDS)
        yield installed


def test_e9_a_changed_parser_is_shown_then_published_and_each_event_is_seen_once(
    installation: Installation,
) -> None:
    """Killed at each step, too; and the audit is exact before, between and after."""
    before = installation.indices()
    shown = installation.replay("--since", "1h", "--size", "2")

    assert installation.indices() == before
    counted = shown["datasets"]["shop.log"]
    fates = {name: n for name, n in counted.items() if isinstance(n, int) and n}
    assert fates == {
        "same": len(ODD),
        "changed": CHANGED,
        "no_longer_dead": len(WORDS),
    }
    sample = counted["samples"][0]
    changes = {each["field"]: each for each in sample["changes"]}
    assert changes["user.id"]["before"] == f'"{sample["event_number"]}"'
    assert changes["user.name"]["after"] == f'"{sample["event_number"]}"'
    assert "@timestamp" in changes

    former = {n: each["in"] for n, each in installation.events().items()}
    for point in ("R2", "R3", "R4"):
        witness = installation.folder / f"{point}.witness"
        killed = installation.run(
            *("replay", "--since", "1h", "--into", "revision"),
            config=installation.changed,
            **{POINT_VARIABLE: point, WITNESS_VARIABLE: str(witness)},
        )
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert witness.read_text().startswith(point)
        assert {n: e["in"] for n, e in installation.events().items()}.items() >= (
            former.items()
        )
    installation.totals("--deep")

    done = installation.replay("--since", "1h", "--into", "revision")["published"]

    assert (done["documents"], done["refused"]) == (CHANGED, {})
    events = installation.events()
    assert len(events) == LINES
    revised = {n for n, each in events.items() if each["in"].endswith("-r4")}
    assert len(revised) == CHANGED
    assert all("user.id" not in events[n] for n in revised)
    assert {events[n]["user.name"] for n in revised} == {str(n) for n in revised}
    # The time in the line is read now, and its index follows the file's birth as ever.
    assert len({events[n]["@timestamp"] for n in revised}) == 1
    assert all(events[n]["user.name"] == f"u-{n}" for n in WORDS)
    totals = installation.totals("--deep")
    assert (totals["stored"], totals["dead"], totals["read"]) == (LINES, 0, LINES)

    again = installation.replay("--since", "1h", "--into", "revision")

    assert again["totals"]["same"] == LINES
    assert again["published"]["revision"] is None
    assert installation.events() == events
    path = installation.folder / "logs" / "shop.log"
    told = installation.run("why", f"{path}:3", config=installation.changed)
    assert told.returncode == 0, told.stdout
    assert "-r4/" in told.stdout
    assert "was another then" not in told.stdout


def test_x5_what_is_shown_to_people_has_hostile_text_escaped(
    installation: Installation,
) -> None:
    other = installation.folder / "other.toml"
    other.write_text(settings_of(installation.folder / "logs", OTHER, with_time=False))
    shown = installation.run("replay", "--offsets", ":", config=other)

    assert shown.returncode == 0, shown.stderr
    assert "changed" in shown.stdout
    assert "\x1b" not in shown.stdout
    assert "\\x1b[31m" in shown.stdout
    elsewhere = installation.run("replay", "--offsets", ":", "--host", "nowhere")
    assert (elsewhere.returncode, elsewhere.stdout) == (0, "no event in this span\n")


def test_a_span_that_retention_took_is_refused_and_what_is_left_is_read(
    stack: Endpoints, tmp_path: Path
) -> None:
    import kafka

    library = cast("Any", kafka)
    namespace = f"t{secrets.token_hex(3)}"
    topic = RAW.name(namespace)
    places = [library.TopicPartition(topic, n) for n in range(PARTITIONS)]
    with ExitStack() as closing:
        (agent,) = closing.enter_context(
            started_roles(
                stack, namespace=namespace, folder=tmp_path, plans={"agent": ()}
            )
        )
        (tmp_path / "logs" / "app.log").write_text("one line\n")
        bootstrap = {"bootstrap_servers": stack.kafka_bootstrap}
        admin = library.KafkaAdminClient(**bootstrap)
        closing.callback(admin.close)
        consumer = library.KafkaConsumer(**bootstrap)
        closing.callback(consumer.close)

        def filled() -> list[int]:
            ends = consumer.end_offsets(places)
            return [number for number, place in enumerate(places) if ends[place]]

        eventually(filled, WAIT_S, what="a record of the agent")
        (partition,) = filled()
        admin.delete_records({places[partition]: 1})

        shown = partial(agent.run, wait_s_max=COMMAND_S_MAX)
        number = str(partition)
        gone = shown("replay", "--partition", number, "--offsets", "0:")
        left = shown("replay", "--partition", number, "--offsets", "1:")
        nothing = shown("replay")

    assert gone.returncode == 1
    assert f"partition {partition} begins at offset 1, not at 0" in gone.stderr
    assert left.returncode == 0, left.stderr
    assert "No span of the raw topic is named" in nothing.stderr
