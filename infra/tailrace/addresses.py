"""How the addresses of servers are written in settings, and which cannot be ones.

Told when settings are read: a client that is given a bad address raises whatever it
likes, long after, in the middle of something else.
"""

from __future__ import annotations

import re

PORT_MAX = 65_535
KAFKA_FORM = "HOST:PORT, or several of them with commas between"
ZOOKEEPER_FORM = (
    "HOST or HOST:PORT, or several of them with commas between, and perhaps a /PATH"
    " after the last"
)
ELASTICSEARCH_FORM = (
    "http://HOST:PORT or https://HOST:PORT, or several of them with commas between, with"
    " user and password in their own settings"
)

_ADDRESS = re.compile(
    r"""
    # A name, or [IPv6].
    (?P<host> [^\s,/:@?\#\[\]]+ | \[ [0-9A-Fa-f:.]+ (?: %[^\s,\]]+ )? \] )
    (?: : (?P<port> [0-9]{1,5} ) )?
    """,
    re.VERBOSE,
)
_PATH = re.compile(r"(?:/[^\s,/]+)*/?")


def kafka_addresses(value: str) -> str:
    """Return Kafka's addresses without the spaces around them.

    Raises:
        ValueError: one is empty, or not a host with its port.
    """
    entries = _entries(value)
    _refuse(
        [n for n, entry in enumerate(entries, 1) if not _has_port(entry)],
        form=KAFKA_FORM,
        count=len(entries),
    )
    return ",".join(entries)


def zookeeper_addresses(value: str) -> str:
    """Return ZooKeeper's addresses without the spaces around them.

    Raises:
        ValueError: one is empty or no host, or what follows the last is no path.
    """
    hosts, slash, path = value.partition("/")
    entries = _entries(hosts)
    wrong = [n for n, entry in enumerate(entries, 1) if _address(entry) is None]
    path = (slash + path).strip()
    if not _PATH.fullmatch(path) and len(entries) not in wrong:
        wrong.append(len(entries))
    _refuse(wrong, form=ZOOKEEPER_FORM, count=len(entries))
    return ",".join(entries) + path


def elasticsearch_addresses(value: str) -> str:
    """Return each node's URL, without spaces around it or a slash at its end.

    Raises:
        ValueError: one is empty, or not a scheme with a host and its port.
    """
    entries = [entry.rstrip("/") for entry in _entries(value)]
    _refuse(
        [n for n, entry in enumerate(entries, 1) if not _is_url(entry)],
        form=ELASTICSEARCH_FORM,
        count=len(entries),
    )
    return ",".join(entries)


def hosts(value: str) -> list[str]:
    """Return the hosts of any such setting, without brackets; its form is a good one."""
    bare = value.replace("https://", "").replace("http://", "").partition("/")[0]
    found = [_ADDRESS.fullmatch(entry) for entry in _entries(bare)]
    return [one["host"].strip("[]") for one in found if one is not None]


def _entries(value: str) -> list[str]:
    return [entry.strip() for entry in value.split(",")]


def _is_url(text: str) -> bool:
    scheme, separator, address = text.partition("://")
    return bool(separator and scheme in {"http", "https"} and _has_port(address))


def _has_port(text: str) -> bool:
    found = _address(text)
    return found is not None and found["port"] is not None


def _address(text: str) -> re.Match[str] | None:
    """Return a host, with a port that can be one if it has any; None for all else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or found["port"] is None:
        return found
    return found if 1 <= int(found["port"]) <= PORT_MAX else None


def _refuse(wrong: list[int], *, form: str, count: int) -> None:
    """Say which entries are not of the form; the whole value is shown by the caller."""
    if not wrong:
        return
    which = f"; entry {', '.join(map(str, wrong))} is not" if count > 1 else ""
    raise ValueError(f"must be {form}{which}")
