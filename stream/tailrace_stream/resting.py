"""When what is open of a silent file is closed, so that states stay as small as their files.

A file's own lines close its windows (`window_times.py`), and the last ones of a file that
grows no more would stay open for good: of a hundred thousand files most of what a worker
holds, and reads back. So a file that has been silent for long *rests*: its windows are
closed, and its state keeps what was counted, its figures and its watermark. What comes for
such a window all the same is counted as another part, and whether it is late its file's
watermark says, as ever.

A part may be closed only where no revision of it was told which its state does not know.
After a crash there may be such: the record that made them comes again, and must find open
what it found then. So in a partition nothing rests until all is done again that was there
when its states were read. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from tailrace.errors import WireError
from tailrace.wire import decode, encode
from tailrace_stream.windows import GenerationState

REST_MAX = 100
"""States of one partition that are closed at once: a few milliseconds of work."""

_NOTHING = msgspec.Raw(b"[]")


class _Open(msgspec.Struct):
    """What of a state is open, undecoded."""

    windows: msgspec.Raw = _NOTHING
    groups: msgspec.Raw = _NOTHING
    spreads: msgspec.Raw = _NOTHING
    tops: msgspec.Raw = _NOTHING


_decoder = msgspec.json.Decoder(_Open)


def has_open(value: bytes) -> bool:
    """Tell whether a state holds anything that is open; of one that is unreadable, no."""
    try:
        found = _decoder.decode(value)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    parts = (found.windows, found.groups, found.spreads, found.tops)
    return any(part != _NOTHING for part in parts)


def rested(value: bytes) -> bytes | None:
    """Return the state with nothing open, None where it cannot be read.

    Its revision is as it was: of two equal ones the later is the truth.
    """
    try:
        state = decode(value, as_type=GenerationState)
    except WireError:
        return None
    return encode(
        msgspec.structs.replace(
            state, older_windows=(), windows=(), spreads=(), tops=()
        )
    )


class Silences:
    """Since when each generation of a partition is silent that has something open."""

    def __init__(self, open_since_ms: Iterable[tuple[str, int]] = ()) -> None:
        """Begin with what was read back, each with when it was written."""
        ordered = sorted(open_since_ms, key=lambda item: item[1])
        self._since_ms = dict(ordered)

    def __len__(self) -> int:
        """Return how many have something open."""
        return len(self._since_ms)

    def end(self, generation: str, *, now_ms: int) -> None:
        """Say that a generation was counted to now."""
        # Behind all others, so that whoever is silent for longest stands first.
        self._since_ms.pop(generation, None)
        self._since_ms[generation] = now_ms

    def take(self, *, until_ms: int) -> list[str]:
        """Return, and forget, some of those that are silent since `until_ms` or before."""
        found: list[str] = []
        for generation, since_ms in self._since_ms.items():
            if since_ms > until_ms or len(found) == REST_MAX:
                break
            found.append(generation)
        for generation in found:
            del self._since_ms[generation]
        return found
