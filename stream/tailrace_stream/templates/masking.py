"""What of a line is text that its program always writes: the line with its values masked.

A pure function of each line alone, so that a line has the same masked text in whatever
order, chunk or worker it comes, and its hash can name it for ever. All of it is done a
column at a time, by linear regexes, in three steps, so that each is done once a distinct
text that the step before leaves: numbers on every line, of which ordinary logs leave a
hundredth; then user agents and paths, without which an access log is down to a few texts;
then the rest.

That variables are masked by their form before lines are compared is an old step of log
parsing (Drain: He et al., ICWS 2017; its masks are written for each system). Ours are one
set for every kind of log, and take off the header, too: time, host, level, thread and
logger say where and when, not what.

The masks are part of each template's id: to change one renames what it touches, so a
release with other masks needs a new `VERSION` in `naming.py` and a line in the changelog.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from tailrace.template_text import MASK

CHARACTERS_MAX = 1_000
"""Of a longer line the beginning decides. An event of several lines goes by its first:
what follows, such as a stack's frames, differs from one release to the next."""

_LEVEL = (
    r"(?:TRACE|DEBUG|INFO|INFORMATION|NOTICE|WARN|WARNING|ERROR|ERR|FATAL|CRITICAL|CRIT"
    r"|SEVERE|EMERG|VERBOSE|FAILURE|FINE|FINER|FINEST"
    r"|[Tt]race|[Dd]ebug|[Ii]nfo|[Nn]otice|[Ww]arn|[Ww]arning|[Ee]rror|[Ff]atal"
    r"|[Cc]ritical|[Cc]rit|stdout|stderr)"
)
_DAY = r"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]{0,6}"
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]{0,6}"
# `Jun 14 15:16:01 host program[123]: `, perhaps behind a priority or numbers of a
# collector's own. Host and program say where, like a path does.
_SYSLOG = (
    r"(?:<[0-9]{1,3}>[0-9]? ?)?(?:[-0-9][^ ]* +(?:[0-9][^ ]* +){0,2}[^ ]+ +)?"
    r"[A-Z][a-z]{2} +[0-9]{1,2} +[0-9]{1,2}:[0-9:.]+ +[^ ]+ +"
    r"(?:(?:[^ \[\]:]+ ){0,2}[^ \[\]:]+\[[0-9]+\](?: \([^()]*\))?: *|[^ \[\]:]+: +)?"
)
_SYSLOG_ISO = (
    r"(?:<[0-9]{1,3}>[0-9]? ?)?[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.,]+(?:Z|[+-][0-9:]+) "
    r"[^ ]+ [^ \[\]:]+(?:\[[0-9]+\])?: +"
)
# Address, identity, user and time of an access log.
_ACCESS = r"[^ {][^ ]* [^ ]+ [^\"\[\]]{1,64} \[[0-9]{2}/[A-Z][a-z]{2}/[0-9]{4}:[0-9:]+ [+-][0-9]{4}\] "
_HEAD = rf"^(?:{_SYSLOG}|{_SYSLOG_ISO}|{_ACCESS})"
# What follows the method of a request in an access log, up to who asked: each of it a value
# however it is written. Here, because it is all that differs from line to line: masked word
# by word it would leave thousands of texts in a chunk for the steps behind.
_REQUESTED = r' [^ "\\]+ HTTP/[0-9.]+" [0-9]{3} (?:[0-9]+|-)(?: "[^"\\]*" "[^"\\]*")?'
_REQUESTED_MASKED = f' /{MASK} HTTP/{MASK}" {MASK}'
"""As the shortest request stands there with its numbers masked."""
_ACCESS_WHOLE = rf'^{_ACCESS}"[A-Z]+{_REQUESTED}$'
_WORD = r"(?:\.?[A-Za-z0-9_$@#%+~-])*"
# A run of characters with a digit in it; a time or an address is one with its colons.
# An address of a network card, or of IPv6, is one though some of its groups have no digit.
_GROUPS = r"(?-u:\b)(?:[0-9A-Fa-f]{1,4}:){3,7}[0-9A-Fa-f]{1,4}(?-u:\b)"
_NUMBER = rf"{_GROUPS}|{_WORD}\.?[0-9]{_WORD}(?:[:,/]{_WORD}\.?[0-9]{_WORD})*"

_JSON = r"^\s*\{"
MESSAGE_KEYS = ("message", "msg", "MESSAGE", "log", "event", "text")
"""The first of them in a line of JSON that has a text is its message."""
_BEFORE_MESSAGE = rf'{_JSON}.*?"(?:{"|".join(MESSAGE_KEYS)})"\s*:\s*"'
_IN_QUOTES = r'((?:[^"\\]|\\.)*)"'
_MESSAGE_OF_JSON = _BEFORE_MESSAGE + _IN_QUOTES
_MESSAGE_OF_LOGFMT = r'^(?:[A-Za-z_.]+=\S* +)+(?:msg|message)="((?:[^"\\]|\\.)*)"'

_UNIT = (
    r"(?:B|[kKMGTP]i?B|[kMG]?Hz|ns|us|ms|s|secs?|mins?|hrs?|%|AM|PM|UTC|GMT|CES?T"
    r"|[ECMP][SD]T)"
)
_STOP = r"\s\"'<>(){}\[\],;|="
# What a host's or a file's name ends with, where it has one dot alone.
_LAST_NAME = (
    r"(?:com|net|org|edu|gov|mil|int|io|dev|app|local|lan|internal|home|[a-z]{2}"
    r"|exe|dll|sys|log|txt|conf|cfg|ini|xml|json|yaml|yml|toml|jar|war|html|php|jsp|css|png"
    r"|csv|bak|tmp|pid|sock|service|socket|timer|slice|scope|mount|target|java|class|cpp)"
)
_BEFORE = r"""(^|[\s"'=(\[{:,<>|])"""
# In this order: each pass finds what the one before has left. Those of `_WIDE` take off
# what differs most from line to line.
_WIDE: tuple[tuple[str, str], ...] = (
    # A level is a header wherever it stands under its name.
    (r"\"?\b(?:level|lvl|severity)\"?[=:]\s*\"?[A-Za-z]+\b\"?", MASK),
    # A program and its version in quotes is a user agent, whatever follows.
    (rf'"(?:[A-Za-z][\w.-]*/)?{MASK}[^"]*\([^"]*"', MASK),
    (rf'"[A-Za-z][\w.-]*/{MASK}[^"]*"', MASK),
    (rf"{MASK}[-/ ]{_MONTH}[-/ ]{MASK}", MASK),
    (rf"\b(?:{_DAY},? +)?{_MONTH}\.? +{MASK}", MASK),
    (rf"\b{_DAY},? +{MASK}", MASK),
    (r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>(){}\[\],;|]*", MASK),
    (
        rf"{_BEFORE}(?:[A-Za-z]:\\|\\|~?/|\.\.?/)(?:[^{_STOP}]*[^{_STOP}:.])?",
        f"${{1}}{MASK}",
    ),
)
_FINE: tuple[tuple[str, str], ...] = (
    (r"[\w.+$-]+@[\w.-]+", MASK),
    (rf"\b[\w.{MASK}-]+(?:[/\\][\w.{MASK}$~-]+){{2,}}/?", MASK),
    (r"[A-Za-z_$][\w$-]*(?:\.[A-Za-z_$][\w$-]*){2,}", MASK),
    (rf"[A-Za-z_$][\w$-]*\.{_LAST_NAME}\b", MASK),
    (rf"{MASK}/[^{_STOP}]*[^{_STOP}:.]", MASK),
    (r"\b(?:[a-f]{8,}|[A-F]{8,})\b", MASK),
    (rf"[-+<>~#*=]*{MASK} ?{_UNIT}\b", MASK),
    (rf"[+#*~<>-]+{MASK}", MASK),
    # A list of single words, as long as it may be.
    (rf"([(\[{{])[\w{MASK}-]+(?:,\s*[\w{MASK}-]+)+([)\]}}])", f"${{1}}{MASK}${{2}}"),
    (rf"""(?:"{MASK}?"|'{MASK}?'|"-")""", MASK),
)
_RUN = rf"{MASK}(?:[\s,:;/|.x+*@&-]*{MASK})+"
_EMPTY_BRACKETS = rf"\s*(?:\(\s*{MASK}?\s*\)|\[\s*{MASK}?\s*\]|\{{\s*{MASK}?\s*\}})"
# All but a single blank, which would only be put in its own place.
_SPACES = r"[^\S ]\s*|\s{2,}"
_BRACKETS = r"\[[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\]"
_LEVEL_AND_LOGGER = (
    # As `RAS KERNEL INFO`, as `module - INFO - ` or as `INFO:module:`.
    rf"(?:{_LEVEL}:[\w.]+:|(?:(?:(?:[A-Z][A-Z_]*\s+){{0,2}}|[\w$.-]+\s+-\s+){_LEVEL}"
    rf"|[VDIWEF])(?:[\s:,|\]>]+|$)(?:{_BRACKETS}\s*)*(?:[\w$/.-]+:\s+)?)"
)
_HEADER = (
    rf"^(?:[\s|,:>\]*-]|{MASK}|{_BRACKETS}|{_LEVEL_AND_LOGGER}"
    rf"|\|[\w-]+\|{MASK}?\||[\w-]+\|{MASK}\|)*"
)


def masked(lines: pl.Series) -> pl.Series:
    """Return the masked text of each line, with `MASK` for each value."""
    return contents(with_paths_masked(with_numbers_masked(lines)))


def with_numbers_masked(
    lines: pl.Series, *, told: pl.Series | None = None
) -> pl.Series:
    """Return the beginning of each line, without a syslog head and with its numbers masked.

    Of a line of JSON that is its message, which `told` has where it is known already; what
    an access log's request asked for is a number here. The only step that every line takes.
    """
    if told is None:
        return _lines_masked(lines)
    texts = pl.select(pl.coalesce(told, lines)).to_series()
    return _parted(texts, told.is_not_null(), _numbers_masked, _lines_masked)


def _lines_masked(lines: pl.Series) -> pl.Series:
    lines = _first_lines(lines)
    is_json = lines.str.contains(_JSON)
    return _parted(lines, is_json, _json_masked, _text_masked)


def _json_masked(lines: pl.Series) -> pl.Series:
    """Return the messages of lines of JSON, with their numbers masked.

    Taken out first, as the rest of a line has most of its numbers; two patterns, as one
    whose group begins anywhere costs five times as much.
    """
    rest = lines.str.replace(_BEFORE_MESSAGE, "")
    is_told = rest.str.len_bytes() != lines.str.len_bytes()
    messages = rest.str.extract(f"^{_IN_QUOTES}", 1).set(~is_told, None)
    texts = pl.select(pl.coalesce(messages, lines)).to_series()
    return _parted(texts, messages.is_not_null(), _numbers_masked, _words_masked)


def _text_masked(lines: pl.Series) -> pl.Series:
    # Lines of an access log are the most, and the same but for their method: that is cut
    # out of them, at half of what it costs to put masks into all of them.
    is_whole = lines.str.contains(_ACCESS_WHOLE)
    return _parted(lines, is_whole, _requests_masked, _words_masked)


def _parted(
    texts: pl.Series,
    are_first: pl.Series,
    first: Callable[[pl.Series], pl.Series],
    other: Callable[[pl.Series], pl.Series],
) -> pl.Series:
    """Return what one function makes of some texts, and another one of the others."""
    rows = are_first.arg_true()
    if len(rows) == len(texts):
        return first(texts)
    if not len(rows):
        return other(texts)
    others = (~are_first).arg_true()
    made = first(texts.gather(rows)).append(other(texts.gather(others)))
    return made.gather(rows.append(others).arg_sort())


def _requests_masked(lines: pl.Series) -> pl.Series:
    """Return what `_words_masked` does, of lines that are `_ACCESS_WHOLE`."""
    request = lines.str.splitn('"', 3).struct.field("field_1")
    method = request.str.splitn(" ", 2).struct.field("field_0")
    frame = pl.DataFrame({"method": method})
    text = pl.concat_str(pl.lit('"'), pl.col("method"), pl.lit(_REQUESTED_MASKED))
    return frame.select(text).to_series()


def _words_masked(lines: pl.Series) -> pl.Series:
    lines = lines.str.replace(_HEAD, "")
    # Most logs have no such line, and one look tells.
    if lines.str.contains(" HTTP/", literal=True).any():
        lines = lines.str.replace(_REQUESTED, _REQUESTED_MASKED)
    return _numbers_masked(lines)


def _numbers_masked(texts: pl.Series) -> pl.Series:
    return texts.str.replace_all(_NUMBER, MASK)


def with_paths_masked(texts: pl.Series) -> pl.Series:
    """Return what a line says, of lines whose numbers are masked already.

    That is the message of a line of JSON or of pairs, or else the line; its user agents,
    addresses of the web and paths are masked.
    """
    line = pl.col("line")
    text = pl.coalesce(
        line.str.extract(_MESSAGE_OF_JSON, 1),
        line.str.extract(_MESSAGE_OF_LOGFMT, 1),
        line,
    )
    return _selected(texts, _masked(text, _WIDE))


def contents(texts: pl.Series) -> pl.Series:
    """Return the masked text of lines whose numbers and paths are masked already."""
    text = _masked(pl.col("line"), _FINE)
    for _ in range(2):
        text = text.str.replace_all(_RUN, MASK).str.replace_all(_EMPTY_BRACKETS, "")
    text = text.str.replace(_HEADER, "")
    text = text.str.replace_all(_RUN, MASK).str.replace_all(_SPACES, " ")
    text = text.str.strip_chars()
    return _selected(texts, pl.when(text == "").then(pl.lit(MASK)).otherwise(text))


def _masked(text: pl.Expr, passes: tuple[tuple[str, str], ...]) -> pl.Expr:
    for pattern, mask in passes:
        text = text.str.replace_all(pattern, mask)
    return text


def _selected(texts: pl.Series, text: pl.Expr) -> pl.Series:
    return pl.DataFrame({"line": texts}).select(text).to_series()


def _first_lines(lines: pl.Series) -> pl.Series:
    sizes = lines.str.len_bytes()
    longest = sizes.max()
    if isinstance(longest, int) and longest > CHARACTERS_MAX:
        lines = lines.str.head(CHARACTERS_MAX)
    if lines.str.contains("\n", literal=True).any():
        lines = lines.str.splitn("\n", 2).struct.field("field_0")
    return lines
