"""A file of one dataset in which other programs write: each line is read by what it is."""

from __future__ import annotations

from typing import Any

import pytest

from tailrace.detect import detect
from tests.stream.builders import ACCESS_LINE
from tests.stream.golden import documents_of, placement_of

JSON = b'{"@timestamp":"2026-11-24T10:00:00Z","level":"warn","msg":"slow","took":3}'
SYSLOG = b"2026-11-24T10:00:00.5+01:00 web1 app[3]: told"
LEVELS = (
    b"2026-11-24T10:00:00.5Z INFO com.acme.Shop: told",
    b"2026-11-24T10:00:00.5Z ERROR shop::cart: told",
    b"2026-11-24T10:00:00.5Z [WARN] shop.cart: told",
)


def read(*lines: bytes, dataset: str) -> list[dict[str, Any]]:
    return documents_of(b"\n".join(lines) + b"\n", placed=placement_of(dataset))


def test_lines_of_another_program_are_read_in_a_file_that_has_a_dataset() -> None:
    assert detect(
        b"\n".join((*[ACCESS_LINE] * 7, *[JSON] * 3, b"")), path="x"
    ).dataset == ("nginx.access")

    own, other, text, empty = read(
        ACCESS_LINE, JSON, b"some words", b"", dataset="nginx.access"
    )

    assert own["event.category"] == ["web"]
    assert own["http.response.status_code"] == 200
    assert other["@timestamp"] == "2026-11-24T10:00:00.000Z"
    assert (other["log.level"], other["message"]) == ("warn", "slow")
    assert other["event.original"].encode() == JSON
    assert other["event.dataset"] == "nginx.access"
    assert not {"event.category", "event.kind", "error.message"} & other.keys()
    assert text["event.kind"] == "pipeline_error"
    assert text["error.message"] == "not a line of nginx.access"
    assert "event.kind" not in empty


def test_what_a_runtime_did_not_write_stays_text_in_its_file() -> None:
    (made,) = read(JSON, dataset="kubernetes.container_logs")

    assert made["event.kind"] == "pipeline_error"
    assert "log.level" not in made


@pytest.mark.parametrize("line", LEVELS)
@pytest.mark.parametrize("dataset", ["system.syslog", "system.auth", "some.own"])
def test_a_level_is_no_host_of_syslog(line: bytes, dataset: str) -> None:
    first, made = read(SYSLOG, line, dataset=dataset)

    assert (first["host.hostname"], first["process.name"]) == ("web1", "app")
    assert made["log.level"] in {"info", "error", "warn"}
    assert "host.hostname" not in made
    assert made["message"].endswith("told")
    assert "event.kind" not in made


def test_lines_that_begin_with_time_and_level_are_no_file_of_syslog() -> None:
    assert detect(b"\n".join((*LEVELS, b"")), path="x.log").dataset == "java.log"
    assert detect(SYSLOG + b"\n", path="x.log").dataset == "system.syslog"
    assert detect(
        SYSLOG.replace(b"web1", b"info.example") + b"\n", path="x"
    ).parser == ("syslog")


def test_the_logger_before_a_message_is_a_field() -> None:
    java, rust, _ = read(*LEVELS, dataset="java.log")

    assert (java["log.logger"], java["message"]) == ("com.acme.Shop", "told")
    assert (rust["log.logger"], rust["message"]) == ("shop::cart", "told")
