"""Breaks one guarantee in a role as it starts: put this folder first on PYTHONPATH.

Python imports a module of this name before anything else, so a role is broken from its
first line, and not a byte of the product knows of it. `CHAOS_MUTATION` names the
guarantee; only processes that run a role are touched.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.abc
import importlib.machinery
import os
import random
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

MUTATION_VARIABLE = "CHAOS_MUTATION"
EAGER_S = 3.0
"""Longer than offsets that are acknowledged wait to be committed."""
ROLES = frozenset({"agent", "stream", "indexer"})


def commit_before_write(offsets: Any) -> None:
    """The indexer commits what it has read, stored or not."""

    def everything_read(self: Any) -> int:
        return self.read_to

    offsets._Reading.committable = everything_read


def ack_before_delivery(protocol: Any) -> None:
    """The stream acknowledges a record before its documents are delivered."""
    complete = protocol.CommitProtocol.complete

    async def eager(
        self: Any, work: Any, *, acknowledge: Callable[[Any], None], **named: Any
    ) -> None:
        def again(_work: Any) -> None:
            return

        acknowledge(work)
        # A worker that is killed loses only what was committed meanwhile: that takes a
        # moment, and delivery on a quiet machine hardly one.
        await asyncio.sleep(EAGER_S)
        await complete(self, work, acknowledge=again, **named)

    protocol.CommitProtocol.complete = eager


def checkpoint_before_ack(delivery: Any) -> None:
    """The agent takes what it has sent for acknowledged, and checkpoints it."""
    ship = delivery.Delivery.ship

    def eager(self: Any, generation: str, chunk: Any, **reason: Any) -> bool:
        import msgspec

        if not ship(self, generation, chunk, **reason):
            return False
        ledger = self._ledgers[generation]
        ledger.record = msgspec.structs.replace(
            ledger.record,
            next_offset=chunk.after.offset,
            next_event_number=chunk.after.event_number,
            tail_size_bytes=chunk.after.tail.size_bytes,
            tail_hash=chunk.after.tail.hash,
        )
        self._dirty[generation] = None
        return True

    delivery.Delivery.ship = eager


def random_id(placing: Any) -> None:
    """A document's id changes with each time that it is made."""
    original = placing.document_ids

    def random_ids(offsets: Any, *, born_at_ms: int, **rest: Any) -> Any:
        # The birth leads the id, and nothing else of the id speaks of it.
        del born_at_ms
        born_at_ms = random.SystemRandom().randrange(2**32) * 1_000
        return original(offsets, born_at_ms=born_at_ms, **rest)

    placing.document_ids = random_ids


def id_without_host(identity: Any) -> None:
    """Two hosts give the same name to a file whose other facts are the same."""
    original = identity.generation_of

    def without_host(facts: Any) -> str:
        import msgspec

        return original(msgspec.structs.replace(facts, host_id=""))

    identity.generation_of = without_host


def publish_error_swallowed(faust_app: Any) -> None:
    """The stream goes on as if a document that was not delivered had been."""
    owner = faust_app.StreamApp
    publish = owner.publish

    async def careless(self: Any, record: Any) -> None:
        try:
            await publish(self, record)
        except faust_app.PublishFailed:
            return

    owner.publish = careless


def forbidden_is_dead(outcomes: Any) -> None:
    """The indexer makes dead letters of documents whose writer lost a right."""
    judge = outcomes.judge_item

    def judge_harshly(status: int, error: Any) -> Any:
        if status == 403:
            return outcomes.Verdict(
                outcomes.Outcome.DEAD_LETTER, outcomes.Reason.UNAUTHORIZED
            )
        return judge(status, error)

    outcomes.judge_item = judge_harshly


def acks_of_one(kafka_producer: Any) -> None:
    """The agent takes the leader's own word for that of all copies in sync."""
    del kafka_producer
    _produce_with(acks=1)


def refused_is_sent(kafka_producer: Any) -> None:
    """The agent hears of no refusal, and its producer does not try again by itself."""

    def nothing(error: BaseException) -> None:
        del error

    kafka_producer.failure_of = nothing
    _produce_with(retries=0)


def _produce_with(**changed: Any) -> None:
    """Let every producer have other options; without these the library keeps an order."""
    import kafka

    library: Any = kafka
    original = library.KafkaProducer

    def hasty(**options: Any) -> Any:
        return original(**{**options, "enable_idempotence": False, **changed})

    library.KafkaProducer = hasty


def unanswered_is_stored(delivery: Any) -> None:
    """The indexer takes a bulk that got no answer, or a refusal, for stored."""
    take = delivery.Delivery._take

    def hopeful(self: Any, finished: Any) -> None:
        is_lost = isinstance(finished, delivery.BulkLost)
        if not is_lost and getattr(finished, "refusal", None) is None:
            take(self, finished)
            return
        self._sending.arrived(finished.bulk)
        for piece in finished.bulk.pieces:
            self._close(piece)

    delivery.Delivery._take = hopeful


MUTATIONS: Mapping[str, tuple[str, Callable[[Any], None]]] = {
    "commit-before-write": ("tailrace_indexer.offsets", commit_before_write),
    "ack-before-delivery": ("tailrace_stream.protocol", ack_before_delivery),
    "checkpoint-before-ack": ("tailrace_agent.delivery", checkpoint_before_ack),
    "random-id": ("tailrace_stream.placing", random_id),
    "id-without-host": ("tailrace.identity", id_without_host),
    "publish-error-swallowed": ("tailrace_stream.faust_app", publish_error_swallowed),
    "forbidden-is-dead": ("tailrace_indexer.outcomes", forbidden_is_dead),
    "acks-of-one": ("tailrace.kafka_producer", acks_of_one),
    "moved-is-sent": ("tailrace.kafka_producer", refused_is_sent),
    "full-is-sent": ("tailrace.kafka_producer", refused_is_sent),
    "unanswered-is-stored": ("tailrace_indexer.delivery", unanswered_is_stored),
}


class _Breaking(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Loads one module as it is, and then breaks it."""

    def __init__(self, name: str, break_it: Callable[[Any], None]) -> None:
        self._name = name
        self._break_it = break_it
        self._found: importlib.machinery.ModuleSpec | None = None

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != self._name or self._found is not None:
            return None
        self._found = importlib.machinery.PathFinder.find_spec(fullname, path, target)
        if self._found is None:
            return None
        return importlib.machinery.ModuleSpec(
            fullname, self, origin=self._found.origin, is_package=False
        )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        del spec

    def exec_module(self, module: ModuleType) -> None:
        assert self._found is not None
        assert self._found.loader is not None
        self._found.loader.exec_module(module)
        self._break_it(module)


def install(arguments: Sequence[str], *, mutation: str) -> None:
    """Break this process, if it is one that runs a role."""
    is_role = "tailrace" in arguments and not ROLES.isdisjoint(arguments)
    if mutation and is_role:
        sys.meta_path.insert(0, _Breaking(*MUTATIONS[mutation]))


install(sys.orig_argv, mutation=os.environ.get(MUTATION_VARIABLE, ""))
