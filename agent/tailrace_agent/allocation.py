"""How freed buffers are kept for the next chunk, instead of going back to the kernel.

A chunk is copied a few times on its way: out of the reader's buffer, into the producer's
record, its batch, and what is compressed of it. Each copy is larger than what the C library
keeps by default, so each was asked of the kernel anew, which clears every page of it first:
a third of all that the agent took.
"""

from __future__ import annotations

import ctypes
import os

from tailrace.topics import KIBIBYTE

_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
"""The numbers that `mallopt` of the GNU C library knows these by."""
LARGE_BYTES = 4 * KIBIBYTE * KIBIBYTE
"""What is larger still goes back at once; a chunk is at most a fourth of it."""
KEPT_BYTES = 64 * KIBIBYTE * KIBIBYTE
"""So much that is free at its end a heap keeps. Of those there are a few, and they grow no
larger than what was in use at a time, which the bytes in flight bound."""
ENVIRONMENT = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_")


def keep_buffers() -> bool:
    """Let this process keep what it frees; return whether its C library can be told so.

    Whoever has set the library's own variables is left with what they say.
    """
    if any(name in os.environ for name in ENVIRONMENT):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False  # Another C library, which has rules of its own.
    return bool(
        mallopt(_MMAP_THRESHOLD, LARGE_BYTES) and mallopt(_TRIM_THRESHOLD, KEPT_BYTES)
    )
