"""What the fleet's configuration may change on this host: sources, within its bounds.

A remote configuration can add sources and labels. It cannot touch the host's own
sources, which come first and keep their files and rules of redaction, and it reaches no
file outside the folders that the host allows: its globs must begin in one, and where links
lead is judged at each opening, as for every other file (`door`).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, cast

from pydantic import ValidationError

from tailrace.errors import ConfigError
from tailrace.settings import problems_of
from tailrace_agent.config import AgentSettings, SourceSettings, relation_problems
from tailrace_agent.globs import base_of

REMOTE_KEYS = ("labels", "sources")
"""All else is for the host to say: who it is, what it may read, what it may use."""
LOCAL_SOURCE_KEYS = ("owners",)
"""Whom to trust with links and planted files."""
SOURCES_MAX = 200
"""Of one host, its own included."""


def narrowed(local: AgentSettings, texts: Mapping[str, str]) -> AgentSettings:
    """Return the host's settings with what the fleet adds; `local` where that is nothing.

    `texts` are TOML documents by scope, the more particular ones last: a source of the
    same name there takes the place of an earlier one.

    Raises:
        ConfigError: something in them is not allowed or wrong; everything is listed.
    """
    if not any(text.strip() for text in texts.values()):
        return local
    problems: list[str] = []
    if not local.allowed_folders:
        problems.append(
            "agent.allowed_folders is not set on this host, and bounds what others"
            " may have it read"
        )
    sources: dict[str, SourceSettings] = {}
    labels: dict[str, str] = {}
    for scope, text in texts.items():
        table, found = _table(text)
        problems += (f"{scope}: {problem}" for problem in found)
        made, given_labels, found = _read(table, local)
        problems += (f"{scope}: {problem}" for problem in found)
        sources |= {source.name: source for source in made}
        labels |= given_labels
    count = len(local.sources) + len(sources)
    if count > SOURCES_MAX:
        problems.append(f"there are {count} sources, and may be {SOURCES_MAX}")
    settings = local.model_copy(
        update={
            "sources": (*local.sources, *sources.values()),
            "labels": {**labels, **local.labels},
        }
    )
    problems += relation_problems(settings)
    if problems:
        raise ConfigError(problems, source="the fleet's configuration")
    return settings


def hash_of(settings: AgentSettings) -> str:
    """Return 12 hexadecimal digits that are the same for equal sources and labels."""
    text = settings.model_dump_json(include={"sources", "labels"})
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _table(text: str) -> tuple[dict[str, Any], list[str]]:
    """Return the table `agent` of a document, and what is wrong beside it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return {}, [f"is not TOML: {error}"]
    problems = [f"{name} is not for the fleet" for name in document if name != "agent"]
    table = document.get("agent", {})
    if not isinstance(table, dict):
        return {}, [*problems, "agent must be a table"]
    return cast("dict[str, Any]", table), problems


def _read(
    table: dict[str, Any], local: AgentSettings
) -> tuple[list[SourceSettings], dict[str, str], list[str]]:
    problems = [
        f"agent.{key} is for the host alone to say"
        for key in table
        if key not in REMOTE_KEYS
    ]
    entries: object = table.get("sources", [])
    labels: object = table.get("labels", {})
    if not isinstance(entries, list):
        entries, problems = [], [*problems, "agent.sources must be a list"]
    if not _is_labels(labels):
        labels, problems = {}, [*problems, "agent.labels must be a table of texts"]
    sources: list[SourceSettings] = []
    for index, entry in enumerate(cast("list[object]", entries)):
        place = f"agent.sources.{index}"
        if not isinstance(entry, dict):
            problems.append(f"{place} must be a table")
            continue
        values = cast("dict[str, Any]", entry)
        problems += (
            f"{place}.{key}" + " is for the host alone to say"
            for key in LOCAL_SOURCE_KEYS
            if key in values
        )
        try:
            source = SourceSettings(**values)
        except ValidationError as error:
            problems += problems_of(error, table=place, model=SourceSettings)
            continue
        problems += (f"{place}: {problem}" for problem in _climbs(source, local))
        if source.name in {one.name for one in sources}:
            problems.append(f"{place}: name {source.name!r} is that of another source")
        sources.append(source)
    return sources, cast("dict[str, str]", labels), problems


def _is_labels(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, str) for one in cast("dict[str, object]", value).values()
    )


def _climbs(source: SourceSettings, local: AgentSettings) -> Iterator[str]:
    """Yield what a source would do beyond what the host allows."""
    if source.follow_links == "always":
        yield "follow_links 'always' is for the host alone to say"
    if source.name in {own.name for own in local.sources}:
        yield f"name {source.name!r} is that of a source of the host itself"
    for glob in source.paths:
        base = f"{base_of(glob)[0].rstrip('/')}/"
        if local.allowed_folders and not any(
            base.startswith(f"{folder.rstrip('/')}/")
            for folder in local.allowed_folders
        ):
            yield f"path {glob!r} leads out of the folders that the host allows"
