"""What a user agent's text says: its name and version, its system, its device.

The patterns are uap-core's, as the package `ua-parser` brings them, in Rust's linear engine:
17 us a text, where RE2 took 23 and Python's `re` 460. So each text is asked once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from importlib import import_module
from typing import Any, cast

import polars as pl

from tailrace_stream.enrich.fragments import Fragments

ORIGINAL = "user_agent.original"
CHARACTERS_MAX = 1_024
"""What is behind them is not asked; real ones have some 200."""
_VERSION_PARTS = ("major", "minor", "patch", "patch_minor")


class UserAgents:
    """What the texts said that were met so far."""

    def __init__(self) -> None:
        self._fragments = Fragments(self.fields)

    @property
    def failure_count(self) -> int:
        """Return how many texts could not be looked up."""
        return self._fragments.failure_count

    def column(self, frame: pl.DataFrame) -> pl.Series | None:
        """Return what the user agents of lines add, None where no line has one."""
        if ORIGINAL not in frame.columns:
            return None
        texts = frame.get_column(ORIGINAL)
        return (
            None if texts.null_count() == len(texts) else self._fragments.column(texts)
        )

    def fields(self, text: str) -> Mapping[str, object]:
        """Return what a text says; nothing of what it does not."""
        agent, system, device = self._parse(text[:CHARACTERS_MAX])
        found: dict[str, object] = {}
        if agent is not None:
            found["user_agent.name"] = agent.family
            found["user_agent.version"] = _version(agent)
        if system is not None:
            found["user_agent.os.name"] = system.family
            found["user_agent.os.version"] = _version(system)
        if device is not None:
            found["user_agent.device.name"] = device.family
        return {name: value for name, value in found.items() if value}

    @cached_property
    def _parse(self) -> Callable[[str], tuple[Any, Any, Any]]:
        """Read the patterns, which takes a quarter of a second, with the first text."""
        core = import_module("ua_parser.core")
        patterns = import_module("ua_parser.loaders").load_builtins()
        resolve = import_module("ua_parser.regex").Resolver(patterns)

        def parse(text: str) -> tuple[Any, Any, Any]:
            result = resolve(text, core.Domain.ALL)
            return result.user_agent, result.os, result.device

        return cast("Callable[[str], tuple[Any, Any, Any]]", parse)


def _version(part: Any) -> str:  # noqa: ANN401 - two classes of the library
    """Return a version as far as it is told: `139.0`."""
    said: list[str] = []
    for name in _VERSION_PARTS:
        number: str | None = getattr(part, name)
        if not number:
            break
        said.append(number)
    return ".".join(said)
