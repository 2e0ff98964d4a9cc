"""Which paths a glob means: `*`, `?` and `[...]` within a name, `**` for any folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_MAGIC = re.compile(r"[*?\[]")
_CLASS = re.compile(r"\[(?:!.|[^!])[^\]]*\]")
"""Members of a name's character: a bracket may stand first among them."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One name in a folder."""

    name: str
    is_folder: bool
    is_link: bool


class _Unsound(Exception):
    """What a glob has that means nothing, as the rest of a sentence about it."""


Listing = Callable[[str], tuple[Entry, ...]]
"""Return what is in a folder; nothing when it is gone or closed to us."""


def has_magic(text: str) -> bool:
    """Return whether `text` means more than itself."""
    return _MAGIC.search(text) is not None


def glob_problem(glob: str) -> str | None:
    """Return what is wrong with a glob, None where it can be listed and matched."""
    if "\0" in glob:
        return f"{glob!r} has a NUL, which no path has"
    if not any(glob.split("/")):
        return f"{glob!r} names no file; write what is to be read, such as '/srv/*.log'"
    for part in glob.split("/"):
        if "[" in _CLASS.sub("", part):
            return (
                f"{glob!r} has a [ that no ] closes; write [[] for the character itself"
            )
        try:
            _name_pattern(part)
        except _Unsound as unsound:
            return f"{glob!r} {unsound}"
    return climb_problem(glob)


def climb_problem(glob: str) -> str | None:
    """Return what is wrong with a glob that climbs, None where it does not.

    A path is to tell by itself where it can lead, whoever wrote it.
    """
    if ".." in glob.split("/"):
        return f"{glob!r} climbs by `..`; write the path that it means"
    return None


def base_of(glob: str) -> tuple[str, bool]:
    """Return the folder that every match is below, and whether it may be far below."""
    parts = glob.split("/")
    plain = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    return "/".join(parts[:plain]) or "/", plain < len(parts) - 1


def expand(glob: str, *, listing: Listing) -> Iterator[str]:
    """Yield each path that `glob` means and that is no folder, as `listing` shows it.

    `**` does not follow symbolic links to folders, which may lead round in a circle.
    """
    yield from _expand("", [p for p in glob.split("/") if p], listing=listing)


def _expand(folder: str, parts: list[str], *, listing: Listing) -> Iterator[str]:
    head, rest = parts[0], parts[1:]
    if head == "**":
        yield from _expand(folder, rest or ["*"], listing=listing)
        for entry in listing(folder or "/"):
            if entry.is_folder and not entry.is_link:
                yield from _expand(f"{folder}/{entry.name}", parts, listing=listing)
        return
    if rest and not has_magic(head):
        yield from _expand(f"{folder}/{head}", rest, listing=listing)
        return
    matches = _name_pattern(head).match
    for entry in listing(folder or "/"):
        if entry.is_folder == bool(rest) and matches(entry.name):
            path = f"{folder}/{entry.name}"
            if rest:
                yield from _expand(path, rest, listing=listing)
            else:
                yield path


def matches(glob: str, path: str) -> bool:
    """Return whether a glob of a whole path means `path`, whatever is on the disk."""
    return _path_pattern(glob).match(path) is not None


def taken_by(path: str, *, globs: Sequence[str], exclude: tuple[str, ...]) -> str:
    """Return the first of a source's globs that takes a path; "" where none does."""
    if excluder(exclude)(path):
        return ""
    return next((glob for glob in globs if matches(glob, path)), "")


def excluder(globs: tuple[str, ...]) -> Callable[[str], bool]:
    """Return whether a path is excluded: by its whole, or by its name alone.

    A glob without a slash is about the name; one with a slash about the whole path.
    """
    wholes = [_path_pattern(glob) for glob in globs if "/" in glob]
    names = [_name_pattern(glob) for glob in globs if "/" not in glob]

    def is_excluded(path: str) -> bool:
        name = path.rpartition("/")[2]
        return any(p.match(name) for p in names) or any(p.match(path) for p in wholes)

    return is_excluded


@lru_cache(maxsize=1_024)
def _name_pattern(glob: str) -> re.Pattern[str]:
    return re.compile(f"(?s:{_translated(glob)})\\Z")


@lru_cache(maxsize=1_024)
def _path_pattern(glob: str) -> re.Pattern[str]:
    parts = glob.split("/")
    last = len(parts) - 1
    pattern = ""
    for index, part in enumerate(parts):
        if part == "**":
            pattern += ".+" if index == last else "(?:[^/]+/)*"
        else:
            pattern += _translated(part) + ("" if index == last else "/")
    return re.compile(f"(?s:{pattern})\\Z")


def _translated(glob: str) -> str:
    """Return the regular expression of one name's glob; no wildcard means a slash.

    Raises:
        _Unsound: a range ends before it begins.
    """
    pattern, rest = "", glob
    while rest:
        character, rest = rest[0], rest[1:]
        # A bracket may stand first in its own class.
        end = rest.find("]", 2 if rest.startswith("!") else 1)
        if character == "*":
            pattern += "[^/]*"
        elif character == "?":
            pattern += "[^/]"
        elif character == "[" and end > 0:
            is_negated = rest.startswith("!")
            members = _members(rest[is_negated:end])
            pattern += f"[{'^/' if is_negated else ''}{members}]"
            rest = rest[end + 1 :]
        else:
            pattern += re.escape(character)
    return pattern


def _members(text: str) -> str:
    """Return what stands between the brackets of a regular expression.

    Raises:
        _Unsound: a range ends before it begins.
    """
    members, index = "", 0
    while index < len(text):
        first, last = text[index], text[index + 2 : index + 3]
        if last and text[index + 1] == "-":
            if last < first:
                # A shell takes it for nothing, or, by its locale, for something else.
                raise _Unsound(
                    f"has the range {first}-{last}, which ends before it begins; write"
                    " [a-zA-Z] for all letters, and a - that is meant itself last"
                )
            members += f"{re.escape(first)}-{re.escape(last)}"
            index += 3
        else:
            members += re.escape(first)
            index += 1
    return members
