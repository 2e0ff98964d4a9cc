"""Why freed memory is kept: bodies of megabytes come and go, and each costs page faults.

The allocator of glibc gives large blocks back to the kernel at once, and the next body
faults every page in again: a third of the indexer's time. Elsewhere this does nothing.
"""

from __future__ import annotations

import ctypes

from tailrace.topics import MEBIBYTE

# From malloc.h.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3
_ARENA_MAX = -8
KEPT_BYTES = 64 * MEBIBYTE
"""Free memory beyond this is given back."""
MAPPED_BYTES_MIN = 32 * MEBIBYTE
"""The most that glibc takes; larger blocks are mapped each for itself."""


def keep_freed_memory() -> bool:
    """Let the allocator reuse what bodies leave behind; return whether it could."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    options = (
        (_MMAP_THRESHOLD, MAPPED_BYTES_MIN),
        (_TRIM_THRESHOLD, KEPT_BYTES),
        # One arena: what one thread frees another one reuses.
        (_ARENA_MAX, 1),
    )
    return all(mallopt(name, value) == 1 for name, value in options)
