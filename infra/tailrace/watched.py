"""What `tailrace up` watches, and the configuration file that says so to the agent."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from tailrace.data_folder import require_text
from tailrace.errors import ConfigError
from tailrace.shop_link import SHOP_DIR
from tailrace.shop_rules import RULES

MACHINE_LOGS = (
    "/var/log/**/*.log",
    "/var/log/syslog",
    "/var/log/messages",
    "/var/log/auth.log",
)
"""Of these, what the user who runs `tailrace up` may read."""

SERVER_LOG_TIME_ZONE = "UTC"
"""In which they log: no hour comes twice, and whoever reads need not guess."""
SERVER_DATASETS: Mapping[str, str] = {
    "elasticsearch": "elasticsearch.server",
    "kafka": "kafka.log",
    "zookeeper": "zookeeper.log",
}

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPED = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def configuration(
    given: Mapping[str, Any],
    *,
    watch: Sequence[str],
    data_dir: Path,
    has_shop: bool = False,
) -> dict[str, Any]:
    """Return the roles' configuration: the user's, with what is watched added.

    The globs of `--watch` win over the sources of the user's file, and those over this
    machine's own logs. The servers' logs are always watched, the roles' never: a line
    that a role writes about a line would make another. The logs of the demonstration's
    shop are watched while it runs, and once it has run: their last lines may not have
    been read. Its rules are judged while it runs, beside the user's own.

    Raises:
        ConfigError: a glob of `--watch` is empty, or a table is none.
    """
    agent = dict(_table(given, "agent"))
    named = cast("list[dict[str, Any]]", agent.get("sources", []))
    chosen: list[dict[str, Any]]
    if watch:
        chosen = [
            {"name": "watched", "paths": [absolute(pattern) for pattern in watch]}
        ]
    elif named:
        chosen = list(named)
    else:
        chosen = [{"name": "machine", "paths": list(MACHINE_LOGS)}]
    own = [f"{glob.escape(folder)}/**" for folder in _own_folders(data_dir)]
    for number, source in enumerate(chosen):
        excluded = cast("list[str]", source.get("exclude", []))
        chosen[number] = {**source, "exclude": [*excluded, *own]}
    agent["sources"] = [*chosen, *_server_sources(data_dir)]
    shop_logs = data_dir / SHOP_DIR / "logs"
    if has_shop or shop_logs.is_dir():
        agent["sources"].append(_shop_source(shop_logs))
    configured = {**given, "agent": agent}
    return _with_shop_rules(configured) if has_shop else configured


def names_files(given: Mapping[str, Any], *, watch: Sequence[str]) -> bool:
    """Tell whether a user says which files are to be watched."""
    agent = given.get("agent")
    named = cast("dict[str, Any]", agent) if isinstance(agent, dict) else {}
    return bool(watch or named.get("sources"))


def watched_globs(configured: Mapping[str, Any]) -> list[str]:
    """Return every glob that a configuration watches."""
    sources = cast("list[dict[str, Any]]", _table(configured, "agent")["sources"])
    return [pattern for source in sources for pattern in source["paths"]]


def absolute(pattern: str) -> str:
    """Return a glob of `--watch` as the agent takes it.

    Raises:
        ConfigError: it is empty, and would mean the folder that one happens to be in.
        CommandFailed: it is no UTF-8.
    """
    require_text(pattern)
    if not pattern.strip():
        problem = f"--watch must name files, such as '/srv/shop/*.log', got {pattern!r}"
        raise ConfigError([problem], source="the command line")
    try:
        path = Path(pattern).expanduser().absolute()
    except RuntimeError as error:
        problem = f"--watch {pattern!r}: {error}"
        raise ConfigError([problem], source="the command line") from None
    # Without `..`, which the agent does not climb by.
    return os.path.normpath(path)


def toml_text(document: Mapping[str, Any]) -> str:
    """Return TOML that `tomllib` reads back as `document`."""
    return "\n".join(_table_lines(document, prefix="")) + "\n"


def _table(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError([f"{name} must be a table, got {table!r}"])
    return cast("dict[str, Any]", table)


def _server_sources(data_dir: Path) -> list[dict[str, Any]]:
    return [
        {
            # Beside any name of the user's own.
            "name": f"tailrace.{server}",
            "paths": [
                f"{glob.escape(str(data_dir))}/servers/{server}*/logs/server.log"
            ],
            "dataset": dataset,
            "time_zone": SERVER_LOG_TIME_ZONE,
        }
        for server, dataset in SERVER_DATASETS.items()
    ]


def _shop_source(logs: Path) -> dict[str, Any]:
    """Return the source of the shop: what each file holds is seen by itself."""
    folder = glob.escape(str(logs))
    return {
        "name": "tailrace.shop",
        "paths": [f"{folder}/*.log", f"{folder}/*.log.1"],
        "multiline": "auto",
        "time_zone": SERVER_LOG_TIME_ZONE,
        "tags": [SHOP_DIR],
    }


def _with_shop_rules(configured: Mapping[str, Any]) -> dict[str, Any]:
    """Add the shop's rules; one of the user's by the same name stands in for it."""
    indexer = dict(_table(configured, "indexer"))
    alerts = dict(_table(indexer, "alerts"))
    own = alerts.get("rules", [])
    if own and not _is_list_of_tables(own):
        return dict(configured)  # The indexer says what is wrong with it.
    names = {rule.get("name") for rule in cast("list[dict[str, Any]]", own)}
    shops = [dict(rule) for rule in RULES if rule["name"] not in names]
    indexer["alerts"] = {**alerts, "rules": [*own, *shops]}
    return {**configured, "indexer": indexer}


def _own_folders(data_dir: Path) -> list[str]:
    # Started by root, the servers' folder is a link to one that their user can reach.
    folders = {data_dir, data_dir.resolve(), (data_dir / "servers").resolve()}
    return sorted(map(str, folders))


def _table_lines(table: Mapping[str, Any], *, prefix: str) -> list[str]:
    lines: list[str] = []
    nested: list[str] = []
    for key, value in table.items():
        name = _key(key)
        path = f"{prefix}{name}"
        if isinstance(value, dict):
            inner = cast("dict[str, Any]", value)
            nested += ["", f"[{path}]", *_table_lines(inner, prefix=f"{path}.")]
        elif _is_list_of_tables(value):
            for item in cast("list[dict[str, Any]]", value):
                nested += ["", f"[[{path}]]", *_table_lines(item, prefix=f"{path}.")]
        else:
            lines.append(f"{name} = {_value(value)}")
    return lines + nested


def _is_list_of_tables(value: object) -> bool:
    if not isinstance(value, list):
        return False
    items = cast("list[object]", value)
    return bool(items) and all(isinstance(item, dict) for item in items)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _string(key)


def _value(value: object) -> str:
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        items = cast("list[object]", value)
        return "[" + ", ".join(_value(item) for item in items) + "]"
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value).items()
        return "{" + ", ".join(f"{_key(k)} = {_value(v)}" for k, v in pairs) + "}"
    return str(value)


def _string(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in _ESCAPED:
        return _ESCAPED[character]
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x20 or code == 0x7F else character
