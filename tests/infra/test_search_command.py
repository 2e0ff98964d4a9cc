"""What `tailrace search` says where there is nothing to show, and how long it waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tailrace.cli import app
from tests.infra.test_elasticsearch_wait import saying

REFUSED = {"status": 500, "error": "how complete it is, is not asked here"}
HIT = {
    "_id": "1",
    "_index": "tailrace-a-2026.11.26",
    "_source": {"@timestamp": "2026-11-26T01:02:03.456Z", "message": "one line"},
    "sort": [1, 1],
}


def found(*hits: dict[str, Any]) -> dict[str, Any]:
    return {"timed_out": False, "_shards": {"failed": 0}, "hits": {"hits": list(hits)}}


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
    with saying(REFUSED, found()) as port:
        result = search(
            "level:error",
            *as_json,
            url=f"http://127.0.0.1:{port}",
            folder=tmp_path,
            monkeypatch=monkeypatch,
        )
    assert result.exit_code == 0
    assert result.stdout == ""
    assert "nothing matches; try a longer --since" in result.stderr


def test_a_search_that_finds_a_line_says_nothing_of_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with saying(REFUSED, found(HIT)) as port:
        result = search(
            "line",
            url=f"http://127.0.0.1:{port}",
            folder=tmp_path,
            monkeypatch=monkeypatch,
        )
    assert "one line" in result.stdout
    assert "nothing matches" not in result.stderr
