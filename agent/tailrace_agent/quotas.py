"""Which of too many files are followed: those that were, and of each folder its share."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence


def admitted(
    paths: Sequence[str],
    *,
    followed: Container[str],
    folder_files_max: int,
    files_max: int,
) -> tuple[list[str], list[str]]:
    """Part the paths of one source into those that are followed and those that wait.

    No folder gets more than `folder_files_max`, and together they get `files_max`. Within
    its share a folder keeps what was `followed` before anything new, so that no flood of
    new names drives a known file out; what is new comes in the order given.
    """
    folders: dict[str, list[str]] = {}
    for path in paths:
        folders.setdefault(path.rpartition("/")[0], []).append(path)
    wanted = {f: min(len(names), folder_files_max) for f, names in folders.items()}
    allowed = shares(wanted, whole=files_max)
    chosen: list[str] = []
    waiting: list[str] = []
    for folder, names in folders.items():
        limit = allowed[folder]
        if len(names) > limit:
            names.sort(key=lambda name: name not in followed)
        chosen += names[:limit]
        waiting += names[limit:]
    return chosen, waiting


def shares(wanted: Mapping[str, int], *, whole: int) -> dict[str, int]:
    """Return how much each gets of `whole`: all it wants, or no less than any other."""
    left = whole
    given: dict[str, int] = {}
    ascending: Iterable[str] = sorted(wanted, key=lambda one: wanted[one])
    for position, one in enumerate(ascending):
        given[one] = min(wanted[one], left // (len(wanted) - position))
        left -= given[one]
    return given
