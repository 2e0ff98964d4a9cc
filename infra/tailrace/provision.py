"""What must be there before a role starts: topics, templates, and rights in ZooKeeper.

Safe to repeat, and safe to run twice at once: what is there is verified, what differs is
corrected, and what must never change (a topic's partition count, by which keys find their
state) is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from tailrace.errors import CommandFailed
from tailrace.settings import Connections
from tailrace.topics import TOPICS, Topic

REPLICATION_MAX = 3
"""Two brokers may then be lost without a record lost; more copies cost more than that."""
INSYNC_KEY = "min.insync.replicas"
ONE_INDEX = ("rates", "templates")
"""Kinds of documents that have one index for good."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicsReport:
    """What provisioning found and did in Kafka."""

    topics_created: tuple[str, ...] = ()
    topics_corrected: tuple[str, ...] = ()
    topics_unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplatesReport:
    """What provisioning found and did in Elasticsearch."""

    templates_written: tuple[str, ...] = ()
    templates_unchanged: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvisionReport:
    """What `tailrace provision` found and did."""

    topics_created: tuple[str, ...]
    topics_corrected: tuple[str, ...]
    topics_unchanged: tuple[str, ...]
    templates_written: tuple[str, ...]
    templates_unchanged: tuple[str, ...]
    nodes_guarded: tuple[str, ...] = ()


def provision(connections: Connections) -> ProvisionReport:
    """Make or verify every topic and every index template, and guard our nodes.

    Raises:
        ServiceUnavailable: a server does not answer, or refuses.
        CommandFailed: a topic has another number of partitions than ours.
    """
    topics = provision_topics(connections)
    templates = provision_templates(connections.for_leader())
    guarded = provision_zookeeper(connections)
    return ProvisionReport(
        topics_created=topics.topics_created,
        topics_corrected=topics.topics_corrected,
        topics_unchanged=topics.topics_unchanged,
        templates_written=templates.templates_written,
        templates_unchanged=templates.templates_unchanged,
        nodes_guarded=guarded,
    )


def provision_topics(
    connections: Connections, *, replication: int | None = None
) -> TopicsReport:
    """Make or verify every topic; `replication` None means as many as three brokers.

    Raises:
        ServiceUnavailable: Kafka does not answer, or refuses.
        CommandFailed: a topic has another number of partitions than ours.
    """
    from tailrace.kafka_admin import KafkaAdmin, NewTopic

    with KafkaAdmin(connections) as admin:
        copies = replication or copies_on(admin.broker_count())
        wanted = {topic.name(connections.namespace): topic for topic in TOPICS}
        counts = admin.partition_counts()
        refuse_other_partitions(wanted, counts=counts)
        missing = [name for name in wanted if name not in counts]
        admin.create_topics(
            NewTopic(
                name=name,
                partitions=wanted[name].partitions,
                replication_factor=copies,
                settings=settings_of(wanted[name], copies=copies),
            )
            for name in missing
        )
        present = [name for name in wanted if name in counts]
        found = admin.topic_settings(present)
        # The copies of a topic that is there may be fewer than brokers allow now, so
        # its min.insync.replicas is left alone: raising it could stop all writing.
        changes = {
            name: differing(wanted[name].settings(), found=found[name])
            for name in present
        }
        admin.alter_topic_settings(changes)
    return TopicsReport(
        topics_created=tuple(missing),
        topics_corrected=tuple(name for name in present if changes[name]),
        topics_unchanged=tuple(name for name in present if not changes[name]),
    )


def provision_templates(connections: Connections) -> TemplatesReport:
    """Make or verify every index template.

    Raises:
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    from tailrace.elasticsearch import Elastic
    from tailrace.index_templates import index_templates

    with Elastic(connections) as admin:
        capabilities = admin.capabilities()
        written: list[str] = []
        unchanged: list[str] = []
        wanted = index_templates(connections.namespace, capabilities=capabilities)
        for name, body in wanted.items():
            if admin.template_fingerprint(name) == body["_meta"]["fingerprint"]:
                unchanged.append(name)
            else:
                admin.put_template(name, body=body)
                written.append(name)
        for kind in ONE_INDEX:
            name = f"{connections.namespace}-{kind}"
            if name in written:
                # What its template gained, no new index would bring.
                mappings = wanted[name]["template"]["mappings"]
                admin.add_fields(name, properties=mappings["properties"])
    return TemplatesReport(
        templates_written=tuple(written), templates_unchanged=tuple(unchanged)
    )


def provision_zookeeper(connections: Connections) -> tuple[str, ...]:
    """Give each role its rights in ZooKeeper; nothing where we are not known there.

    Raises:
        ServiceUnavailable: ZooKeeper does not answer, or refuses.
    """
    from tailrace.zookeeper import SESSION_MS, ZooKeeper
    from tailrace.zookeeper_rights import guard, login_of

    login = login_of(connections)
    if login is None:
        return ()
    with closing(ZooKeeper.connect(connections.zookeeper_hosts, login=login)) as made:
        # Where none answers, the first question says so, and why.
        made.wait_connected(wait_ms_max=SESSION_MS)
        users = connections.zookeeper_users
        return tuple(guard(made, namespace=connections.namespace, users=users))


def settings_of(topic: Topic, *, copies: int) -> dict[str, str]:
    """Return a new topic's settings: with three copies, two must have each record."""
    return {**topic.settings(), INSYNC_KEY: insync_min(copies)}


def copies_on(brokers: int) -> int:
    """Return how many copies a new topic gets, on so many brokers."""
    return min(REPLICATION_MAX, brokers)


def insync_min(copies: int) -> str:
    """Return how many of a topic's copies must have each record."""
    return "2" if copies >= REPLICATION_MAX else "1"


def differing(wanted: Mapping[str, str], *, found: Mapping[str, str]) -> dict[str, str]:
    """Return those settings that are not as wanted, as they should be."""
    return {key: value for key, value in wanted.items() if found.get(key) != value}


def refuse_other_partitions(
    wanted: Mapping[str, Topic], *, counts: Mapping[str, int]
) -> None:
    """Return if every topic that is there has our number of partitions.

    Raises:
        CommandFailed: one or more have another; all are named.
    """
    wrong = [
        f"{name} has {counts[name]} partitions, not {topic.partitions}"
        for name, topic in wanted.items()
        if name in counts and counts[name] != topic.partitions
    ]
    if wrong:
        raise CommandFailed(
            f"Topics have another number of partitions: {'; '.join(wrong)}.",
            remedy=(
                "Tailrace never changes it, since keys and their state would be"
                " stranded; choose another namespace, or delete these topics once"
                " everything in them is indexed"
            ),
        )
