"""What looks like a secret: by the name before it, by its own first letters, or in a URL."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tailrace.redaction import cookies
from tailrace.redaction.held import HeldPattern
from tailrace.redaction.linear import Pattern
from tailrace.redaction.private_keys import NEEDLE

_NAMES = (
    rb"(?:pass(?:word|wd|phrase|code)[0-9]?s?|secrets?|tokens?|api[_-]?keys?"
    rb"|(?:access|secret|signing|encryption|account|shared|private)[_-]?keys?"
    rb"|credentials?|client[_-]?secrets?|j?sessionids?"
    rb"|phpsessid)"
)
_SIGN = rb"[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}"
_QUOTED = rb"(?:\\*[\"'])"
"""The end of a name in JSON; in a text within JSON backslashes stand before it."""
_BETWEEN = _QUOTED + rb"?" + _SIGN
_START = rb"(?:\b|_|\\[bfnrt])"
"""Where a word begins, also behind what JSON writes for a newline."""
_LETTER = rb"(?:[^ \t\r\"'&;,)}\]<>\\]|\\[^\"'\t\r ])"


_ESCAPE_WITHIN = rb"\\(?:[^\"'\\]|\\(?:[^\"'\\]|\\[\"'\\]))"
"""What JSON within JSON writes for one character of a text: an escape of the outer text
(`\\u0026`, as Go's encoder writes `&`), or one of the inner, whose backslash is doubled."""


def _values(first: bytes, *, first_in_quotes: bytes) -> bytes:
    """Return a pattern of values, whose first letter is none of those given."""
    return (
        rb"(?:\\\"((?:[^%(in)s\"\\]|%(within)s)(?:[^\"\\]|%(within)s)*)"
        rb"|\\+[\"']([^%(in)s\"'\\](?:[^\"'\\]|\\+[^\"'\\])*)"
        rb"|\"((?:[^%(in)s\"\\]|\\.)(?:[^\"\\]|\\.)*)"
        rb"|'((?:[^%(in)s'\\]|\\.)(?:[^'\\]|\\.)*)"
        rb"|([^%(first)s \t\r\"'&;,)}\]<>\\]%(letter)s*))"
    ) % {
        b"in": first_in_quotes,
        b"first": first,
        b"letter": _LETTER,
        b"within": _ESCAPE_WITHIN,
    }


# A quote behind the sign may be the one that ends the text which names it: what follows
# that quote is no value. Behind a name in quotes what is no text may be a list.
_NAMED = (
    rb"(?:" + _NAMES + _SIGN + _values(b"", first_in_quotes=rb",}\] :")
    + rb"|" + _NAMES + _QUOTED + _SIGN + _values(rb"\[{", first_in_quotes=b"") + rb")"
)  # fmt: skip
_PWD = _START + rb"pwd" + _BETWEEN + _values(rb"/\[{", first_in_quotes=rb"/,}\] :")
"""Without a slash as its first letter: so `PWD` names the folder that a process is in."""
_SCHEME = rb"(?:bearer|basic|digest|token|negotiate|apikey|aws4-hmac-sha256)"
_AUTHORIZED = (
    rb"authorization" + _BETWEEN + rb"\[?(?:\\*[\"'])?(?:" + _SCHEME + rb"[ ]+)?"
    rb"([^ \t\r\"'\\,;)}\]]+)"
)
_DIGEST = (
    rb"authorization" + _BETWEEN + rb"\[?(?:\\*[\"'])?digest[ ]+"
    rb"((?:=\"[^\"\r\n]*\"|\\.|[^\"\r\n\\])+)"
)
"""All of it: who answers, to what, and how, is a secret in each of its parts."""
_SHORT = (
    rb"(?:"
    + _START
    + rb"pass=|--pass(?:word|wd|phrase)?[= ])[\"']?"
    + (rb"([^ \t\r\"'&;,)}\]<>\\-]" + _LETTER + rb"*)")
)
"""As a variable (`DB_PASS=`), or an option of a command."""
_TAG = rb"<(?:[a-z0-9_.-]*[:_.-])?" + _NAMES + rb"(?:[ \t][^<>\r\n]*)?>"
_IN_TAGS = _TAG + rb"([^<>\r\n]+)<"
_USER_OPTION = (
    rb"(?:^|[ ])(?:-u|--user)[ =][\"']?[^ \t\r\"':]*:"
    rb"([^ \t\r\"']*[^0-9 \t\r\"'][^ \t\r\"']*)"
)
"""As of curl; numbers alone are a user and a group, as of docker."""
_BEARER = _START + rb"bearer[ ]+([A-Za-z0-9._~+/-]{16,}=*)"
_IN_URL = rb"://([^ \t\r\"'<>/:?#\\]*:[^ \t\r\"'<>/\\]+)@"
_PERCENT = rb"%(?:25){0,2}"
"""What begins a character of a URL that is written within one, once or twice."""
_ESCAPED = (
    rb"(?:[^ \t\r\"'<>&;,/?#@%\\]"
    rb"|%(?:[015-9A-F][0-9A-F]|2[0-24-9A-E]|3[0-9A-E]|4[1-9A-F]))"
)
"""One that ends neither user, password nor host: `%2F`, `%23`, `%3F` and `%40` would."""
_IN_ESCAPED_URL = (
    _PERCENT + rb"3A" + _PERCENT + rb"2F" + _PERCENT + rb"2F"
    rb"(" + _ESCAPED + rb"*" + _PERCENT + rb"3A(?:" + _ESCAPED + rb"|%40)+)"
    + _PERCENT + rb"40"
)  # fmt: skip
_IN_ESCAPED_QUERY = (
    _NAMES + _PERCENT + rb"3D"
    rb"((?:[^ \t\r\"'<>&;,)}\]%\\]|%(?:[013-9A-F][0-9A-F]|2[0-57-9A-F]))+)"
)  # fmt: skip
_SIGNED = (
    rb"(?:x-(?:amz|goog)-signature|[?&,;][ ]?sig(?:nature)?)"
    rb"(?:=|" + _PERCENT + rb"3D)\\*[\"']?([^ \t\r\"'&;,)}\]<>%\\]+)"
)
"""Who has what a URL or a request is signed with has what it was signed for."""
_SQL_NEEDLE = (
    rb"(?:\bpassword(?:[ \t]+|[ \t]*\([ \t]*)|\bidentified[ \t]+(?:with[ \t]+[^ \t]+"
    rb"[ \t]+)?(?:by|as)[ \t]+(?:password[ \t]+|values[ \t]+)?\\*\"?)"
)
_IN_SQL = (
    _SQL_NEEDLE + rb"(?:'([^',}\] :\\](?:[^'\\]|''|\\[^\"])*)"
    rb"|\\+[\"']([^\"'\\]+)|([^'\" \t\\](?:[^'\" \t\\;]*))\\*\")"
)
_PAIR_NAMES = rb"[a-z0-9_.-]*(?:" + _NAMES + rb"|authorization|pwd|cookie)"
_NAME_KEY = _QUOTED + rb"(?:name|key|field|header|param)" + _QUOTED + rb"[ \t]*:[ \t]*"
_VALUE_KEY = _QUOTED + rb"val(?:ue)?" + _QUOTED + rb"[ \t]*:[ \t]*"
_PAIRED = (
    _NAME_KEY + _QUOTED + _PAIR_NAMES + _QUOTED + rb"[ \t]*,[^{}\r]*?" + _VALUE_KEY
    + _values(rb"\[{", first_in_quotes=b"")
)  # fmt: skip
_PAIRED_BACK = (
    _VALUE_KEY + rb"(?:\\\"((?:[^\"\\]|" + _ESCAPE_WITHIN + rb")+)\\\""
    rb"|\"((?:[^\"\\]|\\.)+)\"|'((?:[^'\\]|\\.)+)')[ \t]*,[^{}\r]*?"
    + _NAME_KEY + _QUOTED + _PAIR_NAMES + _QUOTED
)  # fmt: skip
_ATTRIBUTES = (
    rb"\b(?:name|key)=" + _QUOTED + _PAIR_NAMES + _QUOTED + rb"[^<>\r]*?[ \t]value="
    + _values(b"", first_in_quotes=b"")
)  # fmt: skip
"""A name beside a value, as in settings and in lists of headers: of one object or tag."""
_COMMA = rb"[ \t]*,[ \t]*"
_LISTED = (
    _NAMES + _QUOTED + _SIGN + rb"\[[ \t]*"
    rb"(?:\\\"((?:[^\"\\]|" + _ESCAPE_WITHIN + rb"|\\\"" + _COMMA + rb"\\\")+)\\\""
    rb"|\"((?:[^\"\\]|\\.|\"" + _COMMA + rb"\")+)\""
    rb"|'((?:[^'\\]|\\.|'" + _COMMA + rb"')+)')"
)  # fmt: skip
"""Texts of a list, as Go has the values of a header: all of them are one secret."""
_ARGUED = (
    rb"--[a-z0-9_.-]*" + _NAMES + _QUOTED + _COMMA
    + rb"(?:\\\"([^\"\\-](?:[^\"\\]|" + _ESCAPE_WITHIN + rb")*)\\\""
    rb"|\"((?:[^\"\\-]|\\.)(?:[^\"\\]|\\.)*)\"|'((?:[^'\\-]|\\.)(?:[^'\\]|\\.)*)')"
)  # fmt: skip
"""An option of a command and its value, each a text of its own."""
_HEADER = (
    rb"[\[(][ \t]*b?" + _QUOTED + rb"(?:(?:set-|proxy-)?(?:cookie|authorization)"
    rb"|x-(?:[a-z0-9]{1,32}-){0,4}(?:token|key|secret))" + _QUOTED + _COMMA + rb"b?"
    rb"(?:\\\"((?:[^\"\\]|" + _ESCAPE_WITHIN + rb")+)\\\"|\"((?:[^\"\\]|\\.)+)\""
    rb"|'((?:[^'\\]|\\.)+)')"
)  # fmt: skip
"""A header as a list of its name and its value. Other names stand in lists of names."""
_SEVERAL = (
    _NAMES + rb"s" + _BETWEEN + rb"([^ \t\r\"'&;,=:()}\]<>{\[\\]+"
    rb"(?:,[^ \t\r\"'&;,=:()}\]<>{\[\\]+)+)(?:[ \t\r\"'&;)}\]]|$)"
)
"""Words with commas between them: behind one secret's name what follows is another field."""
_COUNTED = re.compile(
    rb"s\\*[\"']?[ \t]{0,8}(?::=|=>|[:=])[ \t]{0,8}\\*[\"']?\Z", re.IGNORECASE
)
_COUNTED_BYTES = 48
_COUNT_DIGITS_MAX = 9
_SHAPED = (
    _START + rb"((?:AKIA|ASIA|ABIA|ACCA)[0-9A-Z]{16}|gh[pousr]_[0-9A-Za-z]{20,}"
    rb"|github_pat_[0-9A-Za-z_]{20,}|gl(?:pat|dt|rt)-[0-9A-Za-z_-]{20,}"
    rb"|xox[abeposr]-[0-9A-Za-z-]{10,}|[rs]k_(?:live|test)_[0-9A-Za-z]{16,}"
    rb"|AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}|npm_[0-9A-Za-z]{36}"
    rb"|pypi-[0-9A-Za-z_-]{32,}|SG\.[0-9A-Za-z_-]{16,}\.[0-9A-Za-z_-]{16,}"
    rb"|hv[bs]\.[0-9A-Za-z_-]{24,}|sk-(?:[a-z]+-)*[0-9A-Za-z_-]{20,}"
    rb"|eyJ[0-9A-Za-z_-]{8,}\.[0-9A-Za-z_-]{4,}(?:\.[0-9A-Za-z_-]*){0,3})"
)
_SHAPED_NEEDLE = (
    rb"A[KSBC][IC]A[0-9A-Z]|gh[pousr]_[0-9A-Za-z]|github_pat_|gl(?:pat|dt|rt)-"
    rb"|xox[abeposr]-|[rs]k_(?:live|test)_|AIza|ya29\.|npm_[0-9A-Za-z]{4}"
    rb"|pypi-[0-9A-Za-z_-]{8}|SG\.[0-9A-Za-z_-]{16}|hv[bs]\.[0-9A-Za-z_-]{24}"
    rb"|sk-[0-9A-Za-z_-]{20}|eyJ[0-9A-Za-z_-]{8}"
)
# The same as JSON writes it, also within JSON: a screen sees the bytes alone.
_TAB_SEEN = rb"(?:[ \t]|\\+t)"
_EQUALS_SEEN = rb"(?:=|\\+u003d)"
_QUOTED_SEEN = rb"(?:\\*[\"']|\\+u002[27])"
_BETWEEN_SEEN = _QUOTED_SEEN + rb"?" + _TAB_SEEN + rb"{0,8}(?:[:=]|\\+u003d)"
_TAG_SEEN = (
    rb"(?:<|\\+u003c)(?:[a-z0-9_.-]*[:_.-])?" + _NAMES
    + rb"(?:" + _TAB_SEEN + rb"[^<>\r\n]*)?(?:>|\\+u003e)"
)  # fmt: skip
SCREEN = (
    rb"(?i:"
    + (_NAMES + _BETWEEN_SEEN + rb"|pwd" + _BETWEEN_SEEN)
    + (rb"|authorization" + _BETWEEN_SEEN + rb"|pass" + _EQUALS_SEEN + rb"|--pass|")
    + (_TAG_SEEN + rb"|-u [^ ]*:|--user(?: |" + _EQUALS_SEEN + rb")[^ ]*:|")
    + (_NAMES + _PERCENT + rb"3D|" + _PERCENT + rb"3A" + _PERCENT + rb"2F")
    + (rb"|-signature(?:%|" + _EQUALS_SEEN + rb")|identified" + _TAB_SEEN)
    + (rb"|(?:[?&,;]|\\+u0026) ?sig(?:nature)?(?:%|" + _EQUALS_SEEN + rb")")
    + (rb"|cookies?2?" + _BETWEEN_SEEN + rb"|--cookie(?: |" + _EQUALS_SEEN + rb")|")
    + (cookies.CURL + rb"|password(?:\(|" + _TAB_SEEN + rb")+" + _QUOTED_SEEN + rb"|")
    + (_PAIR_NAMES + _QUOTED_SEEN + _TAB_SEEN + rb"*[,}a-z]")
    + (rb"|bearer |:(?:\\*/){2}[^ /:]*:[^ /]*@|" + NEEDLE + rb")|" + _SHAPED_NEEDLE)
)
"""What every secret brings with it; it is asked of a chunk once, for all of them."""
BEGUN = (
    _START
    + rb"((?:AKIA|ASIA|ABIA|ACCA|gh[pousr]_|github_pat_|gl(?:pat|dt|rt)-|xox[abeposr]-"
    rb"|[rs]k_(?:live|test)_|AIza|ya29\.|npm_|pypi-|SG\.|hv[bs]\.|sk-|eyJ)"
    rb"[0-9A-Za-z_.-]+)$|(?i:\bbearer)[ ]+([^ \t\"']+)$"
    rb"|://([^ \t\"'<>/@:?#\\]*:[^ \t\"'<>/@\\]*)$"
)
"""What may be the beginning of one where the text ends before its line does."""
_NO_SECRETS = frozenset((b"null", b"none", b"true", b"false", b"undefined", b"nil"))


class SecretPattern:
    """Finds secrets; each kind costs a pass over a text that the screen let through."""

    def __init__(self) -> None:
        loose = [_NAMED, _PWD, _DIGEST, _AUTHORIZED, _BEARER, _SHORT, _IN_TAGS]
        loose += [_USER_OPTION, _IN_ESCAPED_URL, _IN_ESCAPED_QUERY, _SIGNED, _IN_SQL]
        loose += [_PAIRED, _PAIRED_BACK, _ATTRIBUTES, _LISTED, _ARGUED]
        loose += [_HEADER, _SEVERAL]
        self._patterns: list[Pattern | HeldPattern | cookies.CookiePattern] = [
            Pattern(pattern, is_exact=False) for pattern in loose
        ]
        self._patterns += [Pattern(_IN_URL), Pattern(_SHAPED)]
        self._patterns += [HeldPattern(_NAMES + _BETWEEN), cookies.CookiePattern()]

    def find(self, text: bytes) -> Iterator[tuple[int, int]]:
        """Yield where secrets stand; several may be found in one place."""
        for pattern in self._patterns:
            for start, end in pattern.find(text):
                value = text[start:end]
                if _is_secret(value) and not _is_count(value, text, start):
                    yield start, end


def _is_secret(value: bytes) -> bool:
    """Return whether a value is one, and not the word for none or a mask."""
    return value.lower() not in _NO_SECRETS and bool(value.strip(b"*x.{}[]()"))


def _is_count(value: bytes, text: bytes, start: int) -> bool:
    """Return whether a value says how many there are, such as that of `max_tokens`."""
    if not value.isdigit() or len(value) > _COUNT_DIGITS_MAX:
        return False
    return bool(_COUNTED.search(text, max(0, start - _COUNTED_BYTES), start))
