"""What `tailrace status` looks at: the supervisor's record, the roles' own words, servers.

A server that does not answer is a fact, and hinders no other look.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from glob import escape
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import msgspec

from tailrace.backlog import standing_still
from tailrace.clock import SystemClock
from tailrace.errors import TailraceError
from tailrace.extras import require
from tailrace.misfits import Misfits, misfits_body, read_misfits
from tailrace.role_status import FILE_NAME, silent_roles
from tailrace.settings import Connections
from tailrace.shop_link import SHOP_DIR
from tailrace.status import RoleFacts, StatusFacts
from tailrace.supervise import MemberRecord, MemberState
from tailrace.text import printable
from tailrace.topics import DOCS, RAW
from tailrace.unsent_files import UnsentFile, unsent_texts
from tailrace.up_record import read_running
from tailrace.watched import MACHINE_LOGS
from tailrace.zookeeper_probe import require_zookeeper

if TYPE_CHECKING:
    from tailrace.partition_lag import PartitionLag

ReadT = TypeVar("ReadT")

CONNECT_MS_MAX = 3_000
ANSWER_WAIT_S_MAX = 3.0
"""For each question to Elasticsearch: a server that hangs must not hold up the rest."""
LAST_LINES = 5
LAST_BYTES = 8_192
GROUPS = {"stream": RAW, "indexer": DOCS}
"""Each group reads one topic of events: `<namespace>-stream` reads raw, and so on."""


def gather(connections: Connections) -> StatusFacts:
    """Look at everything; no look takes longer than a few seconds.

    Raises:
        RoleNotInstalled: servers are to be asked, and their clients are missing.
    """
    data_dir = connections.data_dir
    up = read_running(data_dir)
    now_ms = SystemClock().now_ms()
    lags: dict[str, tuple[PartitionLag, ...]] = {}
    documents: int | None = None
    dead_letters = 0
    misfits = Misfits()
    standing_ms: dict[str, int] = {}
    waiting_lines = 0
    unreachable: list[str] = []
    away = ""
    if up is not None and up.has_roles:
        require("indexer")
        if up.namespace:
            connections = connections.model_copy(update={"namespace": up.namespace})
        try:
            lags = _lags(connections)
            standing_ms = _standing_ms(connections, lags)
        except TailraceError as error:
            away = "Kafka"
            unreachable.append(str(error))
        try:
            documents, dead_letters = _documents(connections)
            misfits = _misfits(connections)
            if any(lag.lag_records for each in lags.values() for lag in each):
                waiting_lines = _waiting_lines(connections, until_ms=now_ms)
        except TailraceError as error:
            unreachable.append(str(error))
        unreachable += _zookeeper_trouble(connections)
    roles = RoleFacts()
    if up is not None:
        found = role_facts(data_dir, up.members, now_ms=now_ms, away=away)
        roles = msgspec.structs.replace(
            found, dead_letters=dead_letters, misfits=misfits
        )
    return StatusFacts(
        data_dir=str(data_dir),
        now_ms=now_ms,
        up=up,
        lag_records={r: sum(p.lag_records for p in each) for r, each in lags.items()},
        missed_records={
            role: sum(lag.missed_records for lag in each) for role, each in lags.items()
        },
        standing_ms=standing_ms,
        waiting_lines=waiting_lines,
        documents=documents,
        roles=roles,
        unreachable=unreachable,
        last_lines=_last_lines(up.members) if up is not None else {},
    )


class _Agent(msgspec.Struct):
    pid: int = 0
    kafka: str = "connected"
    checkpoint: str = "written"
    paused: str = ""
    lag_bytes: int = 0
    lost_bytes: int = 0
    gone_unread_bytes: int = 0
    unreadable_count: int = 0
    unreadable_bytes: int = 0
    unreadable: dict[str, str] = {}
    waiting: dict[str, int] = {}
    unmatched_globs: list[str] = []
    held_back_bytes: dict[str, int] = {}
    line_wait_ms: int = 0
    files: list[UnsentFile] = []


class _Stream(msgspec.Struct):
    pid: int = 0
    alarms: list[str] = []


class _Disk(msgspec.Struct):
    low_nodes: tuple[str, ...] = ()


class _Indexer(msgspec.Struct):
    pid: int = 0
    disk: _Disk = msgspec.field(default_factory=_Disk)
    held_indices: dict[str, str] = {}
    problems: list[str] = []


def role_facts(
    data_dir: Path, members: Sequence[MemberRecord], *, now_ms: int, away: str = ""
) -> RoleFacts:
    """Return what the roles among `members` wrote about themselves.

    What an earlier process left says nothing of now, and neither does silence, which a
    server that is `away` may explain.
    """
    pids = {member.name: member.pid for member in members}
    agent = _read(data_dir, "agent", as_type=_Agent)
    if agent.pid != pids.get("agent"):
        agent = _Agent()
    indexer = _read(data_dir, "indexer", as_type=_Indexer)
    if indexer.pid != pids.get("indexer"):
        indexer = _Indexer()
    stream = _read(data_dir, "stream", as_type=_Stream)
    if stream.pid != pids.get("stream"):
        stream = _Stream()
    problems = list(silent_roles(data_dir, members, now_ms=now_ms, away=away))
    problems += [f"the indexer reports {problem}" for problem in indexer.problems]
    if agent.kafka != "connected":
        problems.append(f"the agent has no connection to Kafka: {agent.kafka}")
    if agent.paused:
        problems.append(f"the agent waits, and reads no file on: {agent.paused}")
    if agent.checkpoint != "written":
        problems.append(f"the agent cannot write its checkpoint: {agent.checkpoint}")
    stuck, waiting = unsent_texts(
        agent.files,
        held_back=[source for source, held in agent.held_back_bytes.items() if held],
        line_wait_ms=agent.line_wait_ms,
        is_sending=agent.kafka == "connected" and not agent.paused,
        now_ms=now_ms,
    )
    if stuck:
        problems.append(stuck)
    return RoleFacts(
        lost_bytes=agent.lost_bytes + agent.gone_unread_bytes,
        unread_bytes=agent.lag_bytes,
        warnings=[
            *([waiting] if waiting else ()),
            *_agent_warnings(agent, data_dir=data_dir),
            *_stream_warnings(stream),
            *indexer.disk.low_nodes,
        ],
        held_indices=indexer.held_indices,
        problems=problems,
    )


def role_notes(data_dir: Path) -> list[str]:
    """Return what the roles of a supervisor that lives tell, and is no ill health."""
    up = read_running(data_dir)
    if up is None:
        return []
    return role_facts(data_dir, up.members, now_ms=SystemClock().now_ms()).warnings


def _agent_warnings(agent: _Agent, *, data_dir: Path) -> Iterator[str]:
    if agent.unreadable:
        path, why = next(iter(agent.unreadable.items()))
        count = agent.unreadable_count
        what = f"{path} cannot be read: {why}"
        more = f", and {count - 1} more files cannot" if count > 1 else ""
        held = f", {agent.unreadable_bytes} bytes in all" if count > 1 else ""
        yield f"{what}{more}{held}; the agent goes on trying"
    if agent.waiting:
        folder, count = next(iter(agent.waiting.items()))
        others = len(agent.waiting) - 1
        more = f", and more in {others} other folders" if others else ""
        yield (
            f"{count} files in {folder} wait for room{more}; raise `folder_files_max`"
            " or `files_max` of their source, or remove what is old"
        )
    for glob in agent.unmatched_globs:
        # Of the machine's usual logs no machine has all, and the shop's own come by
        # themselves.
        is_own = glob.startswith(f"{escape(str(data_dir / SHOP_DIR))}/")
        if glob not in MACHINE_LOGS and not is_own:
            yield f"no file matches {glob}; correct it, or leave it: it is looked for"


def _stream_warnings(stream: _Stream) -> Iterator[str]:
    for alarm in stream.alarms:
        yield f"the stream goes on with what it knew: {alarm}"


def _lags(connections: Connections) -> dict[str, tuple[PartitionLag, ...]]:
    from tailrace.kafka_admin import KafkaAdmin

    with KafkaAdmin(connections, connect_ms_max=CONNECT_MS_MAX) as admin:
        return {
            role: admin.group_lag(
                f"{connections.namespace}-{role}",
                topics=[topic.name(connections.namespace)],
            )
            for role, topic in GROUPS.items()
        }


def _standing_ms(
    connections: Connections, lags: dict[str, tuple[PartitionLag, ...]]
) -> dict[str, int]:
    """Return which roles have something to read and do not move, and how long that is."""
    return standing_still(lags, ask=lambda: _lags(connections), clock=SystemClock())


def _waiting_lines(connections: Connections, *, until_ms: int) -> int:
    """Return how many lines were sent and are not stored, as the ledger knows it."""
    from tailrace.elasticsearch import Elastic
    from tailrace.ledger_asked import ask_index, stated

    clock = SystemClock()
    with Elastic(connections, timeout_s=ANSWER_WAIT_S_MAX) as elastic:
        asked = ask_index(elastic, connections.namespace, clock=clock)
        said = stated(asked, elastic, connections, until_ms=until_ms, clock=clock)
    return said.waiting_events


def _zookeeper_trouble(connections: Connections) -> Iterator[str]:
    """Yield what is missing while ZooKeeper is: the way of the lines does not need it."""
    try:
        require_zookeeper(connections.zookeeper_hosts, clock=SystemClock())
    except TailraceError as error:
        yield (
            f"{error}; lines are shipped and stored on, but the fleet page is blind, and"
            " no old index is expired"
        )


def _documents(connections: Connections) -> tuple[int, int]:
    """Return how many events, and how many dead letters, a search would find.

    A letter whose document was stored by a retry is none any more.
    """
    from tailrace.audit.bodies import undelivered_filter
    from tailrace.elasticsearch import Elastic
    from tailrace.query import events_alias

    with Elastic(connections, timeout_s=ANSWER_WAIT_S_MAX) as elastic:
        return (
            elastic.count(events_alias(connections.namespace)),
            elastic.count(
                f"{connections.namespace}-dead-*", query=undelivered_filter()
            ),
        )


def _misfits(connections: Connections) -> Misfits:
    """Return which values of late were moved by the stream, or ignored by the index."""
    from tailrace.elasticsearch import MISSING_IS_NONE, Elastic
    from tailrace.query import events_alias

    path = f"/{events_alias(connections.namespace)}/_search{MISSING_IS_NONE}"
    with Elastic(connections, timeout_s=ANSWER_WAIT_S_MAX) as elastic:
        answer = elastic.look_up("POST", path, body=misfits_body())
        return read_misfits(elastic.decoded(answer))


def _read(data_dir: Path, role: str, *, as_type: type[ReadT]) -> ReadT:
    try:
        raw = (data_dir / role / FILE_NAME).read_bytes()
        return msgspec.json.decode(raw, type=as_type)
    except (OSError, msgspec.DecodeError):
        return as_type()


def _last_lines(members: list[MemberRecord]) -> dict[str, list[str]]:
    return {
        member.name: last_lines(Path(member.log_path))
        for member in members
        if member.state is not MemberState.RUNNING
    }


def last_lines(path: Path) -> list[str]:
    """Return the end of a log, escaped; nothing when it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - LAST_BYTES))
            lines = file.read().decode("utf-8", "backslashreplace").splitlines()
    except OSError:
        return []
    return [printable(line) for line in lines[-LAST_LINES:]]
