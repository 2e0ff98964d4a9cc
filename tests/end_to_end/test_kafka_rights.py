"""With the documented rights in Kafka every role works, and nothing more is allowed to it.

On a real broker with an authorizer, with the rights that `docs/rights.md` has.
"""

from __future__ import annotations

import gc
import re
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import kafka
import pytest
from kafka.errors import GroupAuthorizationFailedError, TopicAuthorizationFailedError
from pydantic import SecretStr

from tailrace.clock import SystemClock
from tailrace.dead.plan import Resend
from tailrace.dead.topic import KafkaDocuments
from tailrace.elasticsearch import Elastic
from tailrace.errors import TopicMissing
from tailrace.floor_topic import FloorReader
from tailrace.kafka_admin import KafkaAdmin
from tailrace.kafka_options import kafka_options
from tailrace.kafka_producer import Producer, SendFailure
from tailrace.kafka_reader import topic_reader
from tailrace.provision import provision_templates, provision_topics
from tailrace.query import events_alias
from tailrace.replay.raw_topic import RawTopic
from tailrace.settings import Connections
from tailrace.topics import DEAD, FLOORS, LEDGER, RAW, TOPICS
from tailrace_embedded.stack import Endpoints
from tailrace_stream.main import check_topics
from tests.support.certificates import Authority
from tests.support.lags import group_lags
from tests.support.roles import KilledRole
from tests.support.secured_kafka import Right, SecuredKafka, secured_kafka
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.stack,
    # kafka-python 3 closes no socket of a connection that was refused; the collector does.
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
PAGE = Path(__file__).parents[2] / "docs" / "rights.md"
TRIED = "tried"
"""The namespace in which each right is tried: what is written there is nobody's line."""
ROLES = ("agent", "stream", "indexer", "dashboard", "auditor", "mender", "replayer")
# What each may read and write at most: topics by their last word.
BUSINESS = {
    "agent": ("ledger", "raw overflow ledger dead"),
    "stream": (
        "raw state templates ledger floors",
        "docs rates dead state templates ledger",
    ),
    "indexer": (
        "docs rates alerts dead ledger floors state templates aliases",
        "dead ledger floors state templates aliases",
    ),
    "dashboard": ("ledger", ""),
    "auditor": ("docs dead ledger", ""),
    "mender": ("dead", "docs"),
    "replayer": ("raw dead floors", "docs"),
}
GROUPS = ("stream", "indexer")
WAIT_S_MAX = 120
LINES = 500
_ROW = r"^\| `(\w+)` \| (topic|group) `([^`]+)` \| ([A-Za-z, ]+) \|$"
_IMPLIED = {"READ": "DESCRIBE", "WRITE": "DESCRIBE"}


def documented(namespace: str) -> list[Right]:
    """Return each right of the page, with a namespace in the place of ours."""
    text = PAGE.read_text("utf-8")
    text = re.sub(r"`tailrace([.-]\w+`)", rf"`{namespace}\1", text)
    return [
        Right(user, kind.upper(), name, _named_as_in_kafka(operation.strip()))
        for user, kind, name, operations in re.findall(_ROW, text, re.MULTILINE)
        for operation in operations.split(",")
    ]


def _named_as_in_kafka(operation: str) -> str:
    """Return `DESCRIBE_CONFIGS` of `DescribeConfigs`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()


def password_of(user: str) -> str:
    return f"password-of-{user}"


@dataclass
class Guarded:
    """A broker that lets each role do what the page says."""

    broker: SecuredKafka
    trusted: Path

    def known_as(self, user: str, *, namespace: str = TRIED) -> Connections:
        return Connections(
            namespace=namespace,
            kafka_bootstrap=self.broker.address,
            kafka_security_protocol="SASL_SSL",
            kafka_username=user,
            kafka_password=SecretStr(password_of(user)),
            kafka_ca_file=self.trusted,
        )

    def make(self, namespace: str) -> None:
        """Make the topics of a namespace, and give each role its rights there."""
        admin = self.broker.admin(self.trusted)
        provision_topics(admin.model_copy(update={"namespace": namespace}))
        self.broker.allow(documented(namespace), ca_file=self.trusted)

    def environment(self, user: str) -> dict[str, str]:
        return {
            "TAILRACE_KAFKA_BOOTSTRAP": self.broker.address,
            "TAILRACE_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "TAILRACE_KAFKA_USERNAME": user,
            "TAILRACE_KAFKA_PASSWORD": password_of(user),
            "TAILRACE_KAFKA_CA_FILE": str(self.trusted),
        }


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    authority = Authority("of-brokers")
    trusted = tmp_path_factory.mktemp("trusted") / "ca.pem"
    trusted.write_bytes(authority.certificate)
    with secured_kafka(
        authority.signs("kafka"), trusted=authority.certificate, has_authorizer=True
    ) as broker:
        found = Guarded(broker, trusted)
        for role in ROLES:
            broker.set_password(role, password_of(role), ca_file=trusted)
        found.make(TRIED)
        yield found
    gc.collect()  # While the mark above is in force.


@pytest.mark.timeout(600)
def test_x13_with_the_documented_rights_lines_come_from_the_file_to_the_index(
    guarded: Guarded, stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """The index is the shared one's: its own rights are tested elsewhere."""
    connections = Connections(
        elasticsearch_url=stack.elasticsearch_url, namespace=namespace
    )
    provision_templates(connections)
    guarded.make(namespace)
    logs = tmp_path / "logs"
    logs.mkdir()
    config = tmp_path / "tailrace.toml"
    config.write_text(f'[[agent.sources]]\nname = "app"\npaths = ["{logs}/*.log"]\n')
    (logs / "app.log").write_text("".join(f"line {n}\n" for n in range(LINES)))
    with ExitStack() as running, Elastic(connections) as elastic:
        roles: list[KilledRole] = []
        for name in ("agent", "stream", "indexer"):
            environment = {
                **stack.as_environment(),
                **guarded.environment(name),
                "TAILRACE_DATA_DIR": str(tmp_path / "data"),
                "TAILRACE_NAMESPACE": namespace,
            }
            role = KilledRole(name, config, environment, tmp_path)
            role.start()
            running.callback(role.stop)
            roles.append(role)

        def is_all_there() -> bool:
            for role in roles:
                role.tend()
            elastic.refresh(events_alias(namespace))
            return elastic.count(events_alias(namespace)) == LINES

        eventually(is_all_there, WAIT_S_MAX)
        # Who only looks sees how far they are.
        who = guarded.known_as("dashboard", namespace=namespace)
        eventually(lambda: group_lags(who) == [0, 0], WAIT_S_MAX)
        audited = roles[0].run(
            "audit",
            "--json",
            wait_s_max=WAIT_S_MAX,
            environment={
                **guarded.environment("auditor"),
                "TAILRACE_DATA_DIR": str(tmp_path / "auditor"),
            },
        )
        assert audited.returncode == 0, audited.stdout + audited.stderr
        replayed = roles[0].run(
            *("replay", "--offsets", ":", "--json"),
            wait_s_max=WAIT_S_MAX,
            environment={
                **guarded.environment("replayer"),
                "TAILRACE_DATA_DIR": str(tmp_path / "replayer"),
            },
        )
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        assert f'"same":{LINES}' in replayed.stdout.replace(" ", "")
        refusals = {
            role.name: [
                line
                for line in role.log_path.read_text().splitlines()
                if "uthoriz" in line
            ]
            for role in roles
        }
        assert refusals == {"agent": [], "stream": [], "indexer": []}
        elastic.request("DELETE", f"/{namespace}-*")


def expected(user: str, kind: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for right in documented(TRIED):
        if (right.user, right.kind) == (user, kind):
            found[right.name] |= {right.operation}
            found[right.name] |= {_IMPLIED.get(right.operation, right.operation)}
    return dict(found)


def test_x13_the_page_gives_nobody_more_than_its_business() -> None:
    """Nobody deletes or alters, and nobody has the group of another."""
    assert {right.user for right in documented(TRIED)} == set(ROLES)
    assert {right.operation for right in documented(TRIED)} == {
        *("READ", "WRITE", "DESCRIBE", "DESCRIBE_CONFIGS")
    }
    for user, (reads, writes) in BUSINESS.items():
        topics = expected(user, "TOPIC")
        for operation, said in (("READ", reads), ("WRITE", writes)):
            may = {name for name, allowed in topics.items() if operation in allowed}
            assert may == {f"{TRIED}.{suffix}" for suffix in said.split()}, user
        for group, allowed in expected(user, "GROUP").items():
            assert "READ" not in allowed or group == f"{TRIED}-{user}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("user", ROLES)
def test_x13_the_broker_allows_a_role_what_the_page_says_and_nothing_else(
    guarded: Guarded, user: str
) -> None:
    """Of every topic and group, by the broker's own word."""
    options = kafka_options(guarded.known_as(user), client_id="test")
    admin = cast("Any", kafka).KafkaAdminClient(**options)
    try:
        names = [topic.name(TRIED) for topic in TOPICS]
        topics = {
            one["name"]: set(one.get("authorized_operations") or ())
            for one in admin.describe_topics(names)
            if not one["error_code"]
        }
        cluster = admin.describe_cluster()
        assert not set(cluster.get("authorized_operations") or ())
    finally:
        admin.close()
    assert topics == expected(user, "TOPIC")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("user", ROLES)
def test_x13_what_is_not_a_roles_business_is_refused_when_it_is_tried(
    guarded: Guarded, user: str
) -> None:
    """Each topic is written and read, and each group joined; what it may, it can."""
    connections = guarded.known_as(user)
    rights = expected(user, "TOPIC")
    names = [topic.name(TRIED) for topic in TOPICS]
    written = {name for name in names if _is_written(connections, name)}
    assert written == {name for name in names if "WRITE" in rights.get(name, ())}
    admin = guarded.broker.admin(guarded.trusted)
    for name in names:
        assert _is_written(admin, name)
        may = "READ" in rights.get(name, ())
        assert _is_read(connections, name, wait_s=60 if may else 3) is may, name
    groups = expected(user, "GROUP")
    # One that it may see, so that the group alone is in the way.
    ledger = LEDGER.name(TRIED)
    topic = ledger if "READ" in rights.get(ledger, ()) else min(rights)
    for group in (f"{TRIED}-{name}" for name in GROUPS):
        may = "READ" in groups.get(group, ())
        assert _is_joined(connections, group, topic=topic) is may, group


@pytest.mark.timeout(300)
def test_x13_a_replayer_reads_what_came_in_and_a_mender_sends_what_died(
    guarded: Guarded,
) -> None:
    """What `tailrace replay` and `tailrace dead retry` ask of Kafka, each as its own user."""
    namespace = "mended"
    guarded.make(namespace)
    admin = guarded.broker.admin(guarded.trusted)
    raw = RAW.name(namespace)
    assert _is_written(admin, raw)
    clock = SystemClock()

    replayer = guarded.known_as("replayer", namespace=namespace)
    assert check_topics(replayer, topics=(RAW, FLOORS))
    floors = FloorReader(replayer, client_id="test")
    assert not floors.read()
    floors.close()
    with topic_reader(replayer, client_id="test") as reader:
        topic = RawTopic(
            reader,
            namespace=namespace,
            brokers=replayer.kafka_bootstrap,
            clock=clock,
        )
        held = topic.held(since_ms=None, until_ms=None)
        spans = {number: range(one.begin, one.end) for number, one in held.items()}
        assert [record.value for record in topic.records(spans)] == [b"x"]

    for user in ("replayer", "mender"):
        connections = guarded.known_as(user, namespace=namespace)
        with KafkaAdmin(connections, client_id="test") as known:
            documents = KafkaDocuments(connections, admin=known, clock=clock)
            assert documents.send([resend()]) == {}
            # Nobody indexes here, so that what was sent is left to read.
            assert RESENT not in documents.passed(wait_ms_max=0)
            assert _is_written(admin, DEAD.name(namespace))
            assert documents.refused() == {}
    with pytest.raises(TopicMissing):
        check_topics(guarded.known_as("mender", namespace=namespace), topics=(RAW,))


RESENT = 3
"""The partition to which a dead letter's document goes back."""


def resend() -> Resend:
    return Resend(
        dead_id="d",
        index="mended-app-2026.11.24",
        document_id="i",
        partition=RESENT,
        key=b"g",
        value=b'{"create":{"_index":"mended-app-2026.11.24","_id":"i"}}\n{}\n',
        header=b"{}",
    )


def _is_written(connections: Connections, topic: str) -> bool:
    producer = Producer.connect(connections, client_id="test")
    told: list[SendFailure | None] = []
    try:
        producer.send(topic, value=b"x", key=b"key", on_done=told.append)
        eventually(lambda: bool(told), 60)
    finally:
        producer.close(wait_ms_max=0)
    return told == [None]


def _is_read(connections: Connections, topic: str, *, wait_s: int) -> bool:
    options = kafka_options(connections, client_id="test")
    library = cast("Any", kafka)
    consumer = library.KafkaConsumer(
        **options, group_id=None, auto_offset_reset="earliest"
    )
    count = next(one.partitions for one in TOPICS if one.name(TRIED) == topic)
    try:
        consumer.assign([library.TopicPartition(topic, one) for one in range(count)])
        return any(consumer.poll(timeout_ms=1_000) for _ in range(wait_s))
    except TopicAuthorizationFailedError:
        return False
    finally:
        consumer.close()


def _is_joined(connections: Connections, group: str, *, topic: str) -> bool:
    """Tell whether a member got partitions; any other failure is none of the rights."""
    options = kafka_options(connections, client_id="test")
    consumer = cast("Any", kafka).KafkaConsumer(topic, **options, group_id=group)
    try:
        for _ in range(60):
            consumer.poll(timeout_ms=1_000)
            if consumer.assignment():
                return True
    except GroupAuthorizationFailedError:
        return False
    finally:
        consumer.close()
    raise AssertionError(f"{group} gave neither partitions nor an answer")
