"""Names of addresses are asked for beside the stream, which waits for none of them."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import pytest

from tailrace.clock import Clock, SystemClock
from tailrace_stream.enrich.config import EnrichmentSettings
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.enrich.reverse_dns import Limits, ReverseNames
from tests.stream.builders import ACCESS_LINE
from tests.stream.enrich.builders import StepClock, enriched
from tests.support.waiting import eventually

LIMITS = Limits(
    threads_max=2, waiting_max=10, names_max=50, keep_ms=60_000, keep_unknown_ms=5_000
)


class Resolver:
    """Answers as it is told, each address once it is let."""

    def __init__(self, answers: dict[str, str] | None = None) -> None:
        self.answers = answers or {}
        self.asked: list[str] = []
        self.busy_max = 0
        self._busy = 0
        self._turn = threading.Lock()
        self.let = threading.Event()

    def __call__(self, address: str) -> str | None:
        with self._turn:
            self.asked.append(address)
            self._busy += 1
            self.busy_max = max(self.busy_max, self._busy)
        self.let.wait(10)
        with self._turn:
            self._busy -= 1
        if address == "192.0.2.66":
            raise OSError("the resolver is away")
        return self.answers.get(address)


@contextmanager
def names_by(
    resolver: Resolver, *, clock: Clock | None = None, limits: Limits = LIMITS
) -> Generator[ReverseNames]:
    names = ReverseNames(resolver, limits=limits, clock=clock or SystemClock())
    try:
        yield names
    finally:
        resolver.let.set()
        names.close()


def answered(names: ReverseNames, count: int) -> None:
    eventually(lambda: names.counts["reverse_dns.asked"] >= count, 10, what="answers")


def test_chunk_is_not_held_up_and_a_later_one_has_the_name() -> None:
    resolver = Resolver({"203.0.113.7": "Web7.Example.COM."})
    with names_by(resolver) as names:
        by = Enrichment(names=names)
        first = enriched(ACCESS_LINE, ACCESS_LINE, by=by, parser="access")
        assert ["source.domain" in one for one in first] == [False, False]
        resolver.let.set()
        answered(names, 1)
        later = enriched(ACCESS_LINE, by=by, parser="access")
    assert later[0]["source.domain"] == "web7.example.com"
    assert resolver.asked == ["203.0.113.7"]


def test_resolver_that_never_answers_takes_no_more_than_its_threads_and_its_room() -> (
    None
):
    resolver = Resolver()
    with names_by(resolver) as names:
        for number in range(200):
            assert names.name(f"192.0.2.{number}") is None
        eventually(lambda: len(resolver.asked) == 2, 10, what="two that are asked")
        assert resolver.busy_max == 2
        assert names.counts["reverse_dns.not_asked"] >= 200 - 10 - 2 - 2
        assert threading.active_count() < 50


def test_names_that_are_kept_have_a_bound_and_an_age() -> None:
    clock, resolver = StepClock(), Resolver({"192.0.2.1": "one.example"})
    resolver.let.set()
    with names_by(resolver, clock=clock) as names:
        names.name("192.0.2.1")
        names.name("192.0.2.2")
        answered(names, 2)
        assert names.name("192.0.2.1") == "one.example"
        assert names.name("192.0.2.2") is None
        assert len(resolver.asked) == 2
        clock.sleep_ms(LIMITS.keep_unknown_ms + 1)
        names.name("192.0.2.2")
        answered(names, 3)
        clock.sleep_ms(LIMITS.keep_ms + 1)
        # What it was called stays its name while it is asked for anew.
        assert names.name("192.0.2.1") == "one.example"
        answered(names, 4)
        for number in range(3, 200):
            names.name(f"192.0.2.{number}")
            answered(names, number + 2)
        assert names.known_count <= LIMITS.names_max


@pytest.mark.parametrize(
    "answer",
    ["<script>", "a b", "x" * 300, "a..b", "", "tab\there", "-".join("ab") + "\n"],
)
def test_answer_that_is_no_name_is_none(answer: str) -> None:
    """Whoever has an address writes what is answered."""
    resolver = Resolver({"192.0.2.1": answer})
    resolver.let.set()
    with names_by(resolver) as names:
        names.name("192.0.2.1")
        answered(names, 1)
        assert names.name("192.0.2.1") is None


@pytest.mark.parametrize(
    "text", ["attacker.example", "", "192.0.2.1.evil", "fe80::1%eth0"]
)
def test_what_is_no_address_is_never_asked_for(text: str) -> None:
    """A line could else let the resolver ask for any name."""
    resolver = Resolver()
    resolver.let.set()
    with names_by(resolver) as names:
        assert names.name(text) is None
        names.name("192.0.2.1")
        answered(names, 1)
    assert resolver.asked == ["192.0.2.1"]


def test_failure_of_the_resolver_is_no_name_and_ends_nothing() -> None:
    resolver = Resolver({"192.0.2.1": "one.example"})
    resolver.let.set()
    with names_by(resolver) as names:
        for _ in range(3):
            names.name("192.0.2.66")
        names.name("192.0.2.1")
        answered(names, 2)
        assert names.name("192.0.2.66") is None
        assert names.name("192.0.2.1") == "one.example"
        assert resolver.asked.count("192.0.2.66") == 1


def test_it_is_off_unless_asked_for() -> None:
    assert EnrichmentSettings().reverse_dns is None
    switched = EnrichmentSettings.model_validate({"reverse_dns": True}).reverse_dns
    assert switched is not None
    assert EnrichmentSettings.model_validate({"reverse_dns": False}).reverse_dns is None
