"""What names this host for ever: configured, else the machine's own id."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import uuid
import zoneinfo
from pathlib import Path

from tailrace.whole_files import PRIVATE, replace_file

MACHINE_ID_PATHS = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
_MACHINE_ID = re.compile(r"[0-9a-f]{32}")
_MACOS_UUID = re.compile(r'"IOPlatformUUID" = "([0-9A-F-]{36})"')


def host_id_of(
    configured: str,
    *,
    state_folder: Path,
    machine_id_paths: tuple[Path, ...] = MACHINE_ID_PATHS,
) -> str:
    """Return the configured id, else the machine's, else one kept in the state folder.

    The last is for machines (containers, mostly) that have no id: there a lost state
    folder makes a new host, so `host_id` is better configured.
    """
    if configured:
        return configured
    for path in machine_id_paths:
        with contextlib.suppress(OSError):
            found = path.read_text("ascii", "replace").strip()
            if _MACHINE_ID.fullmatch(found):
                return found
    if sys.platform == "darwin" and (found := _macos_id()):
        return found
    kept = state_folder / "host-id"
    with contextlib.suppress(OSError, ValueError):
        return uuid.UUID(kept.read_text("ascii").strip()).hex
    host_id = uuid.uuid4().hex
    replace_file(kept, f"{host_id}\n".encode(), mode=PRIVATE, is_durable=True)
    return host_id


def host_name_of(configured: str) -> str:
    """Return the configured name, else the one this host gives itself."""
    return configured or socket.gethostname() or "localhost"


def time_zone_of() -> str:
    """Return the IANA name of this host's time zone, `UTC` where it has none.

    `TZ` counts where it names one; what it says by rules (`CET-1CEST`) has no such name.
    """
    named = os.environ.get("TZ", "").lstrip(":")
    with contextlib.suppress(OSError, ValueError, zoneinfo.ZoneInfoNotFoundError):
        return zoneinfo.ZoneInfo(named).key
    with contextlib.suppress(OSError):
        target = str(Path("/etc/localtime").readlink())
        _, found, zone = target.partition("zoneinfo/")
        if found and zone:
            return zone
    with contextlib.suppress(OSError):
        zone = Path("/etc/timezone").read_text("ascii", "replace").strip()
        if re.fullmatch(r"[A-Za-z0-9_+/-]+", zone):
            return zone
    return "UTC"


def _macos_id() -> str | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["/usr/sbin/ioreg", "-rd1", "-c", "IOPlatformExpertDevice"],
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        ).stdout
        if match := _MACOS_UUID.search(answer):
            return uuid.UUID(match.group(1)).hex
    return None
