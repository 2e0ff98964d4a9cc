"""What applications and their rotation do to log files, as the dice say.

Lines are of every kind that hurt somebody: equal ones, blank ones, with a carriage return,
too long, not UTF-8, refused by every mapping, and written in two halves. Most name their
life and number, so that no two lives can be taken for each other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random

from tests.simulation.filesystem import Files, Node
from tests.simulation.world import World

BANNER = b"=== started, and this line is the same in every file ===\n"
SAME = b"2026-11-24 01:02:03 INFO the same line as before\n"
CONFLICT = b"mapping-conflict"
"""Whatever holds this is refused by the index."""
SECRET_HALVES = (b"kanari", b"envogel")
"""What is planted, and may leave no host that redacts. A flush may part it."""
EVENT_BYTES_MAX = 4_096
TODAY = 24
LEVELS = (b"INFO", b"WARN", b"ERROR")
LONG_BYTES = (EVENT_BYTES_MAX - 1, EVENT_BYTES_MAX, EVENT_BYTES_MAX + 1, 9_000)


@dataclass(slots=True)
class LogFile:
    """One log of one host, as its application knows it."""

    host: str
    name: str
    line_count: int = 0
    rotation_count: int = 0
    former: Node | None = None
    """The file that a rename took away, which the application may still write to."""
    copies: list[str] = field(default_factory=list[str])
    is_rotating: bool = False
    """A rotation is amid its steps: nothing but writing may happen to it."""

    @property
    def path(self) -> str:
        return f"/{self.host}/logs/{self.name}.log"

    def next_name(self) -> str:
        self.rotation_count += 1
        return f"{self.path}.{self.rotation_count}"


@dataclass(slots=True)
class Applications:
    """Writes to all logs, and rotates them."""

    world: World
    files: Files
    logs: list[LogFile]
    may_copy: bool = True
    """Whether copytruncate is among what may happen."""
    banner: bytes = BANNER
    """With which each application begins its file."""
    days: tuple[int, ...] = (TODAY,)
    """Of November 2026, one of which each line tells."""
    reserved: LogFile | None = None
    """A log to which nothing happens by chance now, because a plot has it."""

    @property
    def random(self) -> Random:
        return self.world.random

    def begin(self) -> None:
        """Make every log, each with the line that is the same everywhere."""
        for log in self.logs:
            self._create(log)

    def act(self) -> None:
        """Let something happen to one of the logs."""
        log = self.random.choice([log for log in self.logs if log is not self.reserved])
        kinds = self.kinds()
        (act,) = self.random.choices(list(kinds), list(kinds.values()))
        act(log)

    def kinds(self) -> dict[Callable[[LogFile], None], int]:
        """Return what may happen, and how often it does beside the others."""
        return {
            self.append: 12,
            self.append_half: 2,
            self.append_to_former: 1,
            self.rename: 2,
            self.copy_truncate: 2 if self.may_copy else 0,
            self.truncate: 1,
            self.truncate_and_regrow: 1,
            self.delete: 1,
        }

    def append(self, log: LogFile) -> None:
        node = self._node(log)
        count = self.random.randint(1, 6)
        data = b"".join(self.line(log, node) for _ in range(count))
        self.files.append(node, data)
        self._tell(log, f"{count} lines, {len(data)} bytes")

    def append_half(self, log: LogFile) -> None:
        """Write a line without its end; what comes next belongs to it."""
        node = self._node(log)
        line = self.line(log, node)
        least_bytes = self.half_bytes_min(node, line)
        self.files.append(node, line[: self.random.randint(least_bytes, len(line))])
        self.world.witness("file.half_a_line")

    def append_most_of_a_line(self, log: LogFile) -> None:
        """Write all of a line but the second half of a secret and its end."""
        node = self._node(log)
        log.line_count += 1
        name = b"L%d.%d" % (node.life.own_number, log.line_count)
        line = b"2026-11-24 01:01:05 INFO %b has password=%b" % (name, _secret_of(name))
        self.files.append(node, line.removesuffix(SECRET_HALVES[1]))
        self.world.witness("file.half_a_line")

    def start_anew(self, log: LogFile, *, is_longer: bool = False) -> None:
        """Empty a file and begin it as every file begins; `is_longer` than it was."""
        before_bytes = len(self._node(log).life.content)
        self.files.truncate(log.path)
        node = self._node(log)
        self.files.append(node, self.banner)
        while is_longer and len(node.life.content) <= before_bytes:
            self.files.append(node, self.line(log, node))
        log.former = None
        self.world.witness("file.started_anew")

    def half_bytes_min(self, node: Node, line: bytes) -> int:
        """Return how much is written at least of half a line."""
        del node, line
        return 1

    def append_to_former(self, log: LogFile) -> None:
        """Write to a file that was renamed away, as before a reload."""
        if log.former is None:
            self.append(log)
            return
        self.files.append(log.former, self.line(log, log.former))
        log.former = None
        self.world.witness("file.written_after_rename")

    def rename(self, log: LogFile) -> None:
        log.former = self._node(log)
        self.files.rename(log.path, log.next_name())
        self.world.witness("file.renamed")
        self._create(log)

    def copy_truncate(self, log: LogFile) -> None:
        node = self._node(log)
        name = log.next_name()
        self.files.create(name, node.life)
        self.files.truncate(log.path)
        log.former = None
        self.world.witness("file.copied_and_truncated")

    def truncate(self, log: LogFile) -> None:
        self.files.truncate(log.path)
        self.world.witness("file.truncated")

    def truncate_and_regrow(self, log: LogFile) -> None:
        """Empty a file and write at once more than it held."""
        before_bytes = len(self._node(log).life.content)
        self.files.truncate(log.path)
        node = self._node(log)
        while len(node.life.content) <= min(before_bytes, 2_000):
            self.files.append(node, self.line(log, node))
        self.world.witness("file.truncated_and_regrown")

    def delete(self, log: LogFile) -> None:
        """Delete the file, or one that was rotated before; sometimes a new one comes."""
        rotated = [name for name in self.files.names if name.startswith(f"{log.path}.")]
        if rotated and self.world.has_luck(0.6):
            path = self.random.choice(rotated)
            if log.former is self.files.names[path]:
                log.former = None
            self.files.unlink(path)
        else:
            self.files.unlink(log.path)
            volume = self.files.volumes[log.host]
            volume.reuses_inodes = True
            free = tuple(volume.free)
            self._create(log)
            volume.reuses_inodes = False
            if self._node(log).inode in free:
                self.world.witness("file.inode_reused")
        self.world.witness("file.deleted")

    def finish_lines(self) -> None:
        """End every half line, or leave it to the flush."""
        for log in self.logs:
            node = self._node(log)
            is_half = not node.life.content.endswith(b"\n")
            if node.life.content and is_half and self.world.has_luck(0.5):
                self.files.append(node, b"the end\n")

    def _create(self, log: LogFile) -> None:
        life = self.files.new_life(log.host, log.name)
        # After a banner that all have, a line by which this one can be known.
        born = b"2026-11-24 01:00:01 INFO L%d.0 was born\n" % life.own_number
        self.files.append(self.files.create(log.path, life), self.banner + born)

    def _node(self, log: LogFile) -> Node:
        return self.files.names[log.path]

    def line(self, log: LogFile, node: Node) -> bytes:
        """Return one line of whichever kind."""
        log.line_count += 1
        name = b"L%d.%d" % (node.life.own_number, log.line_count)
        level = self.random.choice(LEVELS)
        day = self.random.choice(self.days)
        clock = b"2026-11-%d 01:%02d:03" % (day, log.line_count % 3)
        text = b"%b %b %b something happened" % (clock, level, name)
        kind = self.random.randrange(40)
        if kind == 0:
            return b"\n"
        if kind == 1:
            return text + b"\r\n"
        if kind == 2:
            return b"%b \xff\xfe\x00 no text \xc3\n" % text
        if kind == 3:
            return b"%b %b\n" % (text, CONFLICT)
        if kind == 4:
            return text.ljust(self.random.choice(LONG_BYTES), b"x") + b"\n"
        if kind == 5:
            return b"%b \xc3\xa4 \xe8\xaa\x9e <script> \x1b[31m\n" % name
        if kind == 6:
            return b"%b password=%b was typed\n" % (text, _secret_of(name))
        if kind == 7:
            return b"%b %b password=%b\n" % (text, CONFLICT, _secret_of(name))
        return SAME if kind < 11 else text + b"\n"

    def _tell(self, log: LogFile, text: str) -> None:
        self.world.tell(f"{log.path}: {text}")


def _secret_of(name: bytes) -> bytes:
    """Return a secret that is the line's own."""
    return (b"-%b-" % name).join(SECRET_HALVES)
