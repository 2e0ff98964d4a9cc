"""Which names may be those of one log: what rotation adds to a name, and takes away.

`app.log`, `app.log.1`, `app.log-20261124.gz` and `app-2026-11-24.log.zst` are of one
family. An archive may hold only what a file of a family above its name held; a plain copy
bears the whole name of its original, with something after it, or with a number or a date
before its extension (`app.1.log`, as logrotate's `extension` has it). Two services may well
write the same lines, and `output.1` is no copy of `output.2`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Hashable, Iterator
from typing import Generic, TypeVar

from tailrace_agent.inflating import suffix_of

PARTS_MAX = 16
"""The most shorter names that are thought of for one name."""
_TURN = re.compile(r"[._-]\d[\dTZ:._-]*(?=[.-]|\Z)")
_BOUNDARY = re.compile(r"[._-]")

T = TypeVar("T")


def family_of(path: str) -> str:
    """Return what the names of one log's rotations have in common, in their folder."""
    folder, _, name = path.rpartition("/")
    name = name.removesuffix(suffix_of(name) or "")
    return f"{folder}/{_TURN.sub('', name)}"


def families_above(path: str) -> list[str]:
    """Return the families whose members the file at `path` may be a copy of."""
    folder, _, name = path.rpartition("/")
    suffix = suffix_of(name)
    name = name.removesuffix(suffix or "")
    boundaries = [match.start() for match in _BOUNDARY.finditer(name)]
    names = [name[:end] for end in boundaries if end][-PARTS_MAX:]
    if suffix is not None:
        names.append(name)
    return list(dict.fromkeys(family_of(f"{folder}/{name}") for name in names))


def may_be_copy(path: str, *, original_paths: Collection[str]) -> bool:
    """Return whether, by their names, `path` may be a copy of the other file.

    The other has, or had, these names; empty ones are none.
    """
    names = [name for name in original_paths if name]
    if suffix_of(path) is not None:
        above = families_above(path)
        return any(family_of(name) in above for name in names)
    if path.startswith(tuple(f"{name}{mark}" for name in names for mark in "._-")):
        return True
    without_turn = family_of(path)
    return without_turn != path and without_turn in names


class Families(Generic[T]):
    """Things by the family of the path that each was last known at."""

    def __init__(self) -> None:
        self._by_family: dict[str, dict[Hashable, T]] = {}
        self._by_path: dict[str, dict[Hashable, T]] = {}
        self._paths: dict[Hashable, tuple[str, str]] = {}
        """Where each thing is, and where it was first."""

    def put(self, key: Hashable, thing: T, *, path: str, first_path: str = "") -> None:
        """Take a thing in, or note that its path has changed.

        What was copied of it may bear the name that it had first.
        """
        paths = (path, first_path or path)
        if self._paths.get(key) != paths:
            self.discard(key)
        self._paths[key] = paths
        self._by_family.setdefault(family_of(path), {})[key] = thing
        for name in paths:
            self._by_path.setdefault(name, {})[key] = thing

    def discard(self, key: Hashable) -> None:
        """Forget a thing, if it is here."""
        paths = self._paths.pop(key, None)
        if paths is None:
            return
        _remove(key, self._by_family, name=family_of(paths[0]))
        for name in set(paths):
            _remove(key, self._by_path, name=name)

    def at(self, path: str) -> Iterator[T]:
        """Yield what is, or was first, at a path."""
        yield from list(self._by_path.get(path, {}).values())

    def above(self, path: str) -> Iterator[T]:
        """Yield what the file at `path` may be a copy of.

        Of its own family only those whose name it bears with a number or a date in it:
        ten thousand files that are numbered are all of one family, and no copies.
        """
        for family in families_above(path):
            yield from list(self._by_family.get(family, {}).values())
        if suffix_of(path) is None and (without_turn := family_of(path)) != path:
            yield from list(self._by_path.get(without_turn, {}).values())


def _remove(key: Hashable, things: dict[str, dict[Hashable, T]], *, name: str) -> None:
    del things[name][key]
    if not things[name]:
        del things[name]
