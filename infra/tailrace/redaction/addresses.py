"""Which words are addresses of electronic mail."""

from __future__ import annotations

_LOCAL = rb"[0-9A-Za-z._%+\x80-\xff-]+"
ADDRESS = (
    rb"(" + _LOCAL + rb"(?:@|%40)[0-9A-Za-z\x80-\xff]"
    rb"(?:[0-9A-Za-z\x80-\xff-]*\.)+[A-Za-z\x80-\xff]{2,63})"
)
SCREEN = (
    rb"[0-9A-Za-z._%+\x80-\xff-](?:@|%40)(?:[0-9A-Za-z\x80-\xff]|\\+u[0-9A-Fa-f]{4})"
)
"""What every address has, also as JSON writes it: asked of a chunk once."""
BEGUN = rb"(" + _LOCAL + rb"(?:@|%40)[0-9A-Za-z.\x80-\xff-]*)$"
"""What may be the beginning of one where the text ends before its line does."""


def plain_address(address: bytes) -> bytes:
    """Return an address as its other ways of writing have it, too."""
    return address.replace(b"%40", b"@").lower()
