"""Where the addresses of a line are, and in whose network: fields beside each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from tailrace_stream.enrich.databases import Database, LookUp
from tailrace_stream.enrich.fragments import Fragments
from tailrace_stream.enrich.live_file import LiveFile

SIDES = ("source", "client", "destination", "server")
"""Of ECS: what has an address, in `<side>.ip`, or in `<side>.address`."""


class Addresses:
    """The databases, in the order in which they are believed, and what they said."""

    def __init__(
        self,
        databases: Sequence[LiveFile[Database | None]],
        *,
        registered: LookUp | None,
    ) -> None:
        """Take a user's databases, and what is asked for a country they do not know."""
        self.files = databases
        self._registered = registered
        self._versions = self._current_versions()
        self._sides = {side: Fragments(self._asked_for(side)) for side in SIDES}

    @property
    def failure_count(self) -> int:
        """Return how many addresses could not be looked up."""
        return sum(one.failure_count for one in self._sides.values())

    def columns(self, frame: pl.DataFrame) -> list[tuple[pl.Series, str]]:
        """Return what the addresses of lines add, each with what its names begin with."""
        found: list[tuple[pl.Series, str]] = []
        for side in SIDES:
            addresses = addresses_of(frame, side)
            if addresses is not None:
                self._look_for_news()
                found.append((self._sides[side].column(addresses), side))
        return found

    def facts(self, address: str) -> Mapping[str, object]:
        """Return what is known of an address; of each field the first that knows it."""
        facts: dict[str, object] = {}
        for file in self.files:
            database = file.current()
            if database is not None:
                facts = {**database.facts(address), **facts}
        if self._registered is not None and "geo.country_iso_code" not in facts:
            facts |= self._registered(address)
        return facts

    def _asked_for(self, side: str) -> LookUp:
        def look_up(address: str) -> Mapping[str, object]:
            facts = self.facts(address)
            return {f"{side}.{name}": value for name, value in facts.items()}

        return look_up

    def _look_for_news(self) -> None:
        """Forget what the databases said once one of them is another."""
        for file in self.files:
            file.current()
        versions = self._current_versions()
        if versions != self._versions:
            self._versions = versions
            for fragments in self._sides.values():
                fragments.forget()

    def _current_versions(self) -> tuple[int, ...]:
        return tuple(file.version for file in self.files)


def addresses_of(frame: pl.DataFrame, side: str) -> pl.Series | None:
    """Return the address of each line, None where no line has one."""
    names = [
        name for name in (f"{side}.ip", f"{side}.address") if name in frame.columns
    ]
    found = [frame.get_column(name) for name in names]
    found = [one for one in found if one.null_count() < len(one)]
    if not found:
        return None
    first, *others = found
    return first.zip_with(first.is_not_null(), others[0]) if others else first
