"""Z6: of all who would lead one at a time may act, whatever each of them believes.

The same of the register in memory and of the one in a real Elasticsearch.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.alias_register import AliasRegister
from tailrace_indexer.fence import Epoch, Register
from tests.support.fakes.lead_register import MemoryRegister

pytestmark = pytest.mark.timeout(60)
FIRST, SECOND, THIRD = Epoch(1, 7), Epoch(1, 2**40), Epoch(2, 3)
RIVALS = 8
ROUNDS = 5


@dataclass(slots=True)
class Guarded:
    """A register, and how indices beside it are made and seen."""

    register: Register
    make: Callable[[], str]
    is_there: Callable[[str], bool]
    lose: Callable[[], None]
    """Let the register be gone, as by a person's hand."""


@dataclass(slots=True)
class _Memory:
    register: MemoryRegister = field(default_factory=MemoryRegister)
    indices: set[str] = field(default_factory=set[str])

    def guarded(self) -> Guarded:
        self.register.delete = self.indices.discard
        return Guarded(self.register, self._make, self.indices.__contains__, self._lose)

    def _make(self) -> str:
        self.indices.add("old")
        return "old"

    def _lose(self) -> None:
        self.register.held = None


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.stack)])
def guarded(request: pytest.FixtureRequest, namespace: str) -> Iterator[Guarded]:
    if request.param == "memory":
        yield _Memory().guarded()
        return
    endpoints: Endpoints = request.getfixturevalue("stack")
    connections = Connections().model_copy(
        update={"elasticsearch_url": endpoints.elasticsearch_url}
    )
    with Elastic(connections) as elastic:

        def make() -> str:
            elastic.ask("PUT", f"/{namespace}-a.b-2026.11.22")
            return f"{namespace}-a.b-2026.11.22"

        yield Guarded(
            AliasRegister(elastic, namespace=namespace),
            make,
            lambda index: elastic.request("HEAD", f"/{index}").is_success,
            lambda: elastic.ask("DELETE", f"/{namespace}-leader"),
        )


def test_z6_an_epoch_is_replaced_by_who_knows_it(guarded: Guarded) -> None:
    register = guarded.register

    assert register.read() is None
    assert register.replace(None, by=FIRST)
    assert register.read() == FIRST
    assert register.replace(FIRST, by=SECOND)
    assert register.read() == SECOND
    assert register.replace(SECOND, by=THIRD)
    assert register.read() == THIRD


def test_z6_who_knows_another_epoch_changes_nothing(guarded: Guarded) -> None:
    register = guarded.register
    assert register.replace(None, by=SECOND)

    assert not register.replace(None, by=THIRD)
    assert not register.replace(FIRST, by=THIRD)
    assert register.read() == SECOND


def test_z6_an_index_is_deleted_by_who_holds_the_lead_and_by_no_other(
    guarded: Guarded,
) -> None:
    register, index = guarded.register, guarded.make()
    assert register.replace(None, by=SECOND)

    assert not register.delete_index(index, holder=FIRST)
    assert guarded.is_there(index)
    assert register.delete_index(index, holder=SECOND)
    assert not guarded.is_there(index)
    # Done already, as after an answer that did not come.
    assert register.delete_index(index, holder=SECOND)
    assert register.read() == SECOND


def test_z6_where_the_register_is_gone_nobody_holds_the_lead(
    guarded: Guarded,
) -> None:
    register, index = guarded.register, guarded.make()
    assert register.replace(None, by=SECOND)
    guarded.lose()

    assert register.read() is None
    assert not register.replace(SECOND, by=THIRD)
    assert not register.delete_index(index, holder=SECOND)
    assert guarded.is_there(index)
    assert register.replace(None, by=THIRD)
    assert register.read() == THIRD


def test_z6_of_many_at_the_same_moment_one_succeeds(guarded: Guarded) -> None:
    known: Epoch | None = None
    for number in range(ROUNDS):
        rivals = [Epoch(1, number * RIVALS + own) for own in range(RIVALS)]
        succeeded = _at_once(guarded.register, known=known, rivals=rivals)
        assert len(succeeded) == 1, f"of {known}, in round {number}"
        assert guarded.register.read() == succeeded[0]
        known = succeeded[0]


def _at_once(
    register: Register, *, known: Epoch | None, rivals: list[Epoch]
) -> list[Epoch]:
    """Let all replace `known` together; return those that were told it is theirs."""
    succeeded: list[Epoch] = []
    gate = threading.Barrier(len(rivals))

    def replace(own: Epoch) -> None:
        gate.wait()
        if register.replace(known, by=own):
            succeeded.append(own)

    threads = [threading.Thread(target=replace, args=(own,)) for own in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return succeeded
