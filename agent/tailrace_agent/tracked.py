"""One file that is followed: where reading stands, and when it was last seen to grow."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from tailrace.text import path_text
from tailrace.wire import AgentLedger, Cut, FileIdentity, Mark
from tailrace_agent.archives import AnyFile
from tailrace_agent.building import LongEvent
from tailrace_agent.config import SourceSettings
from tailrace_agent.facts import FileFacts
from tailrace_agent.forms import Form
from tailrace_agent.heads import Head, begins_with_hole, read_head
from tailrace_agent.positions import START, OpenEvent, Position, Source


class Stage(Enum):
    """What is to be done with a file."""

    FOLLOWED = "its name is there"
    LEAVING = "its name went elsewhere or is gone: read to the end, then let go"


class Told(NamedTuple):
    """What stood of a file when the ledger was last told of it."""

    record: AgentLedger
    path: str
    size_bytes: int


class Slot(NamedTuple):
    """When a file that has to wait may be read next, and for how many bytes that is."""

    at_ms: int
    size_bytes: int
    is_behind: bool = True
    """Whether it is one at the rate at which files catch up."""


@dataclass(slots=True, eq=False, weakref_slot=True)
class TrackedFile:
    """What changes while a file is followed; its safe position is in `Delivery`."""

    generation: str
    identity: FileIdentity
    facts: FileFacts
    path: str
    source: SourceSettings
    first_seen_at_ms: int
    file: AnyFile | None
    position: Position = START
    """Where the next chunk begins; everything before it was given to `Delivery`."""
    cuts: tuple[Cut, ...] = ()
    long_event: LongEvent | None = None
    held: OpenEvent | None = None
    """What was read of an event that may go on, should the file lose it."""
    held_since_ms: int = 0
    """Since when that, or less of it, is held."""
    is_crowded: bool = False
    """There is no room to hold that: it is sent as it stands."""
    stage: Stage = Stage.FOLLOWED
    size_bytes: int = 0
    """As last seen; what stands from the position to there is unread."""
    seen: tuple[int, int] = (-1, -1)
    """Size and mtime as last seen; the file is looked at when they differ."""
    grew_at_ms: int = 0
    unread_since_ms: int = 0
    trouble: str = ""
    """Why it cannot be read now."""
    retry_ms: int = 0
    identity_rebuilt: bool = False
    repeatable_bytes: int = 0
    """So much of it may have been sent by a life of which nothing is known."""
    ended: list[str] = field(default_factory=list[str])
    """Its earlier generations, ended by truncation, that have no successor yet."""
    form: Form | None = None
    """How its lines are written; None until its first bytes are looked at."""
    is_judged: bool = False
    """Whether it is clear that it is no copy, or whose."""
    judged_as: tuple[int, int] | None = None
    """Size and mtime of what that was told of; None where it was not asked of content."""
    passed_bytes: int = 0
    """So much at its head is passed over, for it was read elsewhere; nothing was sent of it."""
    clear_until_ms: int | None = None
    """Until when a file that could be a copy is held back."""
    early_until_ms: int | None = None
    """Until when it waits for a file to be met, or named, that may be its original."""
    asked_in_sweep: int | None = None
    """After how many sweeps it was first asked what it holds now; -1 where the last of
    them had seen that, None before."""
    first_head: Head | None = None
    """How it began when it was last looked at before it had a name."""
    blank_bytes: int = 0
    """How much of what is unread is no line and may become none, as it stands."""
    trimmed_bytes: int = 0
    """How much of what was seen of it is not there any more, and was no loss."""
    may_begin_with_hole: bool = False
    """A file of this content was truncated before: NULs at its head are a hole."""
    archive_suffix: str | None = None
    """What it is compressed with: its sizes on the disk are not those of its content."""
    short_bytes: int = 0
    """As how large an archive it was last seen to be incomplete."""
    is_left_out: bool = False
    """It is an archive that was there before its source, which begins at the end."""
    copied_bytes: int = 0
    """How much of it stands in a copy, too: that is not lost with a truncation."""
    copied: Mark | None = None
    """Where a copy ended that was met before it had a record, which will tell of it."""
    whole_size_bytes: int = 0
    """The size at the last look that found the content before the position unchanged."""
    shrunk_from_bytes: int = 0
    """How large it was before it shrank since that look; 0 where it did not."""
    shrunk_to_bytes: int = 0
    unwatched_since_ms: int = 0
    """When it had last been looked at as its record tells, or the last sweep began before
    this process stood still, until a look finds it as it was: what came to it since, should
    it be truncated, was seen by nobody. 0 once it was looked at."""
    is_outside: bool = False
    """No glob means its name; it is followed for what only it may hold."""
    first_path: str = ""
    """Where it was when it began to be followed, or by its record before."""
    met_as: str = ""
    """The name that its life before had: this one may have begun under it, too. Empty
    where it is not known to have had another."""
    left_as: str = ""
    """The name that it was last seen to have, where no glob means that; empty before."""
    is_later_copy: bool = False
    """It was made after the copy of a life that is known: if it is of none, it is of one
    that nobody saw."""
    changes: int = 1
    """How often a sweep found it new or changed."""
    looked_changes: int = 0
    """How many of those a look has taken in: what there was then is known."""
    rest: tuple[int, int] | None = None
    """When a sweep last found all of it read, before it changed, and where it ended then."""

    is_behind: bool = False
    """What is unread of it has waited: it is sent at the rate that is set for that."""
    slot: Slot | None = None
    told: Told | None = None
    """What the last report went by; None where it may have more to tell."""

    @property
    def key(self) -> tuple[int, int]:
        """Name the file among those that exist at this moment."""
        return self.facts.key

    @property
    def shown_path(self) -> str:
        """Return the path as text that any encoder takes."""
        return path_text(self.path)

    @property
    def unread_bytes(self) -> int:
        """Return how much was seen and not read."""
        return max(0, self.size_bytes - self.position.offset)

    @property
    def has_outgrown_passed(self) -> bool:
        """Return whether there is more in a plain file than was passed over of it."""
        return (
            0 < self.passed_bytes == self.position.offset < self.size_bytes
            and self.archive_suffix is None
        )

    @property
    def is_looked_at(self) -> bool:
        """Whether all that a sweep saw of it was looked at since."""
        return self.looked_changes >= self.changes

    @property
    def is_at_rest(self) -> bool:
        """Whether it is closed, and as it was when it was read to its end.

        A sweep sees when it changes. To open it for a look between two sweeps costs fifty
        times what a look at an open file does, and more files than may be open at a time
        would close one another's.
        """
        return (
            self.file is None
            and self.stage is Stage.FOLLOWED
            and self.is_looked_at
            and 0 < self.position.offset == self.size_bytes
            and self.archive_suffix is None
            and self.held is None
            and not (self.ended or self.passed_bytes or self.trouble)
        )

    @property
    def largest_size_bytes(self) -> int:
        """The largest size that this generation was seen to have."""
        return max(self.whole_size_bytes, self.shrunk_from_bytes)

    def has_more(self, size_bytes: int, *, now_ms: int) -> bool:
        """Take in how large the file is now; return whether there is more to read."""
        if self.archive_suffix is not None:
            return False
        self.note_size(size_bytes, now_ms=now_ms)
        return self.unread_bytes > self.blank_bytes

    def note_seen(
        self, seen: tuple[int, int], *, now_ms: int, swept_at_ms: int
    ) -> None:
        """Take in that a sweep found another size or time of change.

        `swept_at_ms` is of the sweep before that.
        """
        self.seen = seen
        if swept_at_ms and self.size_bytes == self.position.offset:
            self.rest = (swept_at_ms, self.size_bytes)
        self.changes += 1
        if self.archive_suffix is None:
            self.note_size(seen[0], now_ms=now_ms)
        elif self.passed_bytes:
            self._ask_again()  # There may be more in it than was passed over.
        if self.archive_suffix is not None or self.blank_bytes:
            # Also where it stands in room taken beforehand.
            self.grew_at_ms = now_ms
            self.blank_bytes = 0

    def hold_on(self, away_ms: int) -> None:
        """Wait so much longer for what it may be a copy of: nobody looked at that."""
        if self.clear_until_ms is not None:
            self.clear_until_ms += away_ms
        if self.early_until_ms is not None:
            self.early_until_ms += away_ms

    def _ask_again(self) -> None:
        self.is_judged = False
        self.clear_until_ms = self.early_until_ms = self.asked_in_sweep = None

    def note_blank(self) -> None:
        """Note that all that is unread is no line as it stands."""
        self.blank_bytes = self.unread_bytes
        self.whole_size_bytes = self.size_bytes - self.blank_bytes

    def note_first(self, file: Source, *, size_bytes: int) -> None:
        """Take in how a file without a name begins, and how much there is of it.

        Raises:
            OSError: the file cannot be read.
        """
        if not begins_with_hole(file):  # Its writer may fill it.
            self.first_head = read_head(file)
            self.whole_size_bytes = size_bytes

    def note_looked(self) -> None:
        """Note that the file was looked at after the last change that a sweep saw."""
        self.looked_changes = self.changes

    def note_size(self, size_bytes: int, *, now_ms: int) -> None:
        """Take in how large the file is now."""
        if size_bytes != self.size_bytes:
            blank_bytes, self.blank_bytes = self.blank_bytes, 0
            if not self.unread_bytes:
                self.unread_since_ms = now_ms
            if size_bytes < self.size_bytes:
                # Room that was taken beforehand, and is given back, held no line.
                held_bytes = self.size_bytes - blank_bytes
                self.shrunk_from_bytes = max(self.shrunk_from_bytes, held_bytes)
                self.trimmed_bytes += min(blank_bytes, self.size_bytes - size_bytes)
                self.shrunk_to_bytes = size_bytes
                self.is_judged = False  # What it holds now may be a copy.
            self.grew_at_ms = now_ms
            self.size_bytes = size_bytes
        if self.has_outgrown_passed:
            # Read elsewhere or not: until that is clear, all of it is unread.
            self.position = START
            self._ask_again()

    def note_whole(self) -> int:
        """Note that the content is what it was; return the bytes that were cut off."""
        lost_bytes = max(self.shrunk_from_bytes - self.shrunk_to_bytes, 0)
        self.shrunk_from_bytes = self.shrunk_to_bytes = 0
        if lost_bytes:
            # What was cut off is declared, and must not be lost once more.
            self.whole_size_bytes = self.size_bytes
        self.whole_size_bytes = max(self.whole_size_bytes, self.size_bytes)
        self.unwatched_since_ms = 0
        self.note_looked()
        return lost_bytes

    def begin_next_life(
        self, identity: FileIdentity, *, generation: str, at_ms: int, now_ms: int
    ) -> int:
        """Start at the head, as a new generation; return the bytes never read."""
        # Where it never looked smaller, its present size is all of the new life.
        safe_offset = max(self.position.offset, self.copied_bytes)
        lost_bytes = max(0, self.largest_size_bytes - safe_offset)
        self.identity, self.generation = identity, generation
        self.position, self.cuts, self.long_event = START, (), None
        self.held, self.is_crowded = None, False
        self.form, self.is_judged = None, False
        self.passed_bytes = self.copied_bytes = 0
        self.clear_until_ms = self.early_until_ms = self.asked_in_sweep = None
        self.may_begin_with_hole = True
        self.first_seen_at_ms = at_ms
        self.rest = self.first_head = self.copied = None
        self.blank_bytes = self.trimmed_bytes = 0
        self.identity_rebuilt, self.repeatable_bytes = False, 0
        self.unwatched_since_ms = 0
        self.whole_size_bytes = self.shrunk_from_bytes = self.shrunk_to_bytes = 0
        self.grew_at_ms = self.unread_since_ms = now_ms
        self.changes += 1
        return lost_bytes

    def take_over(self, record: AgentLedger, *, position: Position) -> None:
        """Go on with a generation whose bytes stand in this file now."""
        self.generation = record.generation
        self.position, self.cuts, self.long_event = position, record.cuts, None
        self.held, self.is_crowded = None, False
        self.passed_bytes = record.passed_bytes
        self.first_seen_at_ms = record.placement.anchor_ms
        self.rest = None
        self.identity_rebuilt = record.identity_rebuilt
        self.repeatable_bytes = record.repeatable_bytes
        self.may_begin_with_hole = record.identity.truncation_count > 0

    def close(self) -> None:
        """Give the descriptor back; reading goes on after opening it again."""
        if self.file is not None:
            self.file.close()
            self.file = None
