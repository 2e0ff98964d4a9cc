"""What `tailrace search` says where there is nothing to show, and how long it waits."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tailrace import elasticsearch
from tailrace.cli import app
from tailrace.clock import SystemClock
from tailrace.errors import ServiceUnavailable
from tailrace.own_stack import is_stack_down, names_own_stack
from tailrace.settings import Connections
from tailrace_embedded import record
from tests.support.saying import Said, in_turn, saying

REFUSED = Said(500, {"error": "how complete it is, is not asked here"})
HIT = {
    "_id": "1",
    "_index": "tailrace-a-2026.11.26",
    "_source": {"@timestamp": "2026-11-26T01:02:03.456Z", "message": "one line"},
    "sort": [1, 1],
}


def found(*hits: dict[str, Any]) -> Said:
    shards: dict[str, Any] = {"failed": 0}
    answer = {"timed_out": False, "_shards": shards, "hits": {"hits": list(hits)}}
    return Said(200, answer)


def search(
    *arguments: str, url: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Result:
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(folder))
    monkeypatch.setenv("TAILRACE_ELASTICSEARCH_URL", url)
    return CliRunner().invoke(app, ["search", *arguments])


@pytest.mark.parametrize("as_json", [(), ("--json",)])
def test_a_search_that_finds_nothing_says_so_beside_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, as_json: tuple[str, ...]
) -> None:
    with saying(in_turn(REFUSED, found())) as server:
        result = search(
            "level:error",
            *as_json,
            url=server.url,
            folder=tmp_path,
            monkeypatch=monkeypatch,
        )
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "nothing matches; try a longer --since" in result.stderr


def test_a_search_that_finds_a_line_says_nothing_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saying(in_turn(REFUSED, found(HIT))) as server:
        result = search(
            "line",
            url=server.url,
            folder=tmp_path,
            monkeypatch=monkeypatch,
        )
    assert "one line" in result.stdout
    assert "nothing matches" not in result.stderr


def test_a_frozen_elasticsearch_is_waited_for_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not once for how complete the answer is, and again for the answer."""
    monkeypatch.setattr(elasticsearch, "INTERACTIVE_TIMEOUT_S", 0.5)
    clock = SystemClock()
    began_ms = clock.monotonic_ms()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        result = search(
            "line",
            url=f"http://127.0.0.1:{silent.getsockname()[1]}",
            folder=tmp_path,
            monkeypatch=monkeypatch,
        )
    assert clock.monotonic_ms() - began_ms < 950
    assert result.exit_code == 1
    assert "no answer within 0.5 s" in result.stderr
    assert "it may be busy or stand still" in result.stderr


def test_a_person_waits_for_an_answer_for_ten_seconds_at_most() -> None:
    assert elasticsearch.INTERACTIVE_TIMEOUT_S == 10


@pytest.mark.parametrize("is_own", [True, False])
def test_after_down_the_data_folder_and_up_are_the_remedy(
    tmp_path: Path, is_own: bool
) -> None:
    connections = Connections().model_copy(update={"data_dir": tmp_path})
    if not is_own:
        other = "http://elsewhere:9200"
        connections = connections.model_copy(update={"elasticsearch_url": other})
    away = ServiceUnavailable("Elasticsearch", address="a", reason="refused")
    usual = away.remedy
    assert not is_stack_down(connections)
    record.write_ports(tmp_path, {"kafka": 9_092})

    with pytest.raises(ServiceUnavailable) as caught, names_own_stack(connections):
        raise away
    remedy = f"nothing runs on the data folder {tmp_path}: `tailrace up --detach`"
    assert caught.value.remedy.startswith(remedy if is_own else usual)


def test_a_search_after_down_names_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.write_ports(tmp_path, {"elasticsearch": 1})
    url = "http://127.0.0.1:1"
    environment = {"TAILRACE_ELASTICSEARCH_URL": url}
    left = record.RunningServers(environment=environment, supervisor_pid=1, servers=[])
    record.write_servers(tmp_path, left)

    result = search("x", url=url, folder=tmp_path, monkeypatch=monkeypatch)

    assert result.exit_code == 1
    assert f"nothing runs on the data folder {tmp_path}" in result.stderr
