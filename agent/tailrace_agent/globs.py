"""Which paths a glob means: `*`, `?` and `[...]` within a name, `**` for any folders."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

_MAGIC = re.compile(r"[*?\[]")
_FOLDERS = "**"


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


def climb_problem(glob: str) -> str | None:
    """Return what is wrong with a glob that climbs, None where it does not.

    A path is to tell by itself where it can lead, whoever wrote it.
    """
    if ".." in glob.split("/"):
        return f"{glob!r} climbs by `..`; write the path that it means"
    return None


def glob_problem(glob: str) -> str | None:
    """Return what is wrong with a glob, wherever it comes from; None where nothing is.

    One that passes is compiled here as it will be, and can be listed and matched.
    """
    if "\0" in glob:
        return f"{glob!r} has a NUL, which no path has"
    try:
        glob.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return f"{glob!r} has half of a surrogate pair, which no path has"
    if not any(glob.split("/")):
        return f"{glob!r} names no file; write what is to be read, such as '/srv/*.log'"
    try:
        _path_pattern(glob)
        for part in glob.split("/"):
            _name_pattern(part)
    except _Unsound as unsound:
        return f"{glob!r} {unsound}"
    except re.error as error:
        return f"{glob!r} cannot be used: {error}"
    return climb_problem(glob)


def base_of(glob: str) -> tuple[str, bool]:
    """Return the folder that every match is below, and whether it may be far below."""
    parts = glob.split("/")
    plain = next((i for i, part in enumerate(parts) if has_magic(part)), len(parts) - 1)
    return "/".join(parts[:plain]) or "/", plain < len(parts) - 1


def expand(glob: str, *, listing: Listing) -> Iterator[str]:
    """Yield each path that `glob` means and that is no folder, as `listing` shows it.

    `**` does not follow symbolic links to folders, which may lead round in a circle. The
    order is none; a path may come several times.
    """
    parts = tuple(part for part in glob.split("/") if part)
    # No recursion: whoever may make folders could make more of them than it may be deep.
    todo = [("", parts)]
    while todo:
        folder, (head, *rest) = todo.pop()
        if head == _FOLDERS:
            while rest[:1] == [_FOLDERS]:
                del rest[0]
            todo.append((folder, tuple(rest) or ("*",)))
            below = (_FOLDERS, *rest)
            todo += (
                (f"{folder}/{entry.name}", below)
                for entry in listing(folder or "/")
                if entry.is_folder and not entry.is_link
            )
        elif rest and not has_magic(head):
            todo.append((f"{folder}/{head}", tuple(rest)))
        else:
            is_match = _name_pattern(head).match
            for entry in listing(folder or "/"):
                if entry.is_folder != bool(rest) or not is_match(entry.name):
                    continue
                if rest:
                    todo.append((f"{folder}/{entry.name}", tuple(rest)))
                else:
                    yield f"{folder}/{entry.name}"


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
        if part == _FOLDERS:
            if index == last:
                pattern += ".+"
            elif parts[index + 1] != _FOLDERS or index + 1 == last:
                pattern += "(?:[^/]+/)*"
        else:
            pattern += _translated(part) + ("" if index == last else "/")
    return re.compile(f"(?s:{pattern})\\Z")


def _translated(glob: str) -> str:
    """Return the regular expression of one name's glob; no wildcard means a slash.

    Raises:
        _Unsound: a bracket is not closed, or a range ends before it begins.
    """
    pattern, rest = "", glob
    while rest:
        character, rest = rest[0], rest[1:]
        if character == "*":
            # Several mean no more than one, and would be tried in all their ways.
            rest = rest.lstrip("*")
            pattern += "[^/]*"
        elif character == "?":
            pattern += "[^/]"
        elif character == "[":
            # A bracket may stand first in its own class.
            end = rest.find("]", 2 if rest.startswith("!") else 1)
            if end < 0:
                raise _Unsound("has a [ that no ] closes; write [[] for the character")
            is_negated = rest.startswith("!")
            members = _members(rest[is_negated:end])
            pattern += f"[^/{members}]" if is_negated else f"(?!/)[{members}]"
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
