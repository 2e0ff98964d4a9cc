"""What databases know of an address: its country, its city, and whose network it is in.

Those a user names are files of MaxMind's format (GeoLite2, DB-IP, IPinfo), read live. For
the country there is data in the package `iptocc`, made from what the five registries of
addresses publish: where an address is registered, which mostly is where it is used.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from tailrace_stream.enrich.live_file import NotUsable

SIZE_BYTES_MAX = 2 << 30
TEXT_CHARACTERS_MAX = 256
Steps = tuple[str | int, ...]
Facts = Mapping[str, object]
"""Fields of ECS below `source`, `client`, or whatever has the address."""
LookUp = Callable[[str], Facts]

_TEXTS = {
    "geo.country_iso_code": (("country", "iso_code"), ("country_code",)),
    "geo.country_name": (("country", "names", "en"), ("country",)),
    "geo.region_name": (("subdivisions", 0, "names", "en"), ("region",)),
    "geo.city_name": (("city", "names", "en"), ("city",)),
    "as.organization.name": (
        ("autonomous_system_organization",),
        ("as_name",),
    ),
}
_NUMBER = (("autonomous_system_number",), ("asn",))
_LATITUDE = (("location", "latitude"),)
_LONGITUDE = (("location", "longitude"),)


class Database:
    """One database of MaxMind's format."""

    def __init__(self, reader: Any) -> None:  # noqa: ANN401 - a class of the extension
        self._reader = reader

    def facts(self, address: str) -> Facts:
        """Return what it knows; nothing of what is no address, or stands in no network."""
        try:
            record = self._reader.get(address)
        # Of a damaged part it raises its own error, which is a RuntimeError.
        except (ValueError, RuntimeError):
            return {}
        return facts_of(record)


def read_database(path: Path) -> Database:
    """Open a database, in a copy of its own.

    What is mapped into memory must not be written over by whoever renews it in its
    place, since the kernel ends a process that reads behind a file's end.

    Raises:
        NotUsable: it is no database of this format.
        OSError: it cannot be read or copied.
    """
    maxminddb = import_module("maxminddb")
    if path.stat().st_size > SIZE_BYTES_MAX:
        raise NotUsable(f"is larger than {SIZE_BYTES_MAX} bytes")
    with tempfile.NamedTemporaryFile(prefix="tailrace-mmdb-") as own:
        with path.open("rb") as file:
            shutil.copyfileobj(file, own, 1 << 20)
        own.flush()
        try:
            reader = maxminddb.open_database(own.name)
        except (maxminddb.InvalidDatabaseError, ValueError):
            raise NotUsable("is no database of the format mmdb") from None
    return Database(reader)


def registered_country() -> LookUp:
    """Return what tells the country in which an address is registered."""
    country_code = cast(
        "Callable[[str], str | None]", import_module("iptocc").country_code
    )

    def look_up(address: str) -> Facts:
        code = country_code(address)
        return {} if code is None else {"geo.country_iso_code": code}

    return look_up


def facts_of(record: object) -> Facts:
    """Return the fields of a record: MaxMind's and DB-IP's shape, or IPinfo's flat one."""
    facts: dict[str, object] = {}
    for name, paths in _TEXTS.items():
        text = _first(record, paths)
        if isinstance(text, str) and text:
            facts[name] = text[:TEXT_CHARACTERS_MAX]
    number = _first(record, _NUMBER)
    if isinstance(number, str) and number[:2] == "AS" and number[2:].isdecimal():
        number = int(number[2:])
    if isinstance(number, int):
        facts["as.number"] = number
    place = _first(record, _LATITUDE), _first(record, _LONGITUDE)
    if all(isinstance(one, float | int) for one in place):
        facts["geo.location"] = {"lat": place[0], "lon": place[1]}
    return facts


def _first(record: object, paths: tuple[Steps, ...]) -> object:
    for path in paths:
        value: object = record
        for step in path:
            value = _step(value, step)
        if value is not None and not isinstance(value, dict):
            return value
    return None


def _step(value: object, step: str | int) -> object:
    if isinstance(step, str):
        if isinstance(value, dict):
            return cast("dict[str, object]", value).get(step)
        return None
    if isinstance(value, list):
        many = cast("list[object]", value)
        return many[step] if step < len(many) else None
    return None
