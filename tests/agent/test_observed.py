"""What the agent tells of itself: health in words, figures by file, ages that are true."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from tailrace_agent import status as status_file
from tailrace_agent.observed import STUCK_MS_MAX, Observed, figures_of, health_of
from tailrace_agent.status import AgentStatus, FileStatus, file_statuses, lag_bytes_of
from tailrace_agent.waiting import Wait, Waiting
from tests.agent.harness import AgentHarness, SteppedClock

FILE = FileStatus(
    path='/var/log/a "b".log',
    source="logs",
    generation="g1",
    dataset="generic",
    size_bytes=100,
    acknowledged_offset=40,
    lag_bytes=60,
    unsent_since_ms=7_000,
    events=4,
    lost_bytes={"truncated": 12},
    state="followed",
)
STATUS = AgentStatus(
    agent_id="a",
    host_id="h",
    pid=1,
    files_count=1,
    lag_bytes=60,
    in_flight_bytes=20,
    shipped_events=4,
    held_back_bytes={"logs": 50},
    dropped_events={"logs": {"overload": 7, "redirected": 8}},
    dropped_bytes={"logs": {"overload": 70, "redirected": 80}},
    split_events=3,
    cut_events=5,
    dead_events={"record_too_large": 6},
    kafka="connected",
    checkpoint="written",
    lost_bytes=12,
    gone_unread_count=2,
    gone_unread_bytes=90,
    unreadable_bytes=700,
    waiting_bytes=800,
    away_bytes=900,
    unreadable_count=0,
    unreadable={},
    unmatched_globs=(),
    hints="on",
    metrics_url="",
    files=(FILE,),
)


def values(status: AgentStatus) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("reason", "")): sample.value
        for metric in figures_of(status, now_ms=9_500)
        for sample in metric.samples
    }


def test_figures_say_lag_loss_age_and_what_hinders() -> None:
    found = values(replace(STATUS, kafka="no broker", unreadable_count=3))
    assert found["tailrace_agent_lag_bytes", ""] == 60
    assert found["tailrace_agent_unreadable_bytes", ""] == 700
    assert found["tailrace_agent_waiting_bytes", ""] == 800
    assert found["tailrace_agent_away_bytes", ""] == 900
    assert found["tailrace_agent_in_flight_bytes", ""] == 20
    assert found["tailrace_agent_shipped_events_total", ""] == 4
    assert found["tailrace_agent_held_back_bytes_total", ""] == 50
    assert found["tailrace_agent_dropped_events_total", "overload"] == 7
    assert found["tailrace_agent_dropped_events_total", "redirected"] == 8
    assert found["tailrace_agent_dropped_bytes_total", "redirected"] == 80
    assert found["tailrace_agent_split_events_total", ""] == 3
    assert found["tailrace_agent_cut_events_total", ""] == 5
    assert found["tailrace_agent_dead_events_total", "record_too_large"] == 6
    assert found["tailrace_agent_oldest_unsent_seconds", ""] == 2.5
    assert found["tailrace_agent_kafka_connected", ""] == 0
    assert found["tailrace_agent_checkpoint_writable", ""] == 1
    assert found["tailrace_agent_unreadable_files", ""] == 3
    assert found["tailrace_agent_gone_unread_files_total", ""] == 2
    assert found["tailrace_agent_gone_unread_bytes_total", ""] == 90
    assert found["tailrace_agent_file_lag_bytes", ""] == 60
    assert found["tailrace_agent_file_unsent_seconds", ""] == 2.5
    assert found["tailrace_agent_file_lost_bytes", "truncated"] == 12


def test_f22_a_kernel_that_tells_of_no_changes_is_a_figure() -> None:
    assert values(STATUS)["tailrace_agent_hints_on", ""] == 1
    refused = replace(STATUS, hints="off: inotify watch limit reached")
    assert values(refused)["tailrace_agent_hints_on", ""] == 0


def test_a_reason_for_which_nothing_died_yet_is_a_figure_of_none() -> None:
    found = values(replace(STATUS, dead_events={}))
    assert found["tailrace_agent_dead_events_total", "record_too_large"] == 0


def test_nothing_unsent_has_no_age() -> None:
    status = replace(STATUS, files=(replace(FILE, unsent_since_ms=None),))
    assert values(status)["tailrace_agent_oldest_unsent_seconds", ""] == 0


def test_what_hinders_the_agent_is_ill_health() -> None:
    assert health_of(STATUS, still_ms=0).is_well
    for status, word in (
        (replace(STATUS, kafka="nobody answers"), "nobody answers"),
        (replace(STATUS, checkpoint="the disk is full"), "the disk is full"),
    ):
        health = health_of(status, still_ms=0)
        assert not health.is_well
        assert word in health.problems[0]


def test_an_agent_that_hangs_or_has_not_begun_is_not_well() -> None:
    clock = SteppedClock()
    observed = Observed(clock)
    observed.hold_up("no ledger")
    assert observed.health().problems == ("the agent is starting: no ledger",)
    observed.turn()
    assert not observed.health().is_well
    observed.tell(STATUS)
    assert observed.health().is_well
    clock.sleep_ms(STUCK_MS_MAX + 1)
    assert "has not turned" in observed.health().problems[0]


def test_an_agent_that_waits_for_kafka_at_its_start_has_figures_that_say_so() -> None:
    """Else all of its figures are missing, and no alert of one of them ever goes off."""
    observed = Observed(SteppedClock())

    def told() -> dict[str, float]:
        names = ("tailrace_agent_starting", "tailrace_agent_kafka_connected")
        samples = [one for metric in observed.figures() for one in metric.samples]
        return {one.name: one.value for one in samples if one.name in names}

    assert told() == {"tailrace_agent_starting": 1}
    observed.hold_up("Kafka at 127.0.0.1:1: nothing listens there")
    assert told() == {"tailrace_agent_starting": 1, "tailrace_agent_kafka_connected": 0}
    observed.hold_up("")
    observed.turn()
    observed.tell(STATUS)
    assert told() == {"tailrace_agent_starting": 0, "tailrace_agent_kafka_connected": 1}


def test_age_is_that_of_the_oldest_byte_and_never_more() -> None:
    waiting = Waiting()

    def since(size_bytes: int, acknowledged_offset: int, *, now_ms: int) -> int | None:
        wait = wait_of(waiting, size_bytes, acknowledged_offset, now_ms=now_ms)
        return None if wait is None else wait.since_ms

    assert since(10, 10, now_ms=0) is None
    assert since(20, 10, now_ms=1) == 1
    assert since(30, 10, now_ms=2) == 1, "the oldest byte waits since then"
    assert since(40, 20, now_ms=3) == 3, "all that waited at 1 is acknowledged"
    assert since(40, 40, now_ms=4) is None
    assert since(50, 40, now_ms=5) == 5
    assert since(30, 5, now_ms=6) == 6, "a truncation ended the life of the mark"
    waiting.keep_only(())
    assert since(60, 5, now_ms=7) == 7


def wait_of(
    waiting: Waiting, size_bytes: int, acknowledged_offset: int, *, now_ms: int
) -> Wait | None:
    return waiting.of(
        "g",
        size_bytes=size_bytes,
        acknowledged_offset=acknowledged_offset,
        now_ms=now_ms,
    )


def test_what_is_acknowledged_little_by_little_is_old_and_does_not_stand_still() -> (
    None
):
    waiting = Waiting()

    def still_ms(size_bytes: int, offset: int, *, now_ms: int) -> int:
        wait = wait_of(waiting, size_bytes, offset, now_ms=now_ms)
        assert wait is not None
        return wait.still_since_ms

    assert still_ms(100, 10, now_ms=1) == 1
    assert still_ms(150, 10, now_ms=2) == 1
    assert still_ms(150, 20, now_ms=3) == 3
    assert wait_of(waiting, 150, 20, now_ms=4) == Wait(1, 3)
    assert still_ms(150, 100, now_ms=5) == 5
    assert still_ms(300, 100, now_ms=6) == 5
    assert wait_of(waiting, 300, 300, now_ms=7) is None
    assert still_ms(301, 300, now_ms=8) == 8


def test_f18_nuls_at_an_end_wait_for_nobody(tmp_path: Path) -> None:
    agent = AgentHarness(tmp_path)
    agent.write("a.log", b"whole\n" + b"\0" * 5_000)
    agent.pass_ms(20_000)
    (listed,) = file_statuses(
        agent.table, delivery=agent.delivery, waiting=Waiting(), now_ms=0
    )
    assert (listed.lag_bytes, listed.unsent_since_ms) == (5_000, None)
    agent.sink.is_holding = True
    agent.write("a.log", b"more\n")
    agent.pass_ms()
    (listed,) = file_statuses(
        agent.table, delivery=agent.delivery, waiting=Waiting(), now_ms=7
    )
    assert (listed.unsent_since_ms, listed.still_since_ms) == (7, 7)


def test_x5_names_of_files_are_figures_and_notes_that_steer_no_terminal() -> None:
    hostile = "/var/log/\x1b]0;owned\x07\u202e\nfigure 1.log"
    shown = r"/var/log/\x1b]0;owned\x07\u202e\x0afigure 1.log"
    status = replace(
        STATUS,
        files=(replace(FILE, path=hostile),),
        unreadable={hostile: "denied"},
        unreadable_count=1,
        waiting={hostile: 1},
        waiting_count=1,
    )
    paths = {
        sample.labels["path"]
        for metric in figures_of(status, now_ms=9_500)
        for sample in metric.samples
        if "path" in sample.labels
    }
    assert paths == {shown}
    notes = "".join(health_of(status, still_ms=0).notes)
    assert notes.count(shown) == 2
    assert notes.isprintable()


def test_f23_how_often_the_queue_of_hints_overflowed_is_a_figure() -> None:
    assert values(STATUS)["tailrace_agent_hints_overflows_total", ""] == 0
    status = replace(STATUS, hints_overflows_count=2)
    assert values(status)["tailrace_agent_hints_overflows_total", ""] == 2


def test_x4_bytes_of_files_that_are_not_read_are_told_beside_health() -> None:
    status = replace(
        STATUS,
        unreadable_count=2,
        unreadable={"/a.log": "denied"},
        waiting_count=3,
        waiting={"/flood": 2, "/more": 1},
    )
    health = health_of(status, still_ms=0)
    assert health.is_well
    assert health.notes == (
        "2 files with 700 bytes cannot be read; /a.log: denied",
        (
            "3 files with 800 bytes are not read: 2 files in /flood wait for room, and more"
            " in 1 other folders; raise `folder_files_max` or `files_max` of their source,"
            " or remove what is old"
        ),
        "900 bytes are in files that nobody can reach now",
        "90 bytes in 2 files were gone before they could be opened",
    )
    assert health.status == 200, "to start it anew would cure nothing"
    assert b'"status":"degraded"' in health.to_json()
    assert b'"notes":["2 files with 700 bytes' in health.to_json()


def test_lag_is_that_of_all_files_and_not_of_those_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_file, "FILES_MAX", 1)
    agent = AgentHarness(tmp_path)
    agent.sink.is_holding = True
    for name in ("a.log", "b.log", "c.log"):
        agent.write(name, b"never acknowledged\n")
    agent.pass_ms()
    listed = file_statuses(
        agent.table, delivery=agent.delivery, waiting=Waiting(), now_ms=0
    )
    assert len(listed) == 1
    lag_bytes = lag_bytes_of(agent.table, listed, delivery=agent.delivery)
    assert lag_bytes == 3 * len(b"never acknowledged\n")
