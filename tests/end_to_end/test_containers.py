"""Both streams of a container, through a kill of its agent, to documents that add up."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tailrace_embedded.stack import Endpoints
from tests.agent.test_streams_chunking import Written, line_of
from tests.support.installation import Installation, installed
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
WAIT_S = 240
FLUSH_MS = 60_000
"""Longer than a start takes: what is joined is joined by its lines, and not ended by time."""

BEFORE: list[Written] = [
    ("stdout", "first", False),
    ("stdout", "one ", True),
    ("stderr", "oops", False),
    ("stdout", "two ", True),
    ("stderr", "half an ", True),
]
BEHIND: list[Written] = [
    ("stdout", "three", False),
    ("stderr", "error", False),
    ("stdout", "last", False),
]
TRACES: list[Written] = [
    ("stderr", "ERROR order 17", False),
    ("stdout", "GET /1", False),
    ("stderr", "java.lang.Error: no stock", False),
    ("stdout", "GET /2", False),
    ("stderr", "\tat a.b(C.java:1)", False),
    ("stderr", "INFO done", False),
]
END: list[Written] = [("stderr", "INFO end", False), ("stdout", "GET /end", False)]


def _settings(folder: Path) -> str:
    logs = folder / "logs"
    rule = f'{{ rule = "java", flush_after_ms = {FLUSH_MS} }}'
    return (
        f"[agent]\nflush_after_ms = {FLUSH_MS}\n"
        f'[[agent.sources]]\nname = "docker"\npaths = ["{logs}/*.docker.log"]\n'
        f'[[agent.sources]]\nname = "pods"\npaths = ["{logs}/*.cri.log"]\n'
        f"multiline = {rule}\n"
    )


def _append(path: Path, lines: list[Written], *, container: str) -> None:
    with path.open("ab") as file:
        file.writelines(line_of(line, container=container) for line in lines)


def _messages(installation: Installation, path: Path) -> list[str]:
    """Return the message of each document of a file, in its order."""
    index = f"{installation.connections.namespace}-events*"
    body: dict[str, Any] = {
        "query": {"term": {"log.file.path": str(path)}},
        "sort": [{"event.sequence": "asc"}],
        "size": 100,
    }
    installation.elastic.refresh(index)
    hits = installation.elastic.search(index, body=body)["hits"]["hits"]
    return [hit["_source"]["message"] for hit in hits]


def test_f27_events_of_two_streams_survive_a_kill_and_add_up(
    stack: Endpoints, tmp_path: Path
) -> None:
    with installed(stack, tmp_path, settings=_settings(tmp_path)) as installation:
        pieces = tmp_path / "logs" / "a.docker.log"
        traces = tmp_path / "logs" / "b.cri.log"
        _append(pieces, BEFORE, container="docker")
        _append(traces, TRACES[:3], container="cri")
        eventually(lambda: _messages(installation, pieces) == ["first"], WAIT_S)
        agent = installation.roles["agent"]
        agent.kill()
        _append(pieces, BEHIND, container="docker")
        _append(traces, TRACES[3:] + END, container="cri")
        agent.start()

        expected = ["first", "one two three", "oops", "half an error", "last"]
        eventually(lambda: _messages(installation, pieces) == expected, WAIT_S)
        trace = "ERROR order 17\njava.lang.Error: no stock\n\tat a.b(C.java:1)"
        # Of each stream the last event waits for its next line.
        joined = [trace, "GET /1", "GET /2", "INFO done"]
        eventually(lambda: _messages(installation, traces) == joined, WAIT_S)
        for options in ((), ("--deep",)):
            code, report = installation.audit("--wait", str(WAIT_S), *options)
            assert code == 0, report
        assert _messages(installation, traces) == [*joined, "INFO end", "GET /end"]
        _assert_each_line_is_told(installation, pieces, traces)
        _assert_a_hole_is_filled(installation, pieces, expected)


def _assert_each_line_is_told(
    installation: Installation, pieces: Path, traces: Path
) -> None:
    for path, number, first in (
        (pieces, 2, 2),
        (pieces, 4, 2),
        (pieces, 6, 2),
        (pieces, 3, 3),
        (pieces, 7, 5),
        (traces, 5, 1),
        (traces, 4, 4),
    ):
        done = installation.run("why", f"{path}:{number}", "--json")
        assert done.returncode == 0, (path, number, done.stdout, done.stderr)
        told = json.loads(done.stdout)
        lines = path.read_bytes().splitlines(keepends=True)
        assert told["offset"] == sum(len(line) for line in lines[: first - 1])
        assert [d.rpartition("/")[2] for d in told["documents"]] == [
            told["expected_id"]
        ]


def _assert_a_hole_is_filled(
    installation: Installation, path: Path, expected: list[str]
) -> None:
    """Amid an event of the other stream, where reading cannot simply begin."""
    index = f"{installation.connections.namespace}-events*"
    body: dict[str, Any] = {
        "query": {
            "bool": {
                "filter": [
                    {"term": {"log.file.path": str(path)}},
                    {"term": {"event.sequence": 3}},
                ]
            }
        }
    }
    (hit,) = installation.elastic.search(index, body=body)["hits"]["hits"]
    installation.elastic.ask("DELETE", f"/{hit['_index']}/_doc/{hit['_id']}")
    code, report = installation.audit("--wait", "5")
    assert code == 1, report
    code, report = installation.audit("--repair", "--wait", "30")
    assert code == 0, report
    assert _messages(installation, path) == expected
    code, report = installation.audit("--deep", "--wait", "30")
    assert code == 0, report
