"""What stands in the place of a secret: the same for the same one, and no way back.

A token is a keyed hash, so who has not the key cannot try out what it may be of, not
even all numbers of cards. The key is the installation's: it is made once, kept closed to
other users, and shown nowhere.
"""

from __future__ import annotations

import hmac
import os
import re
import secrets
from pathlib import Path

from tailrace.errors import CommandFailed
from tailrace.whole_files import PRIVATE, replace_file

KEY_NAME = "redaction-key"
KEY_BYTES = 32
DIGITS = 12
"""48 bits: of 100,000 different secrets hardly two share a token."""
# Without its last letter, too: a value that nothing quotes ends before a bracket.
_TOKEN = re.compile(rb"\[[a-z][a-z0-9._-]{0,127}:[0-9a-f]{%d}\]?" % DIGITS)
_KEPT = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}\n?")


class Tokens:
    """Makes tokens by one key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def __repr__(self) -> str:
        """Show nothing: a key in a traceback is a key in a log."""
        return "Tokens(***)"

    def of(self, secret: bytes, *, label: str) -> bytes:
        """Return `[label:digits]`; the same digits for a secret whatever found it."""
        digits = hmac.digest(self._key, secret, "sha256").hex()[:DIGITS]
        return f"[{label}:{digits}]".encode()


def is_token(piece: bytes) -> bool:
    """Tell whether a piece is a token, which whoever redacts next leaves as it is.

    Made of a token another one would be no token of the secret any more.
    """
    return _TOKEN.fullmatch(piece) is not None


def kept_key(folder: Path) -> bytes:
    """Return the key that is kept in the folder; make it if there is none.

    It is on the disk before it is used, as a key that is lost gives every secret another
    token. Its owner alone may read it.

    Raises:
        CommandFailed: it cannot be read or kept, or is damaged.
    """
    path = folder / KEY_NAME
    found = read_key(folder)
    if found is not None:
        return found
    key = secrets.token_bytes(KEY_BYTES)
    try:
        replace_file(path, f"{key.hex()}\n".encode(), mode=PRIVATE, is_durable=True)
    except OSError as error:
        raise CommandFailed(
            f"The key of redaction cannot be kept in {path}: {error.strerror}.",
            remedy="make room, or give this user the right to write there; or give a"
            " key by TAILRACE_AGENT_REDACT_KEY_FILE",
        ) from error
    return key


def read_key(folder: Path) -> bytes | None:
    """Return the key that is kept in the folder, None where there is none.

    Raises:
        CommandFailed: it cannot be read, or is damaged.
    """
    path = folder / KEY_NAME
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "r", encoding="ascii", errors="replace") as file:
            if os.fstat(descriptor).st_mode & 0o077:
                path.chmod(PRIVATE)  # A backup that was laid back may have opened it.
            text = file.read(4 * KEY_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CommandFailed(
            f"The key of redaction in {path} cannot be read: {error.strerror}.",
            remedy="give it to this user, with mode 0600",
        ) from error
    if not _KEPT.fullmatch(text):
        raise CommandFailed(
            f"The key of redaction in {path} is damaged.",
            remedy="lay it back from a backup; or remove it, and from then on every"
            " secret has another token than before",
        )
    return bytes.fromhex(text)
