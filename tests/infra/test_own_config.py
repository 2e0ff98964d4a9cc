"""What the roles of the data folder's own stack were told is found as its servers are."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from tailrace.commands.why_roles import glob_of
from tailrace.own_stack import own_config
from tailrace.settings import CONFIG_FILE, SERVERS_FILE, read_connections

SERVERS = {
    "TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:41001",
    "TAILRACE_ZOOKEEPER_HOSTS": "127.0.0.1:41002",
    "TAILRACE_ELASTICSEARCH_URL": "http://127.0.0.1:41003",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / SERVERS_FILE).write_bytes(orjson.dumps({"environment": SERVERS}))
    (tmp_path / CONFIG_FILE).write_text(
        "[[agent.sources]]\nname = 'watched'\npaths = ['/srv/shop/*.log']\n"
    )
    return tmp_path


def test_the_globs_of_a_stack_are_found_by_its_data_folder(folder: Path) -> None:
    config = own_config(read_connections(data_dir=folder))

    assert config == folder / CONFIG_FILE
    assert glob_of("/srv/shop/a.log", config=config) == "/srv/shop/*.log"


def test_of_other_servers_the_folders_stack_says_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_KAFKA_BOOTSTRAP", "kafka.example:9092")

    assert own_config(read_connections(data_dir=folder)) is None


@pytest.mark.parametrize("name", [SERVERS_FILE, CONFIG_FILE])
def test_where_no_stack_is_nothing_is_said(folder: Path, name: str) -> None:
    (folder / name).unlink()

    assert own_config(read_connections(data_dir=folder)) is None
