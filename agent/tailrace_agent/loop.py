"""The agent's one loop: look, read in fair turns, send, and make safe what was taken."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from typing import Protocol

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.role_status import REWRITE_MS
from tailrace_agent.config import AgentSettings
from tailrace_agent.delivery import Delivery
from tailrace_agent.discovery import Discovery
from tailrace_agent.fair_turns import FairTurns
from tailrace_agent.followed import Key
from tailrace_agent.heartbeats import Heartbeats
from tailrace_agent.table import FileTable
from tailrace_agent.tracked import Stage, TrackedFile
from tailrace_agent.turns import Turns
from tailrace_agent.watch import Watch

RECOVER_MS_MIN = 250
RECOVER_MS_MAX = 10_000
ALARM_MS = 60_000
"""What lasts is said again each minute, and no oftener."""
HINT_SWEEP_MS = 100
"""Hints start a sweep, but no more than ten a second."""
SETTLE_MS = 20
UNWRITABLE_RETRY_MS = 1_000
WAIT_MS_MAX = 1_000


class Hints(Protocol):
    """Something that knows early when a sweep is worth while."""

    def take(self) -> bool:
        """Return whether anything was heard since the last call."""
        ...


class Aside(Protocol):
    """Work beside the files' own reading, a piece a call."""

    @property
    def is_busy(self) -> bool:
        """Whether there is more to do at once."""
        ...

    def step(self) -> None:
        """Do one piece; there is room to send a chunk."""
        ...


class AgentLoop:
    """Runs in one thread and owns all state; others only wake it."""

    def __init__(
        self,
        settings: AgentSettings,
        *,
        discovery: Discovery,
        table: FileTable,
        turns: Turns,
        delivery: Delivery,
        heartbeats: Heartbeats,
        hints: Hints,
        holes: Aside,
        clock: Clock,
        jitter: random.Random,
        log: FilteringBoundLogger,
        wake: threading.Event,
        on_status: Callable[[], None],
        on_turn: Callable[[], None] = lambda: None,
        paused_why: Callable[[], str] = lambda: "",
    ) -> None:
        self._settings = settings
        self._discovery = discovery
        self._table = table
        self._turns = turns
        self._looks = turns.looks
        self._delivery = delivery
        self._heartbeats = heartbeats
        self._hints = hints
        self._holes = holes
        self._clock = clock
        self._jitter = jitter
        self._log = log
        self._wake = wake
        self._fair_turns = FairTurns()
        self._on_status = on_status
        self._on_turn = on_turn
        self._paused_why = paused_why
        self._is_stopping: Callable[[], bool] = lambda: False
        self._is_paused = False
        self._sweep_ms = self._swept_ms = -WAIT_MS_MAX
        self._watch = Watch(
            table.files.values, sweep_ms=settings.sweep_ms, clock=clock, log=log
        )
        self._is_barred = False
        """Whether no file had a turn in the last step, for want of room."""
        self._commit_ms = 0
        self._ledger_ms = clock.monotonic_ms() + settings.ledger_ms
        self._status_ms = self._rewrite_ms = 0
        self._recover_ms = 0
        self._recover_wait_ms = RECOVER_MS_MIN
        self._alarmed_ms: dict[str, int] = {}
        self._has_news = True
        self._troubles = (0, 0, 0)
        """How many paths cannot be read, globs match nothing, and files wait."""

    def run(
        self,
        stop: threading.Event,
        *,
        is_replaced: Callable[[], bool] = lambda: False,
        note_turn: Callable[[], None] = lambda: None,
    ) -> None:
        """Follow the files until `stop` is set, then drain to a deadline.

        Likewise where other settings are to have their turn, but for them no file is
        left that the next life might not find: what has lost its name is read first.
        `note_turn` is called after each turn; the first of them has a whole sweep.
        """
        self._is_stopping = stop.is_set
        while not stop.is_set():
            is_last = is_replaced()
            if is_last:
                self._sweep_ms = self._clock.monotonic_ms()
            wait_ms = self.step()
            note_turn()
            if is_last and self._may_be_left():
                break
            if wait_ms > 0:
                self._wake.wait(wait_ms / 1_000)
            self._wake.clear()
        self.drain()

    def step(self) -> int:
        """Do what is due; return how long there is nothing to do."""
        self._on_turn()
        now_ms = self._clock.monotonic_ms()
        if self._hints.take():
            self._sweep_ms = min(self._sweep_ms, self._swept_ms + HINT_SWEEP_MS)
        self._note_awake(had_turns=not self._is_barred)
        if now_ms >= self._sweep_ms:
            # Before the first file is looked at: what it claims was seen, was seen since.
            swept_at_ms = self._clock.now_ms()
            self._table.take_in(self._discovery.sweep())
            self._table.swept_at_ms = swept_at_ms
            self._table.waiting = self._discovery.waiting.in_bytes
            self._heartbeats.note_sweep(swept_at_ms)
            troubles = (
                len(self._table.unreadable.whys),
                len(self._discovery.unmatched_globs),
                self._discovery.waiting.files_count,
            )
            self._has_news = self._has_news or troubles != self._troubles
            self._troubles = troubles
            self._swept_ms = now_ms
            self._watch.note_swept()
            self._sweep_ms = now_ms + self._settings.sweep_ms
            for tracked in self._table.to_be_looked_at(has_room=self._has_room()):
                self._on_turn()
                self._look(tracked)
        self._settle(now_ms)
        self._heed_pause()
        self._is_barred = not self._has_room()
        self._read()
        if self._has_room():
            self._holes.step()
        self._keep(now_ms)
        return self._wait_ms()

    def _note_awake(self, *, had_turns: bool = True) -> None:
        swept_at_ms = self._table.swept_at_ms
        self._watch.note(swept_at_ms=swept_at_ms, had_turns=had_turns)

    def _may_be_left(self) -> bool:
        files = self._table.files.values()
        return not any(f.stage is Stage.LEAVING and f.unread_bytes for f in files)

    def drain(self) -> None:
        """Read nothing more; await what is on its way, and make it safe.

        What has no acknowledgement at the deadline is read again by the next agent.
        """
        self._delivery.outbox.forget_beat()
        self._report_all()
        deadline_ms = self._clock.monotonic_ms() + self._settings.stop_ms_max
        while self._delivery.outbox.in_flight_records:
            now_ms = self._clock.monotonic_ms()
            if now_ms >= deadline_ms:
                self._log.warning(
                    "stopped_before_acknowledgement",
                    records=self._delivery.outbox.in_flight_records,
                )
                break
            self._settle(now_ms)
            self._wake.wait(SETTLE_MS / 1_000)
            self._wake.clear()
        self._report_all()
        self._delivery.settle()
        self._delivery.commit()

    def _settle(self, now_ms: int) -> None:
        if self._delivery.settle():
            self._has_news = True
        if self._delivery.broken is None or now_ms < self._recover_ms:
            return
        self._has_news = True
        why = self._delivery.broken
        if self._delivery.recover():
            if "kafka" in self._alarmed_ms:
                self._log.info("kafka_back")
            self._alarmed_ms.pop("kafka", None)
            self._recover_wait_ms = RECOVER_MS_MIN
            return
        self._alarm("kafka", "kafka_unavailable", why=why, remedy="the files wait")
        wait_ms = self._jitter.randint(
            self._recover_wait_ms // 2, self._recover_wait_ms
        )
        self._recover_ms = self._clock.monotonic_ms() + wait_ms
        self._recover_wait_ms = min(RECOVER_MS_MAX, self._recover_wait_ms * 2)

    def _heed_pause(self) -> None:
        """Take in whether files are the buffer now, as they are while Kafka is away."""
        was_paused, self._is_paused = self._is_paused, bool(self._paused_why())
        self._has_news = self._has_news or was_paused != self._is_paused

    def _has_room(self) -> bool:
        if self._is_paused:
            return False
        room_bytes = (
            self._settings.in_flight_bytes_max - self._delivery.outbox.in_flight_bytes
        )
        return self._delivery.broken is None and room_bytes >= max(
            self._settings.chunk_bytes, self._settings.event_bytes_max
        )

    def _read(self) -> None:
        """Give every file that is due one chunk's turn, and again while there is more.

        The folders take turns, and in each its files: a folder with many files, or a file
        with much in it, gets no more than another that has as much to read. What has no
        turn before the room is used up stands first next time.
        """
        due = self._table.due
        now_ms = self._clock.monotonic_ms()
        ready = [key for key, due_ms in due.items() if due_ms <= now_ms]
        if not ready:
            return
        self._has_news = True
        round_ = self._fair_turns.round((self._folder(key), key) for key in ready)
        turns_count = 0
        # A round of very many files may take longer than it may take to stop.
        while self._has_room() and not self._is_stopping():
            key = round_.next()
            if key is None:
                return
            next_ms = self._turn(key)
            # To the end of the line: the next one to be asked was asked longest ago.
            due.pop(key, None)
            if next_ms is not None:
                due[key] = next_ms
                if not next_ms:
                    round_.again(key)
            turns_count += 1
            if turns_count % len(ready) == 0:
                self._delivery.settle()
                if self._clock.monotonic_ms() >= self._sweep_ms:
                    return  # Names may have moved: look before reading on.

    def _folder(self, key: Key) -> str:
        tracked = self._table.files.get(key)
        return "" if tracked is None else tracked.path.rpartition("/")[0]

    def _turn(self, key: Key) -> int | None:
        tracked = self._table.files.get(key)
        if tracked is None or tracked.is_at_rest:
            return None
        self._on_turn()
        self._note_awake()
        try:
            file = self._table.open(tracked)
            if file is None:
                return self._gone(tracked)
            self._turns.naming.see_first(tracked, file)
            wait_ms = self._table.prepare(tracked, file)
            if wait_ms is not None:
                return wait_ms
            if self._table.let_go(tracked):
                return None
            next_ms = self._turns.take(tracked, file)
        except OSError as error:
            return self._table.unreadable.note_trouble(tracked, error)
        tracked.trouble = ""
        if next_ms is None and tracked.stage is Stage.LEAVING:
            return self._finish(tracked)
        return next_ms

    def _gone(self, tracked: TrackedFile) -> int | None:
        """Nothing can be read any more; before a sweep has said so, wait for it."""
        is_followed = tracked.key in self._table.files
        if tracked.stage is not Stage.LEAVING or not is_followed:
            return None
        wait_ms = self._turns.ship_held(tracked)
        return self._finish(tracked) if wait_ms is None else wait_ms

    def _finish(self, tracked: TrackedFile) -> int | None:
        if self._table.finish(tracked):
            return None
        return self._clock.monotonic_ms() + SETTLE_MS

    def _report_all(self) -> None:
        """Let the ledger follow every file, also those that there is no room to read."""
        self._ledger_ms = self._clock.monotonic_ms() + self._settings.ledger_ms
        has_room, swept_at_ms = self._has_room(), self._table.swept_at_ms
        is_late = self._clock.now_ms() - swept_at_ms > self._settings.sweep_ms
        for tracked in list(self._table.files.values()):
            if has_room and self._looks.is_reported(tracked):
                continue  # As nearly all of very many files are, each few seconds.
            self._report(tracked, unlooked_since_ms=swept_at_ms if is_late else 0)

    def _look(self, tracked: TrackedFile) -> None:
        """Take in what a sweep saw of a file that is not read before its turn.

        Should it be truncated before there is, it is known how much was lost; should this
        life end, and the name go where no glob means it, the next one knows of the file.
        """
        if tracked.is_looked_at:
            return
        try:
            file = self._table.open(tracked)
            if file is None:
                return
            self._turns.naming.see_first(tracked, file)
            is_alone = self._table.heirs.is_alone(tracked)
            if is_alone and self._table.prepare(tracked, file) is None:
                self._turns.naming.introduce_early(tracked, file)
            self._looks.look(tracked, file)
        except OSError as error:
            self._table.unreadable.note_trouble(tracked, error)

    def _report(self, tracked: TrackedFile, *, unlooked_since_ms: int) -> None:
        if not self._has_room():
            self._look(tracked)
        try:
            self._looks.report(tracked, unlooked_since_ms=unlooked_since_ms)
        except OSError as error:
            self._table.unreadable.note_trouble(tracked, error)

    def _keep(self, now_ms: int) -> None:
        """Write checkpoint, ledger and status, each at its own pace."""
        if self._delivery.is_dirty and now_ms >= self._commit_ms:
            self._commit_ms = now_ms + self._settings.checkpoint_ms
            if not self._delivery.commit():
                self._commit_ms = now_ms + UNWRITABLE_RETRY_MS
                why = self._delivery.unwritable or ""
                remedy = "make room, or mend the disk: shipping goes on meanwhile"
                self._alarm(
                    "checkpoint", "checkpoint_unwritable", why=why, remedy=remedy
                )
            elif self._alarmed_ms.pop("checkpoint", None) is not None:
                self._log.info("checkpoint_written_again")
        if now_ms >= self._ledger_ms and self._delivery.broken is None:
            self._report_all()
        self._heartbeats.keep(report_all=self._report_all)
        if now_ms >= self._status_ms:
            self._status_ms = now_ms + self._settings.status_ms
            # Where nothing was read or acknowledged, all is as it was told: it is told
            # again only so that the age of the word tells that it can be.
            trouble = self._delivery.broken or self._delivery.unwritable
            if self._has_news or trouble or now_ms >= self._rewrite_ms:
                self._has_news = False
                self._rewrite_ms = now_ms + REWRITE_MS
                self._on_status()

    def _wait_ms(self) -> int:
        now_ms = self._clock.monotonic_ms()
        moments = [self._sweep_ms, self._ledger_ms, self._status_ms]
        moments.append(self._heartbeats.due_ms(now_ms=now_ms))
        if self._delivery.is_dirty:
            moments.append(self._commit_ms)
        if self._delivery.broken is not None:
            moments.append(self._recover_ms)
        elif self._has_room():
            moments += self._table.due.values()
            if self._holes.is_busy:
                moments.append(now_ms + SETTLE_MS)
        return max(0, min(min(moments) - now_ms, WAIT_MS_MAX))

    def _alarm(self, about: str, event: str, **fields: str) -> None:
        now_ms = self._clock.monotonic_ms()
        last_ms = self._alarmed_ms.get(about)
        if last_ms is None or now_ms - last_ms >= ALARM_MS:
            self._alarmed_ms[about] = now_ms
            self._log.error(event, **fields)
