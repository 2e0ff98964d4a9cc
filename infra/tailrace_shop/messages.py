"""What the shop's services say to one another, and on which topics."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from tailrace.kafka_admin import KafkaAdmin, NewTopic
from tailrace.provision import INSYNC_KEY, copies_on, insync_min
from tailrace.settings import Connections

PARTITIONS = 2
"""Enough that two workers of a group share the work."""
RETENTION_MS = 86_400_000
MESSAGE_BYTES_MAX = 64 * 1_024


class Topic(StrEnum):
    """The shop's queues; each is a topic `<namespace>.shop.<name>`."""

    USERS = "users"
    """Who registered, for the e-mail and the SMS that welcome them."""
    ORDERS = "orders"
    """What was ordered, for the inventory, and once more for the fulfilment."""
    TICKETS = "tickets"
    """Who was admitted to a flash sale."""
    CHAT = "chat"
    """What was said, for everyone who listens."""
    QUESTIONS = "questions"
    """What was asked, for one of those who answer."""

    def name_in(self, namespace: str) -> str:
        """Return the topic's whole name."""
        return f"{namespace}.shop.{self}"


class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """A user whose welcome is still to be sent."""

    user: str
    trace_id: str


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """So many of one item, for a customer; the same id is the same order."""

    order_id: str
    item: str
    quantity: int
    trace_id: str


class SaidKind(StrEnum):
    """Why a member of the chat room is heard."""

    SAID = "said"
    HERE = "here"
    """A sign of life, without a word."""
    LEFT = "left"


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A member's word or sign of life."""

    member: str
    at_ms: int
    kind: SaidKind = SaidKind.SAID
    text: str = ""


def group_name(namespace: str, service: str) -> str:
    """Return the consumer group of a service; its members share each message's work."""
    return f"{namespace}-shop-{service}"


def make_topics(connections: Connections) -> None:
    """Make the queues that are missing, on as many brokers as there are, at most three.

    A message is acknowledged when it is on all of them that are in step, at least two
    of three: so an accepted order survives the loss of a broker.

    Raises:
        ServiceUnavailable: Kafka does not answer, or refuses a topic.
    """
    with KafkaAdmin(connections, client_id="tailrace-shop") as admin:
        copies = copies_on(admin.broker_count())
        there = admin.partition_counts()
        settings = {
            INSYNC_KEY: insync_min(copies),
            "retention.ms": str(RETENTION_MS),
            "max.message.bytes": str(MESSAGE_BYTES_MAX),
        }
        names = [topic.name_in(connections.namespace) for topic in Topic]
        admin.create_topics(
            NewTopic(
                name=name,
                partitions=PARTITIONS,
                replication_factor=copies,
                settings=settings,
            )
            for name in names
            if name not in there
        )
