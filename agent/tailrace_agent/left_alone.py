"""What stands at names that match and is not followed: no regular file, or one too old."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace_agent.discovery import Found
from tailrace_agent.followed import Key


class LeftAlone:
    """Remembers each for as long as it is there, and no longer.

    Whoever may put names where a glob looks could make new ones all the time: on many a
    filesystem none of them has the inode of one before.
    """

    def __init__(self) -> None:
        self._times: dict[Key, int] = {}
        """When each was last written, as of the sweep that left it alone."""

    def __len__(self) -> int:
        return len(self._times)

    def note(self, key: Key, modified_at_ns: int) -> bool:
        """Leave something alone; return whether it is new."""
        is_new = key not in self._times
        self._times[key] = modified_at_ns
        return is_new

    def is_as_it_was(self, key: Key, modified_at_ns: int) -> bool:
        """Return whether it was left alone, and was not written since."""
        return self._times.get(key) == modified_at_ns

    def forget_gone(self, found: Sequence[Found]) -> None:
        """Forget what is gone, once there are more than a sweep found of everything."""
        if len(self._times) > len(found):
            here = {(one.status.st_dev, one.status.st_ino) for one in found}
            self._times = {k: at for k, at in self._times.items() if k in here}
