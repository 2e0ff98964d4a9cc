"""How hostile text is shown: log text never reaches a terminal or a page unescaped."""

from __future__ import annotations

import unicodedata

_SHOWN_AS_THEY_ARE = frozenset("\t")


def printable(text: str) -> str:
    r"""Return `text` with everything that could steer a terminal written as `\xNN`.

    Control characters (ANSI and OSC escapes begin with one), bidirectional overrides
    and other format characters, unpaired surrogates, and separators of lines and
    paragraphs are escaped; all else, every script included, stays.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character in _SHOWN_AS_THEY_ARE:
        return character
    category = unicodedata.category(character)
    if category[0] == "C" or category in {"Zl", "Zp"}:
        code = ord(character)
        if code < 0x100:
            return f"\\x{code:02x}"
        return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return character


def path_text(path: bytes | str) -> str:
    r"""Return a path as text; bytes that are not UTF-8 are written `\xNN`."""
    raw = path.encode("utf-8", "surrogateescape") if isinstance(path, str) else path
    return raw.decode("utf-8", "backslashreplace")
