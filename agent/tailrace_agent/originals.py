"""Whether the original of a file that may be a copy was met, and has a name already."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace_agent.archives import AnyFile
from tailrace_agent.copies import UNCLEAR_MS_MAX, Copies, Kin
from tailrace_agent.delivery import Delivery
from tailrace_agent.families import family_of, may_be_copy
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.whereabouts import has_moved


@dataclass(slots=True)
class Originals:
    """Tells of which files it is too early to say what they are."""

    delivery: Delivery
    copies: Copies
    sweeps_count: int = 0
    """How many sweeps were taken in."""
    unmet_in_sweep: int = 0
    """After how many of them a file was last seen to stand where another one did, of which
    it has the inode: the next sweep meets it."""

    def note_unmet(self) -> None:
        """Note that a file stands at a name that the last sweep took for another's."""
        self.unmet_in_sweep = self.sweeps_count

    def may_be_unmet(
        self, suspect: TrackedFile, file: AnyFile, kin: Kin, *, now_ms: int
    ) -> bool:
        """Return whether a possible original has content and no name yet, or may have.

        An original and its copy that are met at once are judged in their order. So are
        they where the original is known and was written anew since: its copy is of the
        life that its next turn will begin. Where a file moved since the last sweep, the
        next may find the original under the name that it had; where content came since,
        under any. It is not waited for longer than for a copy to be made.

        Raises:
            OSError: the file cannot be read.
        """
        originals = [
            original
            for original in kin.followed
            if may_be_copy(kin.path, original_paths=(original.shown_path,))
        ]
        for original in originals:
            if not self.delivery.knows(original.generation):
                self.copies.note_copy(original, file)
        is_early = (
            has_moved(suspect)
            or self._is_unswept(suspect, file, kin)
            or any(map(self._is_in_motion, originals))
        )
        if is_early and suspect.early_until_ms is None:
            suspect.early_until_ms = now_ms + UNCLEAR_MS_MAX
        if is_early and suspect.archive_suffix is not None:
            self._let_first(originals, suspect)
        until_ms = suspect.early_until_ms
        return is_early and until_ms is not None and now_ms < until_ms

    def _let_first(self, originals: list[TrackedFile], archive: TrackedFile) -> None:
        """Let plain files that wait, too, have their turn before: they are given time to.

        An archive and the file that it is made of may be met at once, and wait for the
        same. Were the archive its own by then, both would be sent. No file waits longer
        for an archive, so that none waits for ever.
        """
        for original in originals:
            until_ms = original.early_until_ms
            is_plain = original.archive_suffix is None
            if is_plain and until_ms is not None and self._is_to_be_named(original):
                archive.early_until_ms = max(
                    archive.early_until_ms or 0, until_ms + UNCLEAR_MS_MAX
                )

    def _is_unswept(self, suspect: TrackedFile, file: AnyFile, kin: Kin) -> bool:
        """Return whether no sweep has begun since a life was first seen to have content.

        A script may make a log, and copy it over an older copy, between two sweeps: that
        copy is followed, and looked at, before the log is. So may one that was swept, if
        the log has the inode of a file that is gone.
        """
        has_name_of_copy = (
            kin.followed or kin.orphans or family_of(kin.path) != kin.path
        )
        if not has_name_of_copy:
            return False
        status = file.status()
        if suspect.asked_in_sweep is None:
            is_swept = suspect.seen == (status.st_size, status.st_mtime_ns)
            suspect.asked_in_sweep = -1 if is_swept else self.sweeps_count
        return self.sweeps_count in {suspect.asked_in_sweep, self.unmet_in_sweep}

    def _is_in_motion(self, original: TrackedFile) -> bool:
        """Return whether what an original is now called, or what it holds, is to be found."""
        return (
            has_moved(original)
            or self._is_to_be_named(original)
            or self.copies.is_anew(original)
        )

    def _is_to_be_named(self, original: TrackedFile) -> bool:
        """Return whether a file without a name has content, had some, or may have.

        Of one that was emptied since, its turn names the life that ended. One that lost
        its name may have been written since it was looked at: no sweep has seen that.
        """
        is_unseen = original.stage is Stage.LEAVING and not original.is_looked_at
        seen_bytes = max(original.size_bytes, original.largest_size_bytes)
        has_content = seen_bytes > original.position.offset or is_unseen
        return has_content and not self.delivery.knows(original.generation)
