"""How many files may be held open: within what the kernel lets this process have.

A limit below what the settings say would refuse files for ever, as what is idle is closed
only where more are held than the settings allow.
"""

from __future__ import annotations

import contextlib
import errno
import resource

RESERVED = 48
"""Descriptors of all else: Kafka, ZooKeeper, the checkpoint, listings, metrics, the log."""
FILES_MIN = 8
REMEDY = (
    "raise the limit on open files (`ulimit -n`, or LimitNOFILE of a service); until then"
    " idle files are closed and opened again"
)


def files_open_max(wanted: int) -> int:
    """Return how many files may be held open, `wanted` at the most.

    The soft limit is raised first, as far as it is needed and this user may.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = wanted + RESERVED
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return wanted
    raised = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if raised > soft:
        # macOS names a hard limit that its kernel does not give.
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return min(wanted, max(FILES_MIN, soft - RESERVED))


def is_short(error: OSError) -> bool:
    """Return whether a file was refused because too many are open."""
    return error.errno in {errno.EMFILE, errno.ENFILE}
