"""How long work of the embedded stack is shown: an interface, a silent and a rich one."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.progress import Progress as RichBar

from tailrace.text import printable

Advance = Callable[[int], None]


class Progress(Protocol):
    """What is told while servers are fetched and started; called from any thread."""

    def step(self, message: str) -> None:
        """Say that something has been done or is waited for."""
        ...

    def downloading(
        self, label: str, *, size_bytes: int
    ) -> AbstractContextManager[Advance]:
        """Show a download of `size_bytes`; call what is yielded with bytes received."""
        ...


class SilentProgress:
    """Shows nothing: for tests, and for programs that read our output."""

    def step(self, message: str) -> None:
        """Say nothing."""

    @contextmanager
    def downloading(
        self, label: str, *, size_bytes: int
    ) -> Generator[Advance, None, None]:
        """Count nothing."""
        del label, size_bytes
        yield lambda _received_bytes: None


class RichProgress:
    """Steps as lines and downloads as bars, on the console given."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def step(self, message: str) -> None:
        """Print one line."""
        text = "\n".join(map(printable, message.split("\n")))
        self._console.print(text, markup=False, highlight=False)

    @contextmanager
    def downloading(
        self, label: str, *, size_bytes: int
    ) -> Generator[Advance, None, None]:
        """Draw one bar until the block ends."""
        bar = RichBar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TransferSpeedColumn(),
            TimeRemainingColumn(),
            console=self._console,
        )
        with bar:
            task = bar.add_task(f"Downloading {label}", total=size_bytes)
            yield lambda received_bytes: bar.advance(task, received_bytes)
