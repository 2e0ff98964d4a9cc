"""Passwords and keys that stand in files: read when needed, and again when they change.

A file that is being replaced may be empty, gone or half written for a moment; what it last
held in good order is used until it is in good order again. What they hold is in no message.
"""

from __future__ import annotations

import base64
import os
import threading
from dataclasses import dataclass
from pathlib import Path

from tailrace.clock import Clock, SystemClock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.log import logger

SIZE_BYTES_MAX = 65_536
"""More than any key has; a larger file was named by mistake."""
KEY_CHARACTERS_MIN = 16
"""Of a key that a user chose; fewer can be tried out."""
SETTLED_MS = 2_000
"""File systems count time in ticks: a file changed as lately may change and look the same."""


class KeyFileUnread(ServiceUnavailable):
    """A file with a password, key or certificate was never in good order."""

    def __init__(self, path: Path, *, service: str, address: str, problem: str) -> None:
        super().__init__(
            service,
            address=address,
            reason=f"the file {path}, by which it is to know us, {problem}",
            remedy="put it right; it is read again with the next try",
        )


class Unusable(Exception):
    """What a file holds is not what it must hold; says why, and never what."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """By what a changed file is told from an unchanged one."""

    inode: int
    size_bytes: int
    modified_ns: int
    changed_ns: int


def stamp_of(path: Path) -> Stamp | None:
    """Return a file's stamp, through links; None where it cannot be had."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Stamp(found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def is_settled(stamp: Stamp, *, now_ms: int) -> bool:
    """Tell whether a later change is sure to show in the stamp."""
    return now_ms - stamp.changed_ns // 1_000_000 >= SETTLED_MS


def one_secret(content: bytes) -> str:
    """Return the one line that a secret's file holds, without the end of that line.

    Raises:
        Unusable: it is empty, or no single line of printable text.
    """
    try:
        text = content.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError:
        raise Unusable("is not UTF-8") from None
    if not text:
        raise Unusable("is empty")
    if "\n" in text or not text.isprintable():
        raise Unusable("holds more than one line of plain text")
    return text


def api_key_header(key: str) -> str:
    """Return the header's value of an API key, encoded already or as `id:key`."""
    is_pair = ":" in key
    return f"ApiKey {base64.b64encode(key.encode()).decode() if is_pair else key}"


class SecretFile:
    """One secret in a file; safe to share between threads."""

    def __init__(
        self, path: Path, *, service: str, address: str, clock: Clock | None = None
    ) -> None:
        self._path = path
        self._service = service
        self._address = address
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._secret: str | None = None
        self._stamp: Stamp | None = None
        self._problem = ""

    def __repr__(self) -> str:
        return f"SecretFile({str(self._path)!r})"

    def read(self) -> str:
        """Return the secret, as it was last in good order; looks whether it changed.

        Raises:
            KeyFileUnread: it was never in good order.
        """
        with self._lock:
            stamp = stamp_of(self._path)
            if self._secret is None or stamp is None or stamp != self._stamp:
                self._read(stamp)
            if self._secret is None:
                raise KeyFileUnread(
                    self._path,
                    service=self._service,
                    address=self._address,
                    problem=self._problem,
                )
            return self._secret

    def forget(self) -> None:
        """Have it read anew next time, though it seems not to have changed."""
        with self._lock:
            self._stamp = None

    def _read(self, stamp: Stamp | None) -> None:
        try:
            secret = one_secret(_content(self._path))
        except Unusable as error:
            self._tell(f"cannot be used: it {error}")
            return
        except OSError as error:
            self._tell(f"cannot be read: {error.strerror}")
            return
        if self._secret not in {None, secret} or self._problem:
            logger("keys").info("key_file_read_anew", path=str(self._path))
        self._secret = secret
        settled = stamp is not None and is_settled(stamp, now_ms=self._clock.now_ms())
        self._stamp = stamp if settled else None
        self._problem = ""

    def _tell(self, problem: str) -> None:
        if problem != self._problem and self._secret is not None:
            logger("keys").warning(
                "key_file_unread", path=str(self._path), problem=problem
            )
        self._problem = problem


def chosen_key(path: Path, *, name: str) -> bytes:
    """Return a key that a user chose, without white space around it.

    `name` is what the user calls the file: a setting or an option.

    Raises:
        CommandFailed: the file cannot be read, or holds too short a key.
    """
    try:
        key = _content(path).strip()
    except Unusable as error:
        raise CommandFailed(
            f"{name} {path} cannot be used: it {error}.", remedy="name the key's file"
        ) from None
    except OSError as error:
        raise CommandFailed(
            f"{name} {path} cannot be read: {error.strerror}.",
            remedy="name a file that this user may read",
        ) from error
    if len(key) < KEY_CHARACTERS_MIN:
        raise CommandFailed(
            f"{name} {path} has {len(key)} characters, and a key has at least"
            f" {KEY_CHARACTERS_MIN}.",
            remedy="make one by `openssl rand -hex 32`",
        )
    return key


def _content(path: Path) -> bytes:
    """Return what a small file holds.

    Raises:
        OSError: it cannot be read.
        Unusable: it is no file, or a large one.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(SIZE_BYTES_MAX + 1) or b""
    if len(content) > SIZE_BYTES_MAX:
        raise Unusable(f"is larger than {SIZE_BYTES_MAX} bytes")
    return content
