"""What a file's first bytes tell: how it is written, and a sample to choose a parser by."""

from __future__ import annotations

from tailrace_agent.archives import AnyFile, ArchiveFile
from tailrace_agent.forms import MARK_BYTES_MAX, PLAIN, Form, form_of
from tailrace_agent.nuls import behind_nuls
from tailrace_agent.tracked import TrackedFile

SAMPLE_BYTES = 65_536
"""What a parser is chosen by; it is also the most that is read twice."""


def form_of_file(tracked: TrackedFile, file: AnyFile) -> Form:
    """Return how the file's lines are written, which its first bytes may tell.

    Raises:
        OSError: the file cannot be read.
    """
    if tracked.form is None:
        head = bytearray(MARK_BYTES_MAX)
        size = file.read_into((memoryview(head),), offset=0)
        form = form_of(
            bytes(head[:size]),
            encoding=tracked.source.encoding,
            is_archive=isinstance(file, ArchiveFile),
        )
        if size < MARK_BYTES_MAX and form is PLAIN:
            return form  # What follows may yet make it a mark.
        tracked.form = form
    return tracked.form


def sample_of(tracked: TrackedFile, file: AnyFile) -> bytes:
    """Return what a parser is chosen by, without the hole that it may begin with.

    Raises:
        OSError: the file cannot be read.
    """
    sample = b""
    if tracked.position.offset:
        sample = _sample(file, offset=tracked.position.offset)
    # Of a copy, or of a file that is begun at its end, what is left out speaks:
    # where reading begins must be safe before the first new line comes.
    return sample or _sample(file, offset=file.data_offset())


def is_enough(sample: bytes, *, is_flushing: bool) -> bool:
    """Return whether there is a whole line to choose by, or never will be one."""
    is_whole = b"\n" in sample or len(sample) == SAMPLE_BYTES or is_flushing
    return bool(sample) and is_whole


def as_utf8(sample: bytes, *, form: Form) -> bytes:
    """Return the sample as a parser reads it."""
    if form.codec is None:
        return sample
    return form.stored(sample.removeprefix(form.mark))


def _sample(file: AnyFile, *, offset: int) -> bytes:
    buffer = memoryview(bytearray(SAMPLE_BYTES))
    size = file.read_into((buffer,), offset=offset)
    if size and not buffer[0]:
        # NULs that do take room on the disk, as a loss of power leaves them.
        offset = behind_nuls(file, offset, 1, 1)
        size = file.read_into((buffer,), offset=offset)
    return bytes(buffer[:size])
