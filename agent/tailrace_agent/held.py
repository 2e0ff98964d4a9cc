"""Events that may go on, in memory: a file can lose them while they are waited for.

A whole line that was read is to be sent, whatever becomes of its file. One that waits for
the lines behind it is therefore kept until it is sent, within a limit for all files.
"""

from __future__ import annotations

from weakref import WeakSet

from tailrace_agent.positions import OpenEvent
from tailrace_agent.tracked import TrackedFile

HELD_BYTES_MAX = 16 * 1_024 * 1_024
"""Beyond it an event is sent as it stands, and the cut noted: nothing is let go."""


class HeldEvents:
    """Counts what all files hold; each holds its own."""

    def __init__(self, *, bytes_max: int = HELD_BYTES_MAX) -> None:
        self._bytes_max = bytes_max
        self._files: WeakSet[TrackedFile] = WeakSet()
        self._bytes = 0
        """At least what is held: files that were let go of are counted until it is full."""

    def hold(
        self, tracked: TrackedFile, event: OpenEvent | None, *, now_ms: int
    ) -> bool:
        """Put an event in the place of the file's last one; say if there is room.

        Where there is none it is held all the same, and to be sent at once.
        """
        before = tracked.held
        if event is None or before is None or event.offset != before.offset:
            tracked.held_since_ms = now_ms
        self._bytes += _size_bytes(event) - _size_bytes(tracked.held)
        tracked.held = event
        if event is None:
            self._files.discard(tracked)
            return True
        self._files.add(tracked)
        if self._bytes > self._bytes_max:
            self._bytes = sum(_size_bytes(file.held) for file in self._files)
        return self._bytes <= self._bytes_max


def _size_bytes(event: OpenEvent | None) -> int:
    return 0 if event is None else len(event.value)
