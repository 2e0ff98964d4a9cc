"""Which digits are a payment card's number: by their issuer, their length, and Luhn."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.redaction.linear import Pattern

DIGITS_MIN = 13
_BETWEEN = rb"(?:[ +-]|%20)?"
_NUMBER = (
    rb"([2-6][0-9]{3}%(between)s(?:[0-9]{4}%(between)s[0-9]{4}%(between)s[0-9]{1,7}"
    rb"(?:%(between)s[0-9]{1,3})?|[0-9]{6}%(between)s[0-9]{4,5}))"
) % {b"between": _BETWEEN}
# Behind a letter, a digit, or the point of a fraction nothing begins; behind what JSON
# or a URL writes for another character something may.
_BEFORE = rb"(?:^|[^0-9A-Za-z.]|[^0-9]\.|\\[bfnrt]|\\u[0-9A-Fa-f]{4}|%[0-9A-Fa-f]{2})"
CANDIDATE = _BEFORE + _NUMBER
SCREEN = (
    rb"(?:" + _BEFORE + rb"|\\u[0-9A-Fa-f]{4}\.)"
    + _NUMBER.replace(b"([2-6]", b"(?:[2-6]").replace(b"|%20", rb"|%20|\\+u002[Bb]")
)  # fmt: skip
"""The same without a group, and also as JSON writes it: asked of a chunk once."""
BEGUN = _BEFORE + rb"([2-6][0-9](?:[ +-]?[0-9]){4,18}[ +-]?)$"
"""What may be the beginning of a number where the text ends before its line does."""
_SEPARATORS = b" +-"
_DOUBLED = bytes((digit * 2 - 9 * (digit > 4)) for digit in range(10))
_VALUES = bytes.maketrans(b"0123456789", bytes(range(10)))
_DOUBLES = bytes.maketrans(b"0123456789", _DOUBLED)


class CardPattern:
    """Finds numbers of cards; one call costs one pass over the text."""

    def __init__(self) -> None:
        self._candidate = Pattern(CANDIDATE)

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where numbers stand, with what is written between their digits."""
        start = 0
        while (found := next(self._candidate.find(text, start), None)) is not None:
            begin, end = found
            whole = _card_end(text, begin, end)
            if whole:
                yield begin, whole
            # Another one may begin within what only looked like a number.
            start = whole or begin + 4


def digits_of(written: bytes) -> bytes:
    """Return the digits of a number, however it is written."""
    return written.replace(b"%20", b"").translate(None, _SEPARATORS)


def _card_end(text: bytes, begin: int, end: int) -> int:
    """Return where a number that begins at `begin` ends, at `end` the latest, or 0."""
    ends = [end]
    shorter = max(text.rfind(byte, begin, end) for byte in (b" ", b"+", b"-"))
    if shorter > begin:
        ends.append(shorter)  # What follows the last gap may be something else.
        if (encoded := text.rfind(b"%20", begin, end)) > begin:
            ends.append(encoded)
    elif (encoded := text.rfind(b"%20", begin, end)) > begin:
        ends.append(encoded)
    for stop in ends:
        if not text[stop : stop + 1].isalnum() and is_card(digits_of(text[begin:stop])):
            return stop
    return 0


def is_card(digits: bytes) -> bool:
    """Return whether digits are what an issuer of cards could have given out."""
    return len(digits) in _lengths(digits) and _luhn_sum(digits) % 10 == 0


def _lengths(digits: bytes) -> range | tuple[int, ...]:
    first, two, four = digits[:1], digits[:2], digits[:4]
    if first == b"4":
        return (13, 16, 19)
    if b"51" <= two <= b"55" or b"2221" <= four <= b"2720":
        return (16,)
    if two in (b"34", b"37"):
        return (15,)
    if two in (b"30", b"36", b"38", b"39"):
        return range(14, 20)
    if two == b"35":
        return range(16, 20)
    if two == b"50" or first == b"6":
        return range(DIGITS_MIN, 20)
    return ()


def _luhn_sum(digits: bytes) -> int:
    last_first = digits[::-1]
    plain = last_first[::2].translate(_VALUES)
    return sum(plain) + sum(last_first[1::2].translate(_DOUBLES))
