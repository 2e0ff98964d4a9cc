"""What a data folder says about its servers: which ports they have, and which run now."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tailrace.whole_files import PRIVATE, READABLE, replace_file
from tailrace_embedded.lock import is_held

SERVERS_FILE = "servers.json"
PORTS_FILE = "ports.json"


class RunningServer(msgspec.Struct, frozen=True, kw_only=True):
    """One server as others may find it."""

    name: str
    pid: int
    created_at_s: float
    """With the process id, names this process for ever: ids alone are used again."""
    ports: dict[str, int]
    log_path: str


class RunningServers(msgspec.Struct, frozen=True, kw_only=True):
    """What runs for a data folder, as written to `servers.json` after every start."""

    environment: dict[str, str]
    """`TAILRACE_KAFKA_BOOTSTRAP` and so on, by which every process finds the servers."""
    supervisor_pid: int
    servers: list[RunningServer]


def write_servers(data_dir: Path, running: RunningServers) -> None:
    """Replace the record; a reader sees the old one or the new one, never a part."""
    encoded = msgspec.json.format(msgspec.json.encode(running), indent=2)
    path = data_dir / SERVERS_FILE
    replace_file(path, encoded + b"\n", mode=READABLE, is_durable=False)


def read_servers(data_dir: Path) -> RunningServers | None:
    """Return the record as it stands, be it of servers long gone, or None."""
    try:
        raw = (data_dir / SERVERS_FILE).read_bytes()
        return msgspec.json.decode(raw, type=RunningServers)
    except (OSError, msgspec.DecodeError):
        return None


def read_running(data_dir: Path) -> RunningServers | None:
    """Return the record if the process that supervises the servers lives."""
    return read_servers(data_dir) if is_held(data_dir) else None


def remove_servers(data_dir: Path) -> None:
    """Say that nothing runs."""
    (data_dir / SERVERS_FILE).unlink(missing_ok=True)


def write_ports(data_dir: Path, ports: dict[str, int]) -> None:
    """Keep the ports for the next start."""
    content = msgspec.json.encode(ports)
    replace_file(data_dir / PORTS_FILE, content, mode=PRIVATE, is_durable=False)


def read_ports(data_dir: Path) -> dict[str, int]:
    """Return the ports of the last start; none if there was none."""
    try:
        raw = (data_dir / PORTS_FILE).read_bytes()
        return msgspec.json.decode(raw, type=dict[str, int])
    except (OSError, msgspec.DecodeError):
        return {}
