"""Early news of changes from the kernel: a hint only, as its queue may overflow.

What is asked for is what a sweep would find late and what is rare: names that come, go
and move, and files closed after writing. Growth is not asked for: a busy writer makes an
event of every write, which costs more than looking at the file each moment.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver

from tailrace.log import FilteringBoundLogger
from tailrace_agent.config import AgentSettings
from tailrace_agent.globs import base_of

BASES_MAX = 16
"""Each is a thread and a descriptor of the kernel's; the sweep serves the rest."""
SUPERVISE_S = 5.0
CLOSE_S_MAX = 2.0
NEWS: list[type[FileSystemEvent]] = [
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileDeletedEvent,
    FileMovedEvent,
]


class FileHints:
    """Notes that something changed, and wakes the loop; which file, a sweep finds out.

    One flag is the whole queue: it cannot overflow, and a sweep misses nothing.
    """

    def __init__(
        self,
        bases: dict[str, bool],
        *,
        wake: Callable[[], None],
        log: FilteringBoundLogger,
        make_observer: Callable[[], BaseObserver] = Observer,
    ) -> None:
        self._bases = bases
        self._wake = wake
        self._log = log
        self._make_observer = make_observer
        self._heard = threading.Event()
        self._closing = threading.Event()
        self._observer: BaseObserver | None = None
        self._watched: frozenset[str] = frozenset()
        self.state = "off"
        self.overflows_count = 0
        """How often the kernel had no room for its news, since the start."""
        self._thread = threading.Thread(
            target=self._supervise, name="hints", daemon=True
        )

    def start(self) -> None:
        """Watch in a thread of its own: to watch a large tree takes its time."""
        self._thread.start()

    def take(self) -> bool:
        """Return whether anything was heard since the last call."""
        if not self._heard.is_set():
            return False
        self._heard.clear()
        return True

    def close(self) -> None:
        """Stop watching."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_S_MAX)
        self._stop_observer()

    def _note(self) -> None:
        self._heard.set()
        self._wake()

    def _note_overflow(self) -> None:
        """Count it, and have all looked at: what was to be told of is there by now."""
        self.overflows_count += 1
        self._log.warning(
            "hints_overflowed",
            overflows_count=self.overflows_count,
            remedy="nothing is lost, as all files are looked at; for room raise"
            " fs.inotify.max_queued_events",
        )
        self._note()

    def _supervise(self) -> None:
        """Keep an observer alive, for the folders that are there."""
        while not self._closing.is_set():
            present = frozenset(base for base in self._bases if Path(base).is_dir())
            observer = self._observer
            is_dead = observer is None or not _lives(observer)
            if present and (is_dead or present != self._watched):
                self._observe(present)
            self._closing.wait(SUPERVISE_S)

    def _observe(self, present: frozenset[str]) -> None:
        self._stop_observer()
        self._watched = present
        observer: BaseObserver | None = None
        try:
            observer = self._make_observer()
            _hear_overflows(observer, note=self._note_overflow)
            handler = _Handler(self._note)
            for base in sorted(present):
                observer.schedule(
                    handler,
                    base,
                    recursive=self._bases[base],
                    event_filter=NEWS,
                )
            observer.start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the sweep goes on
            # ENOSPC and EMFILE above all: the kernel's limits on watches.
            self._say(f"off: {error}", error)
            if observer is not None:
                # It reads from the kernel since it was made, and holds what it watches.
                with contextlib.suppress(Exception):
                    observer.stop()
            return
        self._observer = observer
        self._note()
        self._say("on", None)

    def _say(self, state: str, error: Exception | None) -> None:
        if state == self.state:
            return
        self.state = state
        if error is None:
            self._log.info("hints_on", folders=sorted(self._watched))
            return
        self._log.warning(
            "hints_off",
            why=str(error),
            remedy="nothing is lost, as the sweep goes on; for sooner news raise"
            " fs.inotify.max_user_watches and fs.inotify.max_user_instances",
        )

    def _stop_observer(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None and observer.is_alive():
            with contextlib.suppress(Exception):
                observer.stop()
                observer.join(CLOSE_S_MAX)


def _lives(observer: BaseObserver) -> bool:
    """Return whether each of an observer's threads lives.

    The one that reads from the kernel is none of its emitters (since watchdog 7): it can
    end by itself, and the others then wait for ever for what it reads.
    """
    kept = _threads_in(observer)
    return all(thread.is_alive() for thread in (observer, *observer.emitters, *kept))


def _threads_in(observer: BaseObserver) -> list[threading.Thread]:
    return [one for one in vars(observer).values() if isinstance(one, threading.Thread)]


def _hear_overflows(observer: BaseObserver, *, note: Callable[[], None]) -> None:
    """Have `note` called when the kernel says that its queue overflowed.

    The library (since 7.1) then watches anew what is below its folders, and tells nobody:
    what it read from the kernel goes through this one method of its reading thread.
    """
    for reader in _threads_in(observer):
        handle = getattr(reader, "handle_event", None)
        if handle is not None:
            setattr(reader, "handle_event", _Telling(handle, note))  # noqa: B010


class _Telling:
    """Hands over what the kernel said, and tells of the one thing that is no event."""

    def __init__(
        self, handle: Callable[[object], None], note: Callable[[], None]
    ) -> None:
        self._handle = handle
        self._note = note

    def __call__(self, event: object) -> None:
        try:
            self._handle(event)
        finally:
            # Behind it: by then what is below the folders is watched anew.
            if getattr(event, "is_queue_overflow", False):
                self._note()


class _Handler(FileSystemEventHandler):
    """Runs in the library's thread, so it notes and returns."""

    def __init__(self, note: Callable[[], None]) -> None:
        self._note = note

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Note that something happened."""
        del event
        self._note()


def open_hints(
    settings: AgentSettings, *, wake: Callable[[], None], log: FilteringBoundLogger
) -> FileHints:
    """Return the hints for all sources, already being watched for if they are wanted."""
    bases = watched_bases(
        [glob for source in settings.sources for glob in source.paths]
    )
    hints = FileHints(bases, wake=wake, log=log)
    if settings.use_hints:
        hints.start()
    return hints


def watched_bases(globs: list[str]) -> dict[str, bool]:
    """Return which folders to watch, and whether all below them, too.

    The root is left out, as all of a machine's changes would be heard.
    """
    bases: dict[str, bool] = {}
    for glob in globs:
        base, is_deep = base_of(glob)
        if base != "/":
            bases[base] = bases.get(base, False) or is_deep
    outer = [base for base, is_deep in bases.items() if is_deep]
    kept = {
        base: is_deep
        for base, is_deep in sorted(bases.items())
        if not any(base != o and base.startswith(f"{o}/") for o in outer)
    }
    return dict(list(kept.items())[:BASES_MAX])
