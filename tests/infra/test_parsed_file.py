"""`tailrace parse`: the documents of a file, with no server."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tailrace.clock import Clock
from tailrace.commands.parsed_file import (
    parsed_documents,
    source_of_config,
    source_of_options,
)
from tailrace.errors import CommandFailed, ConfigError
from tailrace.topics import EVENT_BYTES_MAX
from tests.infra.multiline import traces
from tests.infra.multiline.journals import SHIPPED, entry, with_message
from tests.stream.builders import ACCESS_LINE


def parsed(
    path: Path,
    *,
    dataset: str = "auto",
    zone: str = "UTC",
    file_format: str = "auto",
    multiline: str | None = None,
    clock: Clock | None = None,
) -> list[Any]:
    source = source_of_options(
        dataset=dataset, time_zone=zone, file_format=file_format, multiline=multiline
    )
    return [
        json.loads(one)
        for one in parsed_documents(str(path), source=source, clock=clock)
    ]


def written(folder: Path, content: bytes) -> Path:
    path = folder / "x.log"
    path.write_bytes(content)
    return path


def test_f33_offsets_are_bytes_for_every_kind_of_line_end(tmp_path: Path) -> None:
    path = written(tmp_path, "ä\r\n\nb\nlast".encode())
    found = parsed(path)
    assert [(d["log.offset"], d["message"]) for d in found] == [
        (0, "ä"),
        (4, ""),
        (5, "b"),
        (7, "last"),
    ]


def test_a_dataset_is_told_or_detected(tmp_path: Path) -> None:
    path = written(tmp_path, ACCESS_LINE + b"\n")
    (detected,) = parsed(path)
    (told,) = parsed(path, dataset="apache.access")
    (own,) = parsed(path, dataset="shop.api")
    assert detected["event.dataset"] == "nginx.access"
    assert told["event.dataset"] == "apache.access"
    assert own["event.dataset"] == "shop.api"
    assert own["http.response.status_code"] == 200
    assert not {"tailrace.generation", "agent.id", "tailrace.digest"} & set(own)


class StoppedClock:
    """Says one time, whatever happens."""

    def __init__(self, now: str) -> None:
        moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
        self._now_ms = int(moment.timestamp() * 1_000)

    def now_ms(self) -> int:
        return self._now_ms

    def monotonic_ms(self) -> int:
        return self._now_ms

    def sleep_ms(self, wait_ms: int) -> None:
        self._now_ms += wait_ms


@pytest.mark.parametrize(
    ("line_time", "now", "zone", "expected"),
    [
        ("Jan  5 01:02:03", "2026-11-24T06:00", "UTC", "2026-01-05T01:02:03"),
        ("Nov 24 05:59:59", "2026-11-24T06:00", "UTC", "2026-11-24T05:59:59"),
        ("Nov 25 05:59:59", "2026-11-24T06:00", "UTC", "2026-11-25T05:59:59"),
        ("Nov 25 06:00:01", "2026-11-24T06:00", "UTC", "2025-11-25T06:00:01"),
        ("Dec 31 01:02:03", "2027-01-01T06:00", "UTC", "2026-12-31T01:02:03"),
        ("Jan  1 01:02:03", "2026-12-31T06:00", "UTC", "2027-01-01T01:02:03"),
        ("Feb 29 01:02:03", "2029-02-27T06:00", "UTC", "2028-02-29T01:02:03"),
        ("Feb 29 01:02:03", "2028-02-28T06:00", "UTC", "2028-02-29T01:02:03"),
        ("Mar  1 01:02:03", "2028-02-28T06:00", "UTC", "2027-03-01T01:02:03"),
        (
            *("Jan  2 08:00:00", "2026-12-31T20:00", "Pacific/Auckland"),
            "2027-01-01T19:00:00",
        ),
    ],
)
def test_a_time_without_a_year_is_the_last_there_was(
    tmp_path: Path, line_time: str, now: str, zone: str, expected: str
) -> None:
    """All lines are there already, and a clock elsewhere may be a day ahead."""
    path = written(tmp_path, f"{line_time} web1 cron[1]: tick\n".encode())
    (document,) = parsed(
        path, dataset="system.syslog", zone=zone, clock=StoppedClock(now)
    )
    assert document["@timestamp"] == f"{expected}.000Z"


def test_a_line_that_is_too_long_is_cut_and_the_next_is_whole(tmp_path: Path) -> None:
    size = 3 * EVENT_BYTES_MAX
    path = written(tmp_path, b"a\n" + b"x" * size + b"\nb\n")
    first, cut, last = parsed(path)
    assert first["message"] == "a"
    assert len(cut["message"]) == EVENT_BYTES_MAX
    assert cut["tailrace.original_size_bytes"] == size
    assert cut["tags"] == ["cut"]
    assert (last["log.offset"], last["message"]) == (size + 3, "b")


def test_f32_a_byte_order_mark_is_no_part_of_the_first_line(tmp_path: Path) -> None:
    path = written(tmp_path, BOM_UTF8 + ACCESS_LINE + b"\n" + ACCESS_LINE + b"\n")
    marked, plain = parsed(path)
    assert marked["event.dataset"] == "nginx.access"
    assert marked["source.ip"] == "203.0.113.7"
    assert marked["message"] == plain["message"]
    # The agent passes over the mark, so that the line begins behind it.
    assert (marked["log.offset"], plain["log.offset"]) == (3, len(ACCESS_LINE) + 4)


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    assert parsed(written(tmp_path, b"")) == []


def test_all_that_is_wrong_with_the_arguments_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(
            written(tmp_path, b""),
            dataset="No Name",
            zone="Mars/North",
            file_format="docker-compose",
            multiline="cobol",
        )
    assert len(raised.value.problems) == 4


def test_events_of_several_lines_are_shown_as_the_agent_makes_them(
    tmp_path: Path,
) -> None:
    content = "\n".join(traces.JAVA) + "\n"
    path = written(tmp_path, content.encode())
    joined = [
        d.get("event.original", d["message"]) for d in parsed(path, multiline="java")
    ]
    assert joined == traces.JAVA
    assert len(parsed(path)) == content.count("\n"), "each line, unless one is told"


def test_f27_pieces_of_a_containers_line_are_shown_as_one(tmp_path: Path) -> None:
    at = "2026-11-24T01:02:03.123456789Z"
    path = written(tmp_path, f"{at} stdout P one \n{at} stdout F two\n".encode())
    (document,) = parsed(path)
    assert (document["message"], document["stream"]) == ("one two", "stdout")
    assert document["event.dataset"] == "kubernetes.container_logs"


def test_entries_of_a_journal_are_shown_and_half_of_one_at_the_end(
    tmp_path: Path,
) -> None:
    one = with_message(b"two\n\nlines")
    path = written(tmp_path, one + b"\n" + entry(SHIPPED) + b"\n" + one[:300])
    first, second, half = parsed(path)
    assert first["message"] == "two\n\nlines"
    assert (second["log.offset"], second["systemd.unit"]) == (
        len(one) + 1,
        "ssh.service",
    )
    assert second["event.dataset"] == half["event.dataset"] == "journald.log"
    assert half["process.name"] == "sshd"


def test_a_file_is_read_as_its_source_in_a_configuration_says(tmp_path: Path) -> None:
    path = written(tmp_path, b"a\n  b\nc\n")
    config = tmp_path / "tailrace.toml"
    config.write_text(
        f"""
        [[agent.sources]]
        name = "other"
        paths = ["{tmp_path}/*.log"]
        exclude = ["x*"]
        [[agent.sources]]
        name = "shop"
        paths = ["{tmp_path}/*.log"]
        dataset = "shop.api"
        multiline = {{ continuation = '^\\s' }}
        """
    )
    source = source_of_config(path, config=config)
    found = [json.loads(one) for one in parsed_documents(str(path), source=source)]
    assert [d["message"] for d in found] == ["a\n  b", "c"]
    assert {d["event.dataset"] for d in found} == {"shop.api"}
    with pytest.raises(CommandFailed, match="No source"):
        source_of_config(tmp_path / "x.txt", config=config)
