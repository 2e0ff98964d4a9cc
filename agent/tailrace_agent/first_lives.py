"""Whether a file is still in its first life, as far as its first line can prove that.

How often a file was truncated stands nowhere but in checkpoint and ledger. Where both are
gone, its first line may tell: it bears a time, and a file that was never truncated holds a
line that was written when it was born.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from tailrace.guess.times import LOOKED_AT_BYTES, moment_of
from tailrace_agent.archives import AnyFile, ArchiveFile

BEFORE_BIRTH_MAX = timedelta(seconds=2)
"""A line may be made before its file is, and its fraction of a second is not read."""
AFTER_BIRTH_MAX = timedelta(seconds=60)
"""What was truncated within so short a time of its birth is taken for never truncated."""


def is_in_first_life(file: AnyFile, *, time_zone: str | None) -> bool:
    """Return whether the first line was written when the file was born.

    False where that is not known: no time of birth, no time in the line, a file that cannot
    be read now, or an archive, which is born when what it holds is old. `time_zone` is that
    of times which name none; None is this host's.
    """
    if isinstance(file, ArchiveFile) or file.facts.born_at_ns is None:
        return False
    head = bytearray(2 * LOOKED_AT_BYTES)
    try:
        size = file.read_into((memoryview(head),), offset=0)
    except OSError:
        return False  # Whoever reads its lines says so.
    # Of UTF-16 each character of a time has a NUL beside it.
    line = bytes(head[:size]).replace(b"\0", b"").partition(b"\n")[0]
    born = datetime.fromtimestamp(file.facts.born_at_ns / 1e9, tz=UTC)
    written = moment_of(line, time_zone=time_zone, year=born.year)
    if written is None:
        return False
    return -BEFORE_BIRTH_MAX <= written - born <= AFTER_BIRTH_MAX
