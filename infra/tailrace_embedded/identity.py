"""Which user the servers run as, and where that user can reach what they need.

Elasticsearch refuses to run as root, and nothing here needs root's rights: started by
root, every server runs as an unprivileged user. That user must be able to reach the
runtime, the unpacked servers and its data, although a virtual environment, a cache or a
data folder may lie under a home that is closed to it. Nobody's home is ever opened: what
cannot be reached is put, or copied, where it can.
"""

from __future__ import annotations

import grp
import hashlib
import os
import pwd
import shutil
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tailrace.errors import CommandFailed

# The first of these that the machine knows; the last exists on every Unix.
UNPRIVILEGED_USERS = ("elasticsearch", "nobody")

# Where root keeps what the unprivileged user must reach.
SHARED_CACHE_DIR = Path("/var/cache/tailrace")
SHARED_STATE_DIR = Path("/var/lib/tailrace")

OWNER_FILE = "data-dir"


@dataclass(frozen=True, slots=True)
class RunAs:
    """The user and group that a server is lowered to."""

    user_id: int
    group_id: int


def run_as() -> RunAs | None:
    """Return whom the servers run as, or None for the user who starts them.

    Raises:
        CommandFailed: started by root on a machine without an unprivileged user.
    """
    if os.geteuid() != 0:
        return None
    for name in UNPRIVILEGED_USERS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid > 0:
            return RunAs(user_id=entry.pw_uid, group_id=_group_of(entry.pw_gid))
    raise CommandFailed(
        "Elasticsearch does not run as root, and this machine has none of the users"
        f" {', '.join(UNPRIVILEGED_USERS)}.",
        remedy="start as an ordinary user, or create the user `nobody`",
    )


def _group_of(group_id: int) -> int:
    """Return the user's group unless it is root's."""
    return group_id if group_id > 0 else grp.getgrnam("nogroup").gr_gid


def can_reach(path: Path, *, user: RunAs | None) -> bool:
    """Tell whether `user` may pass through every folder above `path`, and read it.

    What does not exist yet is judged by the part above it that does.
    """
    if user is None:
        return True
    resolved = path.resolve()
    for part in [*reversed(resolved.parents), resolved]:
        try:
            status = part.stat()
        except OSError:
            break
        needed = stat.S_IXOTH if part != resolved else stat.S_IROTH
        if stat.S_ISDIR(status.st_mode) and part == resolved:
            needed |= stat.S_IXOTH
        if user.user_id == status.st_uid:
            needed = (needed << 6) & stat.S_IRWXU
        elif user.group_id == status.st_gid:
            needed = (needed << 3) & stat.S_IRWXG
        if status.st_mode & needed != needed:
            return False
    return True


def cache_dir(environ: Mapping[str, str], *, user: RunAs | None) -> Path:
    """Return where downloads are kept: each user's cache folder by default.

    `TAILRACE_CACHE_DIR` names another. When the servers run as somebody who cannot
    reach it, the machine's shared cache takes its place.
    """
    wanted = _wanted_cache_dir(environ)
    return wanted if can_reach(wanted, user=user) else SHARED_CACHE_DIR


def _wanted_cache_dir(environ: Mapping[str, str]) -> Path:
    if configured := environ.get("TAILRACE_CACHE_DIR"):
        return Path(configured).absolute()
    home = Path(environ.get("HOME") or Path.home())
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "tailrace"
    if base := environ.get("XDG_CACHE_HOME"):
        return Path(base).absolute() / "tailrace"
    return home / ".cache" / "tailrace"


def servers_dir(data_dir: Path, *, user: RunAs | None) -> Path:
    """Return where the servers' own files lie, made if it is missing.

    It is `data_dir/servers`. Where the servers' user cannot reach that, it is a folder
    of the machine's shared state, to which `data_dir/servers` then is a link.
    """
    plain = data_dir / "servers"
    if plain.is_symlink():
        linked = _linked_state(plain, data_dir=data_dir)
        if linked is not None:
            return _closed_to_others(linked, user=user)
        plain.unlink()
    _let_through(data_dir, user=user)
    if can_reach(data_dir.parent, user=user):
        plain.mkdir(exist_ok=True, mode=0o700)
        return _closed_to_others(plain, user=user)
    name = hashlib.sha256(os.fsencode(data_dir.absolute())).hexdigest()[:16]
    state = SHARED_STATE_DIR / name
    SHARED_STATE_DIR.mkdir(parents=True, exist_ok=True)
    if plain.is_dir() and not state.exists():
        # Made while an ordinary user ran the servers: what they hold moves along.
        shutil.move(plain, state)
    state.mkdir(exist_ok=True, mode=0o700)
    (state / OWNER_FILE).write_bytes(os.fsencode(data_dir.absolute()))
    plain.symlink_to(state)
    return _closed_to_others(state, user=user)


def _closed_to_others(folder: Path, *, user: RunAs | None) -> Path:
    """Let nobody but its owner list the folder, and the servers' user pass through it.

    What the servers keep are log lines, which their writers may have closed to others.
    """
    if user is None:
        folder.chmod(0o700)
    else:
        # By its group: who owns the folder could put other things in a server's place.
        os.chown(folder, -1, user.group_id)
        folder.chmod(0o710)
    return folder


def _linked_state(link: Path, *, data_dir: Path) -> Path | None:
    """Return the state a link names, unless it belongs to another data folder.

    A data folder that was moved takes its state along. One that was copied must not
    share it with the original: two servers would write the same files.
    """
    state = link.readlink()
    try:
        owner = Path(os.fsdecode((state / OWNER_FILE).read_bytes()))
    except OSError:
        return None
    if owner != data_dir.absolute():
        if (owner / link.name).is_symlink():
            return None
        (state / OWNER_FILE).write_bytes(os.fsencode(data_dir.absolute()))
    return state


def _let_through(data_dir: Path, *, user: RunAs | None) -> None:
    """Let the servers' user pass through the data folder (not list it), if root's.

    A temporary folder is made closed to all others, and it is ours to open.
    """
    status = data_dir.stat()
    if user is not None and status.st_uid == os.geteuid():
        data_dir.chmod(stat.S_IMODE(status.st_mode) | stat.S_IXOTH)


def give(folder: Path, *, user: RunAs | None) -> None:
    """Make `folder` and what is in it the servers' user's own."""
    if user is None or folder.stat().st_uid == user.user_id:
        return
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user.user_id, user.group_id, follow_symlinks=False)
