"""The configuration that agents are to have: a node in ZooKeeper a group, and an agent.

A node is never removed to take a configuration back: an empty one is set. What is not
there was lost with its ZooKeeper, and no agent stops reading for that.
"""

from __future__ import annotations

import hmac
import re
from typing import Final

import msgspec

from tailrace.errors import ConfigError
from tailrace.topics import KIBIBYTE

NAME_PATTERN: Final = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}")
"""Of groups and sources. Both are parts of paths, so neither may be `.` or `..`."""
CONFIG_BYTES_MAX: Final = 256 * KIBIBYTE
"""Of one node, as it is stored; ZooKeeper itself takes a mebibyte."""


class Desired(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one node holds."""

    version: int
    """When it was set, in milliseconds since the epoch; the greater is the newer."""
    text: str
    """TOML, with the table `agent`; empty to take back what was set before."""
    signature: str = ""
    """HMAC-SHA256 (RFC 2104) of scope, version and text, in hexadecimal."""


def group_scope(group: str) -> str:
    """Name the configuration of a group."""
    return f"groups/{group}"


def agent_scope(agent_id: str) -> str:
    """Name the configuration of one agent, which goes before its group's."""
    return f"agents/{agent_id}"


def config_path(namespace: str, scope: str) -> str:
    """Return the node that holds a scope's configuration."""
    return f"/{namespace}/config/{scope}"


def signed(desired: Desired, *, scope: str, key: bytes) -> Desired:
    """Return it with the signature of who knows the key."""
    return msgspec.structs.replace(desired, signature=_signature(desired, scope, key))


def encode_desired(desired: Desired, *, scope: str) -> bytes:
    """Return what the node is to hold.

    Raises:
        ConfigError: it is more than a node may hold.
    """
    raw = msgspec.json.encode(desired)
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError([_size_problem(raw)], source=scope)
    return raw


def decode_desired(raw: bytes, *, scope: str, key: bytes | None) -> Desired:
    """Return what a node holds, if it is sound and, where there is a key, signed by it.

    Raises:
        ConfigError: it is too large, no such document, or not signed by the key.
    """
    if len(raw) > CONFIG_BYTES_MAX:
        raise ConfigError([_size_problem(raw)], source=scope)
    try:
        desired = msgspec.json.decode(raw, type=Desired)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        problem = f"is no configuration: {error}"
        raise ConfigError([problem], source=scope) from None
    if key is not None and not hmac.compare_digest(
        desired.signature.encode(), _signature(desired, scope, key).encode()
    ):
        problem = "has no signature of this host's key (`fleet_key_file`)"
        raise ConfigError([problem], source=scope)
    return desired


def _signature(desired: Desired, scope: str, key: bytes) -> str:
    # A scope has no line break, so no two documents sign the same bytes.
    signed_text = f"{scope}\n{desired.version}\n{desired.text}"
    return hmac.digest(key, signed_text.encode(), "sha256").hex()


def _size_problem(raw: bytes) -> str:
    return f"has {len(raw)} bytes, and may have {CONFIG_BYTES_MAX}"
