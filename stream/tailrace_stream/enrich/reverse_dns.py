"""Which names addresses have by reverse DNS, asked beside the stream and never waited for.

A chunk gets the names that are known as it is parsed, and what is not is asked for those that
come later. So a name depends on the moment, and this part is off unless asked for. Everything
is bounded: threads, addresses that wait, names that are kept, and for how long.
"""

from __future__ import annotations

import ipaddress
import queue
import re
import socket
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from tailrace.clock import Clock
from tailrace_stream.enrich.addresses import SIDES, addresses_of
from tailrace_stream.enrich.fragments import text_of

Resolve = Callable[[str], str | None]
"""Returns the name of an address, None where it has none; may take its time."""
_NAME = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63}){0,126}")
NAME_CHARACTERS_MAX = 253


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much is asked at once, waits, and is kept."""

    threads_max: int
    waiting_max: int
    names_max: int
    keep_ms: int
    keep_unknown_ms: int
    """Of an address without a name, of one that is being asked, and of a failure."""


class ReverseNames:
    """The names that are known, and who asks for the others."""

    def __init__(self, resolve: Resolve, *, limits: Limits, clock: Clock) -> None:
        self.counts: Counter[str] = Counter()
        self._resolve = resolve
        self._limits = limits
        self._clock = clock
        self._known: dict[str, tuple[int, str | None]] = {}
        """By address: when it is to be asked again, and its name."""
        self._waiting: queue.Queue[str | None] = queue.Queue(limits.waiting_max)
        self._threads: list[threading.Thread] = []
        self._turn = threading.Lock()

    @property
    def known_count(self) -> int:
        """Return of how many addresses something is kept."""
        return len(self._known)

    def columns(self, frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
        """Return what the names of lines' addresses add, each with its field's name."""
        found: list[tuple[pl.Series, str]] = []
        for side in SIDES:
            addresses = addresses_of(frame, side)
            if addresses is None:
                continue
            field = f"{side}.domain"
            texts: dict[str | None, str] = {None: ""}
            for address in addresses.drop_nulls().unique().to_list():
                name = self.name(address)
                texts[address] = "" if name is None else text_of({field: name})
            values = list(map(texts.__getitem__, addresses.to_list()))
            found.append((pl.Series(values, dtype=pl.String), field))
        return found

    def name(self, address: str) -> str | None:
        """Return the name of an address as far as it is known, at once."""
        now_ms = self._clock.monotonic_ms()
        known = self._known.get(address)
        if known is not None and now_ms < known[0]:
            return known[1]
        name = None if known is None else known[1]
        if not _is_address(address):
            return None
        with self._turn:
            try:
                self._waiting.put_nowait(address)
            except queue.Full:
                self.counts["reverse_dns.not_asked"] += 1
                return name
            # Until it is answered, and if it never is: it is not asked a second time.
            self._keep(address, name, until_ms=now_ms + self._limits.keep_unknown_ms)
            self._begin()
        return name

    def close(self) -> None:
        """Ask nothing more; what is being asked is not waited for."""
        for _ in self._threads:
            try:
                self._waiting.put_nowait(None)
            except queue.Full:
                self._waiting.get_nowait()
                self._waiting.put_nowait(None)

    def _begin(self) -> None:
        if len(self._threads) < self._limits.threads_max:
            # A daemon: a resolver that does not answer must not hold up the end.
            thread = threading.Thread(target=self._ask, name="reverse-dns", daemon=True)
            self._threads.append(thread)
            thread.start()

    def _ask(self) -> None:
        while (address := self._waiting.get()) is not None:
            try:
                name = _clean(self._resolve(address))
            # The thread goes on, whatever a resolver does.
            except Exception:  # noqa: BLE001
                self.counts["reverse_dns.failures"] += 1
                name = None
            limits = self._limits
            keep_ms = limits.keep_unknown_ms if name is None else limits.keep_ms
            with self._turn:
                self.counts["reverse_dns.asked"] += 1
                until_ms = self._clock.monotonic_ms() + keep_ms
                self._keep(address, name, until_ms=until_ms)

    def _keep(self, address: str, name: str | None, *, until_ms: int) -> None:
        self._known.pop(address, None)
        while len(self._known) >= self._limits.names_max:
            # The one that was asked longest ago stands first.
            self._known.pop(next(iter(self._known)))
        self._known[address] = (until_ms, name)


def name_of(address: str) -> str | None:
    """Ask the system's resolver; it may take as long as that is set to wait."""
    try:
        return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]
    except socket.gaierror:
        return None


def _is_address(text: str) -> bool:
    """Tell whether a text is an address: a name would be asked for as what it says."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return "%" not in text


def _clean(name: str | None) -> str | None:
    """Return a name if it is one: whoever has an address writes what is answered."""
    if name is None or len(name) > NAME_CHARACTERS_MAX:
        return None
    text = name.lower().removesuffix(".")
    return text if _NAME.fullmatch(text) else None
