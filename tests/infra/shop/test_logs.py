"""The shop's logs are what they claim to be: each is told and read by its own parser."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tailrace.detect import detect
from tailrace.multiline.auto import rule_for
from tailrace_shop import logs
from tailrace_shop.gateways import Gateway, GatewayTimeout
from tailrace_shop.http import Request, Response
from tailrace_shop.logs import AccessLog, JavaLog, JsonLog, LogFile, PythonLog
from tests.support.standing_clock import StandingClock

NOW_MS = 1_795_738_918_879


def asked(
    target: str, *, agent: str, referrer: str = "-", address: str = "192.0.2.7"
) -> Request:
    headers = {"user-agent": agent, "referer": referrer, "x-forwarded-for": address}
    return Request(method="GET", target=target, headers=headers, body=b"")


def write_all(folder: Path) -> None:
    clock = StandingClock(NOW_MS)
    access = AccessLog(folder / "access.log", clock=clock)
    service = JsonLog(folder / "inventory.log", service="inventory", clock=clock)
    java = JavaLog(folder / "orders.log", logger="orders.OrderService", clock=clock)
    python = PythonLog(folder / "notifier.log", logger="shop.notifier", clock=clock)
    for number in range(5):
        access.answered(
            asked(f"/items/{number}", agent="curl/8"),
            Response(body=b"twelve bytes"),
            took_ms=1.5,
            trace_id="ab" * 16,
        )
        service.write(f"order {number} taken", action="taken", trace_id="ab" * 16)
        java.write(f"order {number} accepted")
        python.write(f"welcome by e-mail to mia{number} sent")
    java.error("order 6 failed", fault="java.lang.Error: x", frames=("A.b(A.java:1)",))
    sms = Gateway("SMS", latency_ms=0, timeout_ms=1, clock=clock, hangs=lambda: True)
    with pytest.raises(GatewayTimeout) as caught:
        sms("mia")
    python.error("welcome failed", error=caught.value)
    for log in (access, service, java, python):
        log.close()


@pytest.mark.parametrize(
    ("name", "dataset", "rule"),
    [
        ("access.log", "nginx.access", None),
        ("inventory.log", "json", None),
        ("orders.log", "java.log", "time"),
        ("notifier.log", "python", "time"),
    ],
)
def test_what_each_file_holds_is_told_by_itself(
    name: str, dataset: str, rule: str | None, tmp_path: Path
) -> None:
    write_all(tmp_path)
    sample = (tmp_path / name).read_bytes()
    found = detect(sample, path=f"/data/shop/logs/{name}")
    assert found.dataset == dataset
    assert rule_for(sample, parser=found.parser) == rule


def test_a_json_line_has_no_empty_field(tmp_path: Path) -> None:
    log = JsonLog(tmp_path / "a.log", service="a", clock=StandingClock(NOW_MS))
    log.write("done", item="lamp", sold={"lamp": 2})
    log.close()
    assert json.loads((tmp_path / "a.log").read_text()) == {
        "@timestamp": "2026-11-27T00:21:58.879Z",
        "log.level": "info",
        "message": "done",
        "service.name": "a",
        "item": "lamp",
        "sold": {"lamp": 2},
    }


def test_what_a_client_says_of_itself_stays_within_its_quotes(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "a.log", clock=StandingClock(NOW_MS))
    hostile = asked(
        '/"x" 500', agent='x" 500 "', referrer='"', address="192.0.2.7 - forged"
    )
    log.answered(hostile, Response(), took_ms=1, trace_id="t")
    log.close()
    line = (tmp_path / "a.log").read_text()
    assert line.count('"') == 6
    assert r'"GET /\x22x\x22 500 HTTP/1.1" 200 0 "\x22" "x\x22 500 \x22"' in line
    assert line.startswith("127.0.0.1 - - [")


def test_a_full_file_is_renamed_and_no_line_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES_MAX", 100)
    log = LogFile(tmp_path / "a.log", clock=StandingClock(NOW_MS))
    for number in range(12):
        log.append(f"line {number:04}")
    log.close()
    old, new = ((tmp_path / name).read_text() for name in ("a.log.1", "a.log"))
    assert (old + new).splitlines() == [f"line {number:04}" for number in range(12)]
    assert len(old) <= 100


def test_a_file_that_cannot_be_opened_anew_stops_no_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "FILE_BYTES_MAX", 95)
    folder = tmp_path / "logs"
    log = LogFile(folder / "a.log", clock=StandingClock(NOW_MS))
    shutil.rmtree(folder)
    for number in range(12):
        log.append(f"line {number:04}")
    log.append("one")  # For which there was room.
    folder.mkdir()
    log.append("there again")
    log.close()
    assert (folder / "a.log").read_text() == "there again\n"
