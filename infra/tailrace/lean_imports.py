"""How a role starts without what its libraries would load only because it is installed.

Elasticsearch's client imports numpy, pyarrow, aiohttp and others where they are there, for
values and ways that the indexer never gives it: with everything installed that is a third of
what a start costs. Each of those imports is written to fail where its package is missing.
"""

from __future__ import annotations

import sys
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from typing import Final

NOT_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "indexer": ("aiohttp", "numpy", "opentelemetry", "pandas", "pyarrow", "requests"),
}
"""By role, optional packages of its libraries that it makes no use of."""


@contextmanager
def barred(modules: Iterable[str]) -> Generator[None]:
    """Let imports of these modules fail inside, those apart that are imported already.

    Only for a process that runs one role: a library that was imported inside goes without
    them for good.
    """
    kept_out = [name for name in modules if name not in sys.modules]
    for name in kept_out:
        # This is how Python is told that a module is not to be found.
        sys.modules[name] = None  # pyright: ignore[reportArgumentType]
    try:
        yield
    finally:
        for name in kept_out:
            sys.modules.pop(name, None)
