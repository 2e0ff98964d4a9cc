"""All is well only when everything runs, is reached, and holds nothing back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tailrace import role_status, status_facts
from tailrace.errors import ServiceUnavailable
from tailrace.misfits import Misfits
from tailrace.role_status import AGE_MS_MAX, WRITERS
from tailrace.settings import Connections
from tailrace.status import RoleFacts, Status, StatusFacts, judge
from tailrace.status_facts import LAST_LINES, last_lines, role_facts
from tailrace.supervise import MemberRecord, MemberState
from tailrace.unsent_files import UNSENT_MS_MAX
from tailrace.up_record import Phase, UpRecord, created_at_s, write_record
from tailrace.watched import MACHINE_LOGS
from tests.support.waiting import eventually

AGENT = MemberRecord(
    name="agent",
    kind="role",
    state=MemberState.RUNNING,
    pid=7,
    restarts=0,
    last_exit=None,
    last_error="",
    since_ms=1_000,
    log_path="/d/logs/agent.log",
)
UP = UpRecord(
    pid=1,
    created_at_s=1.0,
    started_at_ms=1_000,
    phase=Phase.RUNNING,
    namespace="tailrace",
    has_roles=True,
    dashboard_url="http://127.0.0.1:8501",
    dashboard_port=8501,
    searchable_after_ms=20_000,
    watched=[],
    members=[AGENT],
)
WELL = StatusFacts(data_dir="/d", now_ms=61_000, up=UP, documents=5)
change = msgspec.structs.replace
NOW_MS = 61_000
INDEXER = change(AGENT, name="indexer", pid=8)
DEAD = change(AGENT, state=MemberState.BACKING_OFF, pid=None, last_exit=-9, restarts=2)


def with_up(**changes: object) -> StatusFacts:
    return change(WELL, up=change(UP, **changes))


def test_all_is_well() -> None:
    judged = judge(WELL)

    assert judged.ok
    assert judged.reasons == judged.warnings == []
    assert judged.uptime_s == 60


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (change(WELL, up=None), "nothing runs on the data folder /d"),
        (with_up(phase=Phase.STARTING), "still starting"),
        (with_up(members=[DEAD]), "agent is backing off, ended by signal 9"),
        (with_up(searchable_after_ms=None), "no line has become searchable"),
        (with_up(dashboard_url=""), "the dashboard has not said where it answers"),
        (change(WELL, unreachable=["Kafka is away"]), "Kafka is away"),
        (
            change(WELL, roles=RoleFacts(held_indices={"i": "read-only"})),
            "documents for i are held back: read-only",
        ),
        (change(WELL, roles=RoleFacts(problems=["no disk"])), "no disk"),
        (
            change(WELL, lag_records={"stream": 7}, standing_ms={"stream": 10_000}),
            "the stream has 7 records to read, and committed none in the 10 s",
        ),
    ],
)
def test_what_is_wrong_is_said(facts: StatusFacts, reason: str) -> None:
    judged = judge(facts)

    assert not judged.ok
    assert len(judged.reasons) == 1
    assert reason in judged.reasons[0]


def test_a_backlog_that_moves_is_told_and_is_well() -> None:
    facts = change(
        WELL,
        lag_records={"stream": 7},
        waiting_lines=1_240,
        roles=RoleFacts(unread_bytes=33),
    )

    judged = judge(facts)

    assert judged.ok
    assert (judged.waiting_lines, judged.unread_bytes) == (1_240, 33)


def test_a_restart_that_helped_is_told_and_is_well() -> None:
    again = change(AGENT, restarts=1, last_exit=-9)

    judged = judge(with_up(members=[again]))

    assert judged.ok
    assert judged.warnings == ["agent was started again once, ended by signal 9"]


def test_loss_and_dead_letters_are_told() -> None:
    judged = judge(change(WELL, roles=RoleFacts(lost_bytes=5, dead_letters=2)))

    assert judged.ok
    assert len(judged.warnings) == 2


def test_e5_values_that_did_not_fit_are_told_with_the_search_for_them() -> None:
    found = Misfits(moved={"source.ip": 3, "user.id": 1}, moved_events=4)
    judged = judge(change(WELL, roles=RoleFacts(misfits=found)))

    assert judged.ok
    (told,) = judged.warnings
    assert "4 events of the last day" in told
    assert "source.ip (3), user.id (1)" in told
    assert "`tailrace search '_exists_:tailrace.conflicts'`" in told
    ignored = judge(change(WELL, roles=RoleFacts(misfits=Misfits(ignored_events=1))))
    (told,) = ignored.warnings
    assert "one event" in told
    assert "'_exists_:_ignored'" in told


def test_servers_alone_need_no_searchable_line() -> None:
    assert judge(with_up(has_roles=False, searchable_after_ms=None)).ok


def write_status(data_dir: Path, role: str, text: str) -> None:
    (data_dir / role).mkdir()
    (data_dir / role / "status.json").write_text(text)


def test_roles_speak_for_themselves(tmp_path: Path) -> None:
    write_status(
        tmp_path,
        "agent",
        '{"pid":7,"kafka":"refused","checkpoint":"disk full","lost_bytes":7,'
        '"gone_unread_bytes":20}',
    )
    write_status(
        tmp_path,
        "indexer",
        '{"pid":8,"held_indices":{"i":"read-only"},"problems":["index i: read-only"]}',
    )

    found = role_facts(tmp_path, [AGENT, INDEXER], now_ms=NOW_MS)

    assert found.lost_bytes == 27
    assert found.held_indices == {"i": "read-only"}
    for said in ("refused", "disk full", "index i: read-only"):
        assert any(said in problem for problem in found.problems)
    judged = judge(change(WELL, roles=found))
    assert sum("read-only" in reason for reason in judged.reasons) == 1


def test_what_no_file_is_read_for_is_a_note_and_no_trouble(tmp_path: Path) -> None:
    write_status(
        tmp_path,
        "agent",
        '{"pid":7,"unreadable_count":3,"unreadable_bytes":9,"unreadable":{"/a.log":"Permission denied"},'
        '"waiting":{"/flood":7,"/b":1},'
        f'"unmatched_globs":["/srv/*.log","{MACHINE_LOGS[-1]}"]}}',
    )

    found = role_facts(tmp_path, [AGENT, INDEXER], now_ms=NOW_MS)
    judged = judge(change(WELL, roles=found))

    assert judged.ok
    unreadable, waiting, unmatched = judged.warnings
    assert "7 files in /flood wait for room, and more in 1 other" in waiting
    assert "/a.log cannot be read: Permission denied, and 2 more" in unreadable
    assert "9 bytes in all" in unreadable
    assert "no file matches /srv/*.log" in unmatched


def file_of(path: str, **changes: object) -> dict[str, object]:
    return {"path": path, "source": "logs", "state": "followed", "lag_bytes": 1_500} | (
        changes
    )


def told_of(folder: Path, *files: dict[str, object], **changes: object) -> Status:
    agent = {"pid": 7, "files": list(files)} | changes
    write_status(folder, "agent", msgspec.json.encode(agent).decode())
    found = role_facts(folder, [AGENT], now_ms=NOW_MS)
    return judge(change(WELL, roles=found))


LONG_AGO_MS = NOW_MS - UNSENT_MS_MAX - 15_000
OF_LATE_MS = NOW_MS - UNSENT_MS_MAX


def test_bytes_of_which_none_goes_are_told_with_their_file_and_age(
    tmp_path: Path,
) -> None:
    stuck = {"unsent_since_ms": LONG_AGO_MS, "still_since_ms": LONG_AGO_MS}
    judged = told_of(
        tmp_path,
        file_of("/young.log", unsent_since_ms=OF_LATE_MS, still_since_ms=OF_LATE_MS),
        file_of("/a.log", **stuck),
        file_of("/b.log", **stuck),
    )
    (reason,) = judged.reasons
    assert reason == (
        "the agent has sent nothing of /a.log for 75 s, and 1,500 bytes of it wait, and"
        " more of 1 other file, 3,000 bytes in all; see the agent's log"
    )
    assert not judged.warnings


@pytest.mark.parametrize(
    ("of_file", "of_agent"),
    [
        ({"still_since_ms": OF_LATE_MS}, {}),
        ({}, {"held_back_bytes": {"logs": 9}}),
        ({}, {"line_wait_ms": 15_000}),
        ({"state": "Input/output error"}, {}),
    ],
)
def test_old_bytes_that_move_or_wait_for_a_reason_are_told_and_all_is_well(
    tmp_path: Path, of_file: dict[str, object], of_agent: dict[str, object]
) -> None:
    waits = {"unsent_since_ms": LONG_AGO_MS, "still_since_ms": LONG_AGO_MS} | of_file
    judged = told_of(tmp_path, file_of("/a.log", **waits), **of_agent)
    assert judged.ok
    assert judged.warnings == [
        "1,500 bytes of /a.log wait to be sent, the oldest for 75 s"
    ]


def test_that_nothing_goes_without_kafka_is_said_once(tmp_path: Path) -> None:
    stuck = {"unsent_since_ms": LONG_AGO_MS, "still_since_ms": LONG_AGO_MS}
    judged = told_of(tmp_path, file_of("/a.log", **stuck), kafka="refused")
    assert len(judged.reasons) == 1
    assert "no connection to Kafka" in judged.reasons[0]
    assert len(judged.warnings) == 1


def test_what_an_earlier_process_wrote_says_nothing_of_now(tmp_path: Path) -> None:
    write_status(tmp_path, "indexer", '{"pid":8,"problems":["index i: read-only"]}')

    another = change(INDEXER, pid=9)
    assert role_facts(tmp_path, [another], now_ms=NOW_MS) == RoleFacts()


def test_roles_that_have_not_spoken_yet_have_no_problem(tmp_path: Path) -> None:
    assert role_facts(tmp_path, [AGENT], now_ms=NOW_MS) == RoleFacts()


def test_a_role_that_was_stopped_is_not_well(tmp_path: Path) -> None:
    """At once, and not only when its word is old."""
    with subprocess.Popen(
        [sys.executable, "-c", "input()"], stdin=subprocess.PIPE
    ) as process:
        role = change(AGENT, name="dashboard", pid=process.pid)
        try:
            assert role_facts(tmp_path, [role], now_ms=NOW_MS).problems == []
            process.send_signal(signal.SIGSTOP)
            eventually(lambda: role_facts(tmp_path, [role], now_ms=NOW_MS).problems, 10)
            (problem,) = role_facts(tmp_path, [role], now_ms=NOW_MS).problems
            assert problem.startswith("the dashboard stands still")
            assert f"kill -CONT {process.pid}" in problem
        finally:
            process.kill()


@pytest.mark.parametrize("name", WRITERS)
def test_a_role_that_runs_and_says_nothing_more_is_not_well(
    tmp_path: Path, name: str
) -> None:
    """Its disk may be full: then its last word is a good one, and stands."""
    role = change(AGENT, name=name, log_path=f"/d/logs/{name}.log")
    write_status(tmp_path, name, '{"pid":7,"checkpoint":"written"}')
    at_s = 1_000_000
    os.utime(tmp_path / name / "status.json", (at_s, at_s))
    at_ms = at_s * 1_000 + AGE_MS_MAX

    assert role_facts(tmp_path, [role], now_ms=at_ms).problems == []
    (problem,) = role_facts(tmp_path, [role], now_ms=at_ms + 1).problems
    for said in (f"the {name} runs", "for 90 s", "disk is full", role.log_path):
        assert said in problem
    asleep = change(role, state=MemberState.BACKING_OFF, pid=None)
    assert role_facts(tmp_path, [asleep], now_ms=at_ms + 1).problems == []
    fresh = change(role, since_ms=at_ms)
    assert role_facts(tmp_path, [fresh], now_ms=at_ms + 1).problems == []


def test_where_kafka_is_away_no_one_is_sent_to_look_for_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stream has its first word only once Kafka answers it."""
    stream = change(AGENT, name="stream", since_ms=1, log_path="/d/logs/stream.log")
    pid = os.getpid()
    up = change(UP, pid=pid, created_at_s=created_at_s(pid), members=[stream])
    write_record(tmp_path, up)

    def no_kafka(connections: Connections) -> dict[str, int]:
        del connections
        raise ServiceUnavailable("Kafka", address="a:1", reason="nothing listens there")

    def no_lags(connections: Connections) -> dict[str, int]:
        del connections
        return {}

    def all_well(connections: Connections) -> tuple[int, int]:
        del connections
        return 0, 0

    def none_moved(connections: Connections) -> Misfits:
        del connections
        return Misfits()

    monkeypatch.setattr(status_facts, "_documents", all_well)
    monkeypatch.setattr(status_facts, "_misfits", none_moved)
    connections = Connections().model_copy(
        update={"data_dir": tmp_path, "zookeeper_hosts": "127.0.0.1:1"}
    )

    monkeypatch.setattr(status_facts, "_lags", no_kafka)
    (away,) = status_facts.gather(connections).roles.problems
    monkeypatch.setattr(status_facts, "_lags", no_lags)
    # It is back, and the stream has not yet noticed.
    (there,) = status_facts.gather(connections).roles.problems

    def no_room(folder: Path) -> int:
        del folder
        return 0

    monkeypatch.setattr(role_status, "free_bytes", no_room)
    (full,) = status_facts.gather(connections).roles.problems

    assert "it may be waiting for Kafka, which does not answer" in away
    assert stream.log_path in away
    assert "it is still starting, as after a server was away" in there
    assert "disk" not in away + there
    assert "look whether its disk is full" in full


def test_a_role_that_never_said_a_word_is_not_well_after_a_while(
    tmp_path: Path,
) -> None:
    late_ms = AGENT.since_ms + AGE_MS_MAX + 1

    assert len(role_facts(tmp_path, [AGENT], now_ms=late_ms).problems) == 1


def test_the_end_of_a_log_is_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"x" * 20_000 + b"\n" + b"line\n" * 20 + b"\x1b[2J\xff\n")

    lines = last_lines(path)

    assert len(lines) == LAST_LINES
    assert lines[-1] == "\\x1b[2J\\xff"
    assert last_lines(tmp_path / "missing") == []


def test_k10_records_that_retention_took_unread_are_told() -> None:
    judged = judge(change(WELL, missed_records={"stream": 0, "indexer": 28}))

    assert judged.ok
    (warning,) = judged.warnings
    assert "took 28 records before the indexer read them" in warning
