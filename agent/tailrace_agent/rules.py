"""Whose links a source follows, and who may put a name where it reads."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tailrace_agent.config import AgentSettings, FollowLinks, SourceSettings
from tailrace_agent.users import number_of

ROOT = 0
LOG_GROUPS = ("adm", "syslog")
"""Who has them reads or writes the host's logs already; some hosts let `syslog` write to
/var/log, which would bar all links below it."""
_CAPABILITIES = 1 << 1 | 1 << 2
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: to read what one's rights would not allow."""
_HARD_LINKS_GUARD = Path("/proc/sys/fs/protected_hardlinks")
_OWN_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What one source allows on the way to a file; numbers of users and groups."""

    follow_links: FollowLinks
    named_owners: frozenset[int]
    """Whom the source trusts to choose what is read."""
    owners: frozenset[int]
    """They, root, and the agent's own user."""
    groups: frozenset[int]
    """Groups that have nobody else in them, or only people who see the logs anyway."""
    folders: tuple[str, ...]
    """The only folders in which files are read, as the agent allows; empty: all."""
    is_privileged: bool
    """Whether the agent may read what nobody gave it the right to read."""
    are_hard_links_guarded: bool
    """Whether the kernel lets nobody link to a file that they may not read and write."""

    def allows(self, path: str) -> bool:
        """Return whether a file may stand at `path`, which no link is part of."""
        return not self.folders or any(path.startswith(f) for f in self.folders)

    def stranger_in(self, folder: os.stat_result, *, is_holder: bool) -> str:
        """Return who could plant or move a link by changing a folder; "" for nobody.

        In a folder with the sticky bit, as /tmp, nobody moves what is not theirs, so that
        it may be on the way; to hold the link itself it will not do.
        """
        if folder.st_uid not in self.owners:
            return f"user {folder.st_uid}"
        if folder.st_mode & stat.S_IWGRP and folder.st_gid not in self.groups:
            return f"group {folder.st_gid}"
        is_sticky = bool(folder.st_mode & stat.S_ISVTX)
        if folder.st_mode & stat.S_IWOTH and (is_holder or not is_sticky):
            return "everybody"
        return ""

    def suspects(self, file: os.stat_result) -> bool:
        """Return whether a file could be a hard link to a secret.

        A kernel that guards hard links lets nobody make one to a file that they could
        not read and change anyway: then only what has a second name is suspect.
        """
        is_plain = file.st_nlink == 1 and self.are_hard_links_guarded
        return self.is_privileged and not is_plain

    def stranger_to(self, file: os.stat_result, *, folder: os.stat_result) -> str:
        """Return who could have put a file of another into a folder; "" for nobody."""
        if file.st_uid in self.named_owners:
            return ""
        if folder.st_mode & stat.S_IWOTH:
            return "everybody"
        if folder.st_uid not in self.owners and folder.st_uid != file.st_uid:
            return f"user {folder.st_uid}"
        if folder.st_mode & stat.S_IWGRP and folder.st_gid not in self.groups:
            return f"group {folder.st_gid}"
        return ""


def rules_of(settings: AgentSettings, source: SourceSettings | None) -> Rules:
    """Return the rules of a source, or of files whose source is no more."""
    named = frozenset(number_of(owner) for owner in source.owners) if source else ()
    own = os.geteuid()
    owners = frozenset((*named, ROOT, own))
    return Rules(
        follow_links=source.follow_links if source else "safe",
        named_owners=frozenset(named),
        owners=owners,
        groups=frozenset((ROOT, *_groups(LOG_GROUPS), *_private_groups(owners))),
        folders=tuple(_real_folder(folder) for folder in settings.allowed_folders),
        is_privileged=own == ROOT or _has_capabilities(),
        are_hard_links_guarded=_reads(_HARD_LINKS_GUARD).strip() == "1",
    )


def rules_of_user() -> Rules:
    """Return the rules for a file that whoever runs a command names: their own rights."""
    return Rules(
        follow_links="always",
        named_owners=frozenset(),
        owners=frozenset(),
        groups=frozenset(),
        folders=(),
        is_privileged=False,
        are_hard_links_guarded=False,
    )


def _real_folder(folder: str) -> str:
    """Return where a folder is, with a slash behind it."""
    return f"{os.path.realpath(folder).rstrip('/')}/"


def _groups(names: Iterable[str]) -> list[int]:
    found: list[int] = []
    for name in names:
        with suppress(KeyError):  # This machine has no such group.
            found.append(grp.getgrnam(name).gr_gid)
    return found


def _private_groups(owners: Iterable[int]) -> list[int]:
    """Return the groups that these users have to themselves: named as they are."""
    found: list[int] = []
    for owner in owners:
        try:
            user = pwd.getpwuid(owner)
            group = grp.getgrgid(user.pw_gid)
        except KeyError:
            continue
        if group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}:
            found.append(group.gr_gid)
    return found


def _has_capabilities() -> bool:
    for line in _reads(_OWN_STATUS).splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) & _CAPABILITIES)
    return False


def _reads(path: Path) -> str:
    try:
        return path.read_text("ascii")
    except OSError:
        return ""
