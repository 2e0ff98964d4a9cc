"""How a file's bytes are written as text, if they are text at all."""

from __future__ import annotations

from codecs import BOM_UTF8, BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass

CONTROL_SHARE_MAX = 0.05
"""Of a text's bytes: escapes of colour are fewer."""
UTF16_SHARE_MIN = 0.3
"""Of the bytes in one of two places, which are zero: more where the letters are Latin."""
UTF16_OTHERS_MAX = 0.02
"""Of those in the other place."""
UTF16_BYTES_MIN = 16
_KEPT = frozenset(b"\t\n\r\x0b\x0c\x1b")
_CONTROLS = bytes(set(range(0x20)) - _KEPT | {0x7F})


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """How text is written; `setting` is a source's, None where its default serves."""

    codec: str
    setting: str | None
    confidence: float
    evidence: str


def writing_of(head: bytes) -> Writing | str:
    """Return how a file is written that begins with `head`, or why it is no text.

    `head` ends with a line, so that no character of it is cut.
    """
    for mark, codec in ((BOM_UTF16_LE, "utf-16-le"), (BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return Writing(
                codec=codec,
                setting=None,
                confidence=1.0,
                evidence=f"a byte order mark says {codec}",
            )
    if b"\0" in head:
        unmarked = _utf16(head)
        if unmarked is not None:
            return unmarked
    controls = len(head) - len(head.translate(None, _CONTROLS))
    if controls > CONTROL_SHARE_MAX * len(head):
        share = round(100 * controls / len(head))
        first = next(at for at, byte in enumerate(head) if byte in _CONTROLS)
        return (
            f"{share} % of its first {len(head):,} bytes are control characters, the"
            f" first of them {head[first]:#04x} at offset {first}"
        )
    return _utf8(head)


def _utf16(head: bytes) -> Writing | None:
    even, odd = head[::2], head[1::2]
    if len(head) < UTF16_BYTES_MIN:
        return None
    for codec, zero, other in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        share = zero.count(0) / len(zero)
        if share >= UTF16_SHARE_MIN and other.count(0) <= UTF16_OTHERS_MAX * len(other):
            return Writing(
                codec=codec,
                setting=codec.replace("16-", "16"),
                confidence=min(0.95, 0.5 + share / 2),
                evidence=f"{round(100 * share)} % of every second byte are zero",
            )
    return None


def _utf8(head: bytes) -> Writing:
    has_mark = head.startswith(BOM_UTF8)
    wrong = len(head) - len(head.decode("utf-8", "ignore").encode())
    if wrong:
        first = _first_wrong(head)
        return Writing(
            codec="utf-8",
            setting=None,
            confidence=0.5,
            evidence=(
                f"{wrong} of {len(head):,} bytes are not UTF-8, the first {head[first]:#04x} at offset"
                f" {first}: they are shown as \\xNN, and the line is kept in base64"
            ),
        )
    if has_mark:
        said = "a byte order mark says UTF-8"
    elif head.isascii():
        said = "all bytes looked at are ASCII"
    else:
        said = "all bytes looked at are UTF-8"
    return Writing(codec="utf-8", setting=None, confidence=1.0, evidence=said)


def _first_wrong(head: bytes) -> int:
    try:
        head.decode("utf-8")
    except UnicodeDecodeError as error:
        return error.start
    return 0
