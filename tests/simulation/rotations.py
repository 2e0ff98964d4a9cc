"""Every kind of rotation, and little else: what the applications of a rotation storm do.

A rotation of several steps takes its time, and meanwhile the application goes on writing:
a copy and then the truncation, an archive that grows beside its original and then the
deletion. As with logrotate, one log has one rotation at a time.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field

import zstandard

from tailrace_agent.heads import HEAD_BYTES
from tests.simulation.application import Applications, LogFile
from tests.simulation.filesystem import Life, Node

KEPT = 4
"""How many rotated files of a log there are; what is older is deleted."""
STEP_MS = (0, 500)
"""Between two steps of one rotation: a sweep of the agent may lie in between, or not."""
SUFFIXES = (".gz", ".zst")
FAVOURITES = 2
"""Kinds that one run is full of: that finds more than a little of all."""
FAVOURED = 8
AT_ONCE_CHANCE = 0.4
TWINS_CHANCE = 0.3
REUSE_CHANCE = 0.5
COPY_OVER_CHANCE = 0.4


@dataclass(slots=True)
class Rotations(Applications):
    """Writes little and rotates much; on twins all happens to both hosts alike."""

    are_twins: bool = False
    has_sweeping_globs: bool = True
    """Whether the agents' globs mean rotated files, too."""
    may_copy_over: bool = False
    """Whether copies are written over the last one. A file of which the agent knows no
    more than a first line that all have may then go on as the other, and no one could
    tell (ARCHITECTURE.md, limits): so each life begins with a line of its own."""
    _favourites: set[str] = field(default_factory=set[str])

    def __post_init__(self) -> None:
        """Choose what this run is full of, and what kind of hosts these are."""
        self.may_copy_over = self.world.has_luck(COPY_OVER_CHANCE)
        if self.may_copy_over:
            self.banner = b""
        names = [act.__name__ for act in self._rotating()]
        self._favourites = set(self.random.sample(names, FAVOURITES))
        self.are_twins = self.world.has_luck(TWINS_CHANCE)
        reuses_inodes = self.world.has_luck(REUSE_CHANCE)
        for volume in self.files.volumes.values():
            volume.is_image = self.are_twins
            volume.reuses_inodes = reuses_inodes

    def act(self) -> None:
        """Let something happen to one of the logs, or the same to that of each host."""
        if not self.are_twins or self.reserved is not None:
            Applications.act(self)
            return
        kinds = self.kinds()
        (act,) = self.random.choices(list(kinds), list(kinds.values()))
        state = self.random.getstate()
        for log in self.logs:
            self.random.setstate(state)
            act(log)
        self.world.witness("storm.twins")

    def kinds(self) -> dict[Callable[[LogFile], None], int]:
        often = dict.fromkeys(self._rotating(), 2)
        for act in often:
            if act.__name__ in self._favourites:
                often[act] = FAVOURED
        return {
            self.append: 16,
            self.append_half: 2,
            self.append_to_former: 2,
            **{self._in_turn(act): weight for act, weight in often.items()},
        }

    def _rotating(self) -> list[Callable[[LogFile], None]]:
        return [
            self.rename_by_number,
            self.rename_by_date,
            self.copy_truncate,
            *([self.copy_over] if self.may_copy_over else []),
            self.truncate,
            self.truncate_and_regrow,
            self.compress,
            self.delete,
        ]

    def line(self, log: LogFile, node: Node) -> bytes:
        """Return a line, which is the life's own where it is the first."""
        line = Applications.line(self, log, node)
        if self.may_copy_over and not node.life.content:
            log.line_count += 1
            name = (node.life.own_number, log.line_count)
            return b"2026-11-24 01:00:01 INFO L%d.%d begins\n" % name
        return line

    def half_bytes_min(self, node: Node, line: bytes) -> int:
        """Let half of a line that is the life's own tell which life that is."""
        is_own = self.may_copy_over and not node.life.content
        return line.index(b"begins") if is_own else 1

    def _in_turn(self, act: Callable[[LogFile], None]) -> Callable[[LogFile], None]:
        """Return what writes instead while a rotation of the log is on."""

        def in_turn(log: LogFile) -> None:
            (self.append if log.is_rotating else act)(log)

        return in_turn

    # The kinds of rotation.

    def rename(self, log: LogFile) -> None:
        """Do as a plot asks."""
        self.rename_by_number(log)

    def rename_by_number(self, log: LogFile) -> None:
        """Make `.1` of it, and of each `.1` a `.2`, archives included."""
        self._make_room(log)
        self._rename(log, f"{log.path}.1")
        self.world.witness("storm.renamed_by_number")

    def rename_by_date(self, log: LogFile) -> None:
        log.rotation_count += 1
        self._rename(log, f"{log.path}-20261124{log.rotation_count:02d}")
        self.world.witness("storm.renamed_by_date")
        dated = [name for name in self._rotated(log) if name[len(log.path)] == "-"]
        if len(dated) > KEPT:
            self._delete(log, min(dated))

    def copy_truncate(self, log: LogFile) -> None:
        """Copy it and empty it; what is written in between is in no copy."""
        self._make_room(log)
        self.files.copy(log.path, f"{log.path}.1")
        self._truncate_later(log, "storm.copied_and_truncated")

    def copy_over(self, log: LogFile) -> None:
        """Copy it over the last copy, as a script without numbers does, and empty it."""
        name = f"{log.path}.1"
        if name not in self.files.names:
            self.copy_truncate(log)
            return
        node = self.files.names[name]
        if log.former is node:
            log.former = None
        self.files.copy(log.path, name)
        self._truncate_later(log, "storm.copied_over")

    def compress(self, log: LogFile) -> None:
        """Compress one that was rotated, read or not; its archive may take a while."""
        plain = [n for n in self._rotated(log) if not n.endswith(SUFFIXES)]
        if not plain:
            self.rename_by_number(log)
            return
        name = self.random.choice(plain)
        node = self.files.names[name]
        if log.former is node:
            log.former = None  # What is written to it from now on is nobody's.
        content, suffix = bytes(node.content), self.random.choice(SUFFIXES)
        if suffix == ".gz":
            archive = gzip.compress(content, 1, mtime=0)
        else:
            archive = zstandard.ZstdCompressor().compress(content)
        is_at_once = not self.has_sweeping_globs or self.world.has_luck(AT_ONCE_CHANCE)
        begun = archive if is_at_once else archive[: len(archive) // 2]
        made = self.files.compress(name, begun, suffix=suffix)

        def complete() -> None:
            self.files.complete(made, archive, held_bytes=len(content))
            self.world.witness(f"storm.compressed{suffix}")

        def remove() -> None:
            log.is_rotating = False
            if name in self.files.names:
                self.files.unlink(name)

        if is_at_once:
            complete()
            remove()
        else:
            log.is_rotating = True
            complete_ms = self.random.randint(*STEP_MS)
            self.world.later(complete_ms, complete)
            self.world.later(complete_ms + self.random.randint(*STEP_MS), remove)

    def delete(self, log: LogFile) -> None:
        """Delete a rotated file, or the log itself, in whose place a new one comes."""
        rotated = self._rotated(log)
        if rotated and self.world.has_luck(0.6):
            self._delete(log, self.random.choice(rotated))
            return
        free = tuple(self.files.volumes[log.host].free)
        self.files.unlink(log.path)
        self._create(log)
        if self._node(log).inode in free:
            self.world.witness("file.inode_reused")
        self.world.witness("storm.deleted")

    # The steps that they share.

    def _rotated(self, log: LogFile) -> list[str]:
        return sorted(
            name
            for name in self.files.names
            if name.startswith(log.path) and name != log.path
        )

    def _make_room(self, log: LogFile) -> None:
        """Give each numbered file the next number; the last one is deleted."""
        for number in range(KEPT, 0, -1):
            for suffix in ("", *SUFFIXES):
                name = f"{log.path}.{number}{suffix}"
                if name not in self.files.names:
                    continue
                if number == KEPT:
                    self._delete(log, name)
                else:
                    self.files.rename(name, f"{log.path}.{number + 1}{suffix}")

    def _rename(self, log: LogFile, name: str) -> None:
        log.former = self._node(log)
        self.files.rename(log.path, name)
        self._create(log)

    def _delete(self, log: LogFile, name: str) -> None:
        if log.former is self.files.names[name]:
            log.former = None
        self.files.unlink(name)
        self.world.witness("storm.deleted")

    def _truncate_later(self, log: LogFile, witness: str) -> None:
        """Empty a file that was copied, at once or when a little more was written."""
        log.former = None

        def truncate() -> None:
            log.is_rotating = False
            self.files.truncate(log.path)
            self.world.witness(witness)

        if _is_hardly_known(self._node(log).life) or self.world.has_luck(
            AT_ONCE_CHANCE
        ):
            truncate()
        else:
            log.is_rotating = True
            self.world.later(self.random.randint(*STEP_MS), truncate)


def _is_hardly_known(life: Life) -> bool:
    """Return whether an agent may know no place of a life where a copy of it ends now.

    Of a small file it knows where lines end, and no place amid one; of a larger one the
    places that it read to, of which there may be none yet between the head and the end of
    what it reads at once (ARCHITECTURE.md, limits).
    """
    if len(life.content) < HEAD_BYTES:
        return not life.content.endswith(b"\n")
    return life.seen_bytes < HEAD_BYTES
