"""Which files go to indices of another name, and that one which has begun stays there."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tailrace.errors import ConfigError
from tailrace.identity import RESERVED_DATASETS, index_name
from tailrace.wire import Placement
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.narrowing import narrowed
from tailrace_agent.placement import placement_of
from tailrace_agent.routing import INDICES_MAX, ROUTES_MAX, RouteSettings, index_for
from tests.agent.harness import (
    AgentHarness,
    RecordingSink,
    ledger_of,
    origin_of,
    unique_lines,
)

WEB = {"datasets": ["nginx.*", "apache.access"], "index": "web"}
REST = {"datasets": "*", "index": "rest"}
INDEX_BYTES_MAX = 255
"""Of Elasticsearch."""


def source(*routes: dict[str, Any], **given: object) -> SourceSettings:
    values = {"name": "x", "paths": ("/**",), "routing": routes, **given}
    return SourceSettings.model_validate(values)


def placed(routed: SourceSettings, sample: bytes = b"plain words\n") -> Placement:
    return placement_of(
        sample, path="x.log", source=routed, host_time_zone="UTC", first_seen_at_ms=0
    )


def routed_in(sink: RecordingSink) -> dict[str, set[str]]:
    """Return to which names chunks went, by the name of their file."""
    found: dict[str, set[str]] = {}
    for record in sink.stored:
        if record.topic.endswith(".raw"):
            origin = origin_of(record)
            found.setdefault(Path(origin.path).name, set()).add(origin.placement.index)
    return found


def test_the_first_rule_that_means_a_dataset_counts() -> None:
    routes = source(WEB, {"datasets": ["nginx.error"], "index": "no"}, REST).routing
    for dataset, index in (
        ("nginx.error", "web"), ("apache.access", "web"), ("apache.error", "rest"),
        ("rest", ""),
    ):  # fmt: skip
        assert index_for(dataset, routes) == index
    assert not index_for("java.log", source(WEB).routing)


def test_what_a_file_is_found_to_be_is_asked_and_stays_its_dataset() -> None:
    found = placed(source(WEB, {"datasets": ["json"], "index": "apps"}), b'{"a":1}\n')
    assert (found.dataset, found.index) == ("json", "apps")
    name = index_name(None, namespace="t", placement=found, born_at_ms=0)
    assert name == "t-apps-1970.01.01"


@pytest.mark.parametrize(
    "index",
    [
        *sorted(RESERVED_DATASETS), "", "Web", "a-b", "a b", "a/b", "a\\b", "a*", "a?",
        'a"', "a<", "a>", "a|", "a,b", "a#", "a:", "_a", ".a", "..", "+a", "ä", "a\n",
        "a" * 101, "%{[host][name]}", "{{ host }}",
    ],
)  # fmt: skip
def test_a_name_that_no_index_of_events_can_have_is_refused(index: str) -> None:
    with pytest.raises(ValidationError, match="must"):
        RouteSettings.model_validate({"datasets": ["a"], "index": index})


def test_the_longest_name_is_one_that_elasticsearch_takes() -> None:
    longest = placed(source({"datasets": "*", "index": "a" * 100}))
    namespace = "n" * 32
    day = index_name(None, namespace=namespace, placement=longest, born_at_ms=0)
    assert len(f"{day}-r{10**9 - 1}".encode()) <= INDEX_BYTES_MAX


@pytest.mark.parametrize(
    "route",
    [
        {"datasets": [], "index": "a"},
        {"datasets": ["A"], "index": "a"},
        {"datasets": ["a" * 101], "index": "a"},
        {"datasets": ["a"] * 101, "index": "a"},
        {"index": "a"},
        {"datasets": "a", "index": "a", "where": {"log.level": "error"}},
    ],
)
def test_a_rule_that_could_mean_nothing_or_too_much_is_refused(
    route: dict[str, Any],
) -> None:
    with pytest.raises(ValidationError):
        RouteSettings.model_validate(route)


def test_how_many_indices_an_agent_routes_to_is_bounded() -> None:
    def routes(count: int, *, prefix: str) -> list[dict[str, Any]]:
        return [{"datasets": "*", "index": f"{prefix}{n}"} for n in range(count)]

    with pytest.raises(ValidationError):
        source(*routes(ROUTES_MAX + 1, prefix="a"))
    full = [
        source(*routes(ROUTES_MAX, prefix=prefix), name=prefix) for prefix in ("a", "b")
    ]
    left = INDICES_MAX - 2 * ROUTES_MAX
    # Names that were there before cost nothing more.
    last = source(*routes(left, prefix="c"), *routes(3, prefix="a"), name="c")
    assert AgentSettings(sources=(*full, last))
    beyond = source(*routes(left + 1, prefix="c"), name="c")
    with pytest.raises(ValidationError, match=f"{INDICES_MAX + 1} indices"):
        AgentSettings(sources=(*full, beyond))


def test_the_fleet_may_route_its_own_sources_within_the_same_bounds() -> None:
    local = AgentSettings(allowed_folders=("/var/log",))
    text = '[[agent.sources]]\nname = "web"\npaths = ["/var/log/*.log"]\n'
    rule = '[[agent.sources.routing]]\ndatasets = ["nginx.*"]\nindex = "{}"\n'

    settings = narrowed(local, {"groups/web": text + rule.format("web")})

    assert settings.sources[0].routing == source({**WEB, "datasets": "nginx.*"}).routing
    with pytest.raises(ConfigError, match="Tailrace's own"):
        narrowed(local, {"groups/web": text + rule.format("dead")})


@pytest.mark.parametrize("is_checkpoint_lost", [False, True])
def test_p1_a_file_that_has_begun_keeps_its_index_and_new_rules_hold_for_new_ones(
    tmp_path: Path,
    is_checkpoint_lost: bool,
) -> None:
    """Also where the next life knows of it by the ledger alone, or its name is another."""
    first = AgentHarness(tmp_path, source={"routing": (WEB, REST)})
    for name in ("old.log", "moved.log"):
        first.write(name, b"one\n")
    first.pass_ms(8_000)
    first.crash()
    (first.logs / "moved.log").rename(first.logs / "moved.log.1")
    if is_checkpoint_lost:
        shutil.rmtree(first.state)
    other = {"datasets": "*", "index": "other"}
    second = AgentHarness(
        tmp_path, sink=first.sink, glob="*.log*", source={"routing": (other,)}
    )
    for name in ("old.log", "moved.log.1", "new.log"):
        second.write(name, b"two\n")
    second.pass_ms(8_000)
    assert len(unique_lines(first.sink)) == 5
    assert routed_in(first.sink) == {
        "old.log": {"rest"},
        "moved.log": {"rest"},
        "new.log": {"other"},
    }
    told = {word.generation: word.placement.index for word in ledger_of(first.sink)}
    assert sorted(told.values()) == ["other", "rest", "rest"]
    second.crash()
    third = AgentHarness(tmp_path, sink=first.sink, glob="*.log*")
    # What is truncated begins once more, by the rules of then: by none.
    (third.logs / "old.log").write_bytes(b"")
    third.pass_ms()
    third.write("old.log", b"three\n")
    third.pass_ms(8_000)
    assert routed_in(first.sink)["old.log"] == {"rest", ""}
