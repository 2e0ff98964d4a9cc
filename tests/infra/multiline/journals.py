"""Journals in the export format, written by the format's description and not by our reader."""

from __future__ import annotations

from collections.abc import Sequence

Field = tuple[str, bytes]
Entry = Sequence[Field]

SHIPPED: Entry = (
    (
        "__CURSOR",
        b"s=739ad463348b4ceca5a9e69c95a3c93f;i=4ece7;b=6c7c6013a26343b29e964691",
    ),
    ("__REALTIME_TIMESTAMP", b"1795483323123456"),
    ("__MONOTONIC_TIMESTAMP", b"91830298"),
    ("_BOOT_ID", b"6c7c6013a26343b29e964691ff25d04c"),
    ("_TRANSPORT", b"syslog"),
    ("PRIORITY", b"3"),
    ("SYSLOG_FACILITY", b"4"),
    ("SYSLOG_IDENTIFIER", b"sshd"),
    ("_COMM", b"sshd-session"),
    ("_PID", b"412"),
    ("_UID", b"0"),
    ("_HOSTNAME", b"web-1"),
    ("_SYSTEMD_UNIT", b"ssh.service"),
    ("MESSAGE", b"error: kex = none"),
)


def field(name: str, value: bytes, *, is_binary: bool | None = None) -> bytes:
    """Return a field: binary where it must be, or where a writer chose so."""
    if is_binary is None:
        is_binary = b"\n" in value
    if not is_binary:
        return name.encode() + b"=" + value + b"\n"
    size = len(value).to_bytes(8, "little")
    return name.encode() + b"\n" + size + value + b"\n"


def entry(fields: Entry) -> bytes:
    """Return an entry without the newline of the empty line that ends it."""
    return b"".join(field(name, value) for name, value in fields)


def with_message(message: bytes) -> bytes:
    """Return an entry that says something else."""
    return entry([*SHIPPED[:-1], ("MESSAGE", message)])
