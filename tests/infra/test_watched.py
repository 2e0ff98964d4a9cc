"""What is watched: the user's words first, the servers' logs always, our own never."""

from __future__ import annotations

import string
import tomllib
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.alerts.config import AlertSettings
from tailrace.errors import EXIT_USAGE, ConfigError
from tailrace.shop_rules import RULES
from tailrace.watched import (
    MACHINE_LOGS,
    configuration,
    names_files,
    toml_text,
    watched_globs,
)

DATA_DIR = Path("/data/tailrace")
NAMED = {"agent": {"sources": [{"name": "shop", "paths": ["/srv/shop/*.log"]}]}}

texts = st.text(max_size=20)
scalars = texts | st.integers(-(2**62), 2**62) | st.booleans()
keys = st.text(string.ascii_letters + '_-. "é', min_size=1, max_size=8)
tables = st.recursive(
    st.dictionaries(keys, scalars | st.lists(scalars, max_size=3), max_size=3),
    lambda inner: st.dictionaries(
        keys, inner | st.lists(inner, min_size=1, max_size=2), max_size=3
    ),
    max_leaves=6,
)


@given(tables)
def test_what_is_written_is_read_back(document: dict[str, Any]) -> None:
    assert tomllib.loads(toml_text(document)) == document


def test_without_a_word_this_machines_logs_are_watched() -> None:
    globs = watched_globs(configuration({}, watch=(), data_dir=DATA_DIR))

    assert globs[: len(MACHINE_LOGS)] == list(MACHINE_LOGS)


def test_the_users_sources_stand_in_for_this_machines() -> None:
    globs = watched_globs(configuration(NAMED, watch=(), data_dir=DATA_DIR))

    assert globs[0] == "/srv/shop/*.log"
    assert not set(globs) & set(MACHINE_LOGS)


def test_watch_wins_over_the_users_sources_and_keeps_other_settings() -> None:
    given_: dict[str, Any] = {**NAMED, "connections": {"namespace": "mine"}}
    given_["agent"] = {**NAMED["agent"], "sweep_ms": 500}
    configured = configuration(given_, watch=("/a/*.txt",), data_dir=DATA_DIR)

    assert watched_globs(configured)[0] == "/a/*.txt"
    assert "/srv/shop/*.log" not in watched_globs(configured)
    assert configured["connections"] == {"namespace": "mine"}
    assert configured["agent"]["sweep_ms"] == 500


def test_a_glob_beside_the_folder_that_one_is_in_is_written_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configured = configuration({}, watch=("../logs/*.log",), data_dir=DATA_DIR)
    assert watched_globs(configured)[0] == f"{tmp_path.parent}/logs/*.log"


@pytest.mark.parametrize("pattern", ["", " "])
def test_an_empty_glob_is_refused(pattern: str) -> None:
    """It would mean the folder that one happens to be in."""
    with pytest.raises(ConfigError, match="--watch must name files") as caught:
        configuration({}, watch=(pattern,), data_dir=DATA_DIR)
    assert caught.value.exit_code == EXIT_USAGE


@pytest.mark.parametrize("watch", [(), ("/a/*",)])
def test_servers_logs_are_watched_and_roles_logs_are_not(watch: tuple[str]) -> None:
    configured = configuration({}, watch=watch, data_dir=DATA_DIR)
    sources = cast("list[dict[str, Any]]", configured["agent"]["sources"])
    servers = [source for source in sources if source.get("dataset")]

    assert {source["dataset"] for source in servers} == {
        "elasticsearch.server",
        "kafka.log",
        "zookeeper.log",
    }
    assert {source["time_zone"] for source in servers} == {"UTC"}
    for source in sources:
        if source not in servers:
            assert f"{DATA_DIR}/**" in source["exclude"]
    assert not any("/logs/agent" in glob for glob in watched_globs(configured))


def test_the_shops_logs_are_watched_while_it_runs_and_once_it_has_run(
    tmp_path: Path,
) -> None:
    """Its last lines may not have been read when it is left out."""

    def shop_globs(*, has_shop: bool) -> list[str]:
        configured = configuration({}, watch=(), data_dir=tmp_path, has_shop=has_shop)
        return [one for one in watched_globs(configured) if "/shop/" in one]

    globs = [f"{tmp_path}/shop/logs/{name}" for name in ("*.log", "*.log.1")]
    assert shop_globs(has_shop=False) == []
    assert shop_globs(has_shop=True) == globs
    (tmp_path / "shop" / "logs").mkdir(parents=True)
    assert shop_globs(has_shop=False) == globs


def test_the_shops_rules_are_judged_while_it_runs_beside_the_users_own(
    tmp_path: Path,
) -> None:
    """And one of the user's by the same name stands in for the shop's."""

    def rules(given_: dict[str, Any], *, has_shop: bool) -> list[dict[str, Any]]:
        configured = configuration(
            given_, watch=(), data_dir=tmp_path, has_shop=has_shop
        )
        read = tomllib.loads(toml_text(configured))
        alerts: dict[str, Any] = read.get("indexer", {}).get("alerts", {})
        # As the indexer reads them: what is wrong with one would end its start.
        found = AlertSettings.model_validate(alerts).rules
        return [rule.model_dump() for rule in found]

    shops = [rule["name"] for rule in RULES]
    assert rules({}, has_shop=False) == []
    assert [one["name"] for one in rules({}, has_shop=True)] == shops
    mine = {"name": "mine", "kind": "threshold", "above": 3}
    other = {**mine, "name": shops[0]}
    given_ = {"indexer": {"alerts": {"rules": [mine, other], "keep_days_max": 7}}}
    found = rules(given_, has_shop=True)
    assert [one["name"] for one in found] == ["mine", *shops]
    assert found[1]["above"] == 3
    assert len(rules(given_, has_shop=False)) == 2
    wrong = {"indexer": {"alerts": {"rules": ["mine"]}}}
    assert configuration(wrong, watch=(), data_dir=tmp_path, has_shop=True).items() >= (
        wrong.items()
    )


@pytest.mark.parametrize(
    ("given_", "watch", "named"),
    [
        ({}, (), False),
        ({"agent": {"sweep_ms": 500}}, (), False),
        ({"agent": 3}, (), False),
        (NAMED, (), True),
        ({}, ("/a/*",), True),
    ],
    ids=["nothing", "no sources", "no table", "sources", "watch"],
)
def test_who_names_files_is_told_from_who_names_none(
    given_: dict[str, Any], watch: tuple[str, ...], named: bool
) -> None:
    assert names_files(given_, watch=watch) is named
