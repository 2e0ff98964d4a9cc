"""`tailrace parse`: the documents of a file, with no server."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tailrace.errors import ConfigError
from tailrace.topics import EVENT_BYTES_MAX
from tailrace_stream import parse_file
from tailrace_stream.parse_file import parse_lines
from tests.stream.builders import ACCESS_LINE


def parsed(path: Path, *, dataset: str = "auto", zone: str = "UTC") -> list[Any]:
    return [json.loads(d) for d in parse_lines(path, dataset=dataset, time_zone=zone)]


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
    (document,) = (
        json.loads(body)
        for body in parse_lines(
            path, dataset="system.syslog", time_zone=zone, clock=StoppedClock(now)
        )
    )
    assert document["@timestamp"] == f"{expected}.000Z"


def test_blocks_that_end_anywhere_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [ACCESS_LINE[: 20 + n % 90] for n in range(300)]
    path = written(tmp_path, b"\n".join(lines))
    keys = ("log.offset", "event.sequence", "message")
    whole = [tuple(d[key] for key in keys) for d in parsed(path, dataset="x")]
    monkeypatch.setattr(parse_file, "READ_BYTES", 37)
    pieces = [tuple(d[key] for key in keys) for d in parsed(path, dataset="x")]
    assert pieces == whole
    assert [message.encode() for _, _, message in whole] == lines
    assert [number for _, number, _ in whole] == list(range(300))


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
    assert marked["event.original"] == "\ufeff" + ACCESS_LINE.decode()
    assert (marked["log.offset"], plain["log.offset"]) == (0, len(ACCESS_LINE) + 4)


def test_an_empty_file_has_no_documents(tmp_path: Path) -> None:
    assert parsed(written(tmp_path, b"")) == []


def test_all_that_is_wrong_with_the_arguments_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        parsed(written(tmp_path, b""), dataset="No Name", zone="Mars/North")
    assert len(raised.value.problems) == 2
