"""Which shape a file's lines have: a dataset and a parser, told from its first lines.

The agent asks once for each generation and fixes the answer in its placement, so the
answer may be a guess but must be cheap, bounded and the same each time. Patterns are
linear: each can begin at one place only, and no part of one can match what the next does.
"""

from __future__ import annotations

import re
from codecs import BOM_UTF8
from dataclasses import dataclass

from tailrace import datasets, evidence
from tailrace.multiline.journald import JOURNALD
from tailrace.tables import table_of
from tailrace.wire import Table

SAMPLE_LINES_MAX = 64
LINE_BYTES_MAX = 4_096
SHARE_MIN = 0.6
"""Of the lines looked at; the rest may be stack traces, banners and damaged lines."""

GENERIC = "generic"
CSV = "csv"
AUTO = "auto"
DATASET_OF_CONTAINER = {
    "docker": "docker.container_logs",
    "cri": "kubernetes.container_logs",
}
"""The formats of containers' logs, each with its parser's name, and their datasets."""
DATASET_OF_JOURNALD = "journald.log"
PARSERS = frozenset(
    {JOURNALD, "json", "logfmt", "access", "syslog", "log4j", "plain", AUTO}
    | DATASET_OF_CONTAINER.keys()
    | datasets.NAMES
)

INNER_PARSERS = frozenset(
    {"json", "logfmt", "access", "syslog", "log4j", AUTO} | datasets.NAMES
)
"""What may read the text within a container's line."""

PARSER_OF_DATASET = {
    **{dataset: dataset for dataset in datasets.NAMES},
    "nginx.access": "access",
    "apache.access": "access",
    "system.syslog": "syslog",
    "java.log": "log4j",
    "python.log": "python",
    **{dataset: name for name, dataset in DATASET_OF_CONTAINER.items()},
    DATASET_OF_JOURNALD: JOURNALD,
    "json": "json",
    "logfmt": "logfmt",
    GENERIC: "plain",
}

_TIME = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d"
_ZONE = rb"(?:Z|[+-]\d\d:?\d\d)"
_MOMENT = rb"\[\d\d/[A-Z][a-z][a-z]/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
_LEVEL = rb"(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|FINE)"

_SHAPES = (
    ("json", re.compile(rb"\s*\{\s*(?:\"(?:[^\"\\]|\\.)*\"\s*:|\}\s*$)")),
    (
        "access",
        re.compile(
            rb"\S+ \S+ [^\[\"]{1,256}" + _MOMENT + rb" \""
            # Apache's log of requests over TLS begins with its time.
            rb"|" + _MOMENT + rb" \S+ (?:TLS|SSL)v[0-9.]{1,8} "
        ),
    ),
    (
        "syslog",
        re.compile(
            rb"<\d{1,3}>1 (?:-|\d{4}-)\S* \S+ \S+ \S+ \S+ [\[-]"
            # A host begins with no `<`, and who speaks in a chat does; FreeBSD's may
            # have a facility and a severity in front of it.
            rb"|(?:<\d{1,3}>)?[A-Z][a-z][a-z] [ \d]\d \d\d:\d\d:\d\d "
            rb"(?:<[a-z0-9]{1,16}\.[a-z0-9]{1,16}> )?[^\s<]"
            rb"|(?:<\d{1,3}>)?"
            + _TIME
            + rb"(?:\.\d{1,9})?"
            + _ZONE
            # Another program's line has its level there, a chat who speaks, and a host
            # ends with no colon.
            + rb" (?!<|\[?(?i:"
            + _LEVEL
            + rb"|VERBOSE|FINER|FINEST)\]? )\S{0,254}[^\s:] "
            rb"[^\s:\[]{1,128}(?:\[\d{1,10}\])?: "
        ),
    ),
    (
        "log4j",
        re.compile(
            rb"\[?"
            + _TIME
            + rb"(?:[.,]\d{1,9})? ?"
            + _ZONE
            + rb"?"
            + evidence.LEVEL_BEHIND_TIME.encode("ascii")
        ),
    ),
    ("logfmt", re.compile(evidence.LOGFMT.encode("ascii"))),
)

_AUTHENTICATES = re.compile(
    rb" (?:sshd(?:-session|-auth)?|sudo|su|login|passwd|chpasswd|useradd|userdel|usermod"
    rb"|groupadd|groupdel|groupmod|gpasswd|chage|unix_chkpwd|systemd-logind)(?:\[\d{1,10}\])?: "
)


_SPANNING = frozenset({"mysql.slowlog"})
"""Shapes whose events go on over lines of any shape, until one of their own comes."""
_SLOW_LOG_BEGINS = re.compile(rb"[^\s,]{1,256}, Version: [^\n]{1,256} started with:")


@dataclass(frozen=True, slots=True)
class Detection:
    """What a file was taken for, and which share of the lines looked at agreed."""

    dataset: str
    parser: str
    confidence: float
    table: Table | None = None
    """The columns, where they are separated values."""


def detect(sample: bytes, *, path: str) -> Detection:
    """Tell dataset and parser from the first lines of a file, and its path as a hint.

    Only the first 64 lines are looked at, and 4 KiB of each. What no shape fits gets
    the parser `auto`, which looks at each line by itself.
    """
    lines = sample_lines(sample)
    if evidence.UNIT_STATUS.match(sample):
        return Detection(GENERIC, AUTO, 0.0)
    votes: dict[str, int] = {}
    before: str | None = None
    for line in lines:
        shape = shape_of(line)
        if shape is None and before in _SPANNING:
            shape = before
        before = shape
        if shape is not None:
            votes[shape] = votes.get(shape, 0) + 1
    if not votes and _is_slow_log_to_be(lines, path=path.lower()):
        return Detection("mysql.slowlog", "mysql.slowlog", 1.0)
    parser = max(votes, key=lambda name: votes[name], default=GENERIC)
    share = votes.get(parser, 0) / len(lines) if lines else 0.0
    if share < SHARE_MIN:
        # Asked last: lines of every other kind have commas, too.
        table = table_of(sample, path=path)
        if table is not None:
            return Detection(CSV, CSV, 1.0, table)
        return Detection(GENERIC, AUTO, share)
    dataset = _dataset(parser, lines, path=path.lower())
    if dataset in datasets.NAMES:
        parser = dataset
    return Detection(dataset, parser, share)


def shape_of(line: bytes) -> str | None:
    """Return the parser whose shape `line` has, or None."""
    cut = line[:LINE_BYTES_MAX]
    for name, pattern in (*datasets.SHAPES, *_SHAPES):
        if pattern.match(cut):
            return name
    return None


def sample_lines(sample: bytes) -> list[bytes]:
    """Return the complete lines to look at; continuation lines say nothing."""
    looked_at = sample[: SAMPLE_LINES_MAX * LINE_BYTES_MAX].removeprefix(BOM_UTF8)
    pieces = looked_at.split(b"\n", SAMPLE_LINES_MAX)
    # What follows the last newline may be half a line, and is asked only if alone.
    complete = pieces[:-1] or pieces
    first_columns = [
        line for line in complete if line.strip() and line[:1] not in {b" ", b"\t"}
    ]
    return first_columns or [line for line in complete if line.strip()]


def parser_for(dataset: str) -> str:
    """Return the parser of a dataset that a user named; `auto` for one of their own."""
    return PARSER_OF_DATASET.get(dataset, AUTO)


def inner_parser(name: str) -> str | None:
    """Return the parser that a user named, itself or by a dataset of it; else None."""
    parser = PARSER_OF_DATASET.get(name, name)
    return parser if parser in INNER_PARSERS else None


def has_time(parser: str) -> bool:
    """Tell whether lines of `parser` carry a time that may decide their index."""
    return parser not in {"plain", AUTO}


def _is_slow_log_to_be(lines: list[bytes], *, path: str) -> bool:
    """Tell whether a server has opened its slow log, and no statement was slow yet.

    It begins its log of all statements in the same way, so the name decides.
    """
    is_begun = bool(lines) and _SLOW_LOG_BEGINS.match(lines[0][:LINE_BYTES_MAX])
    return bool(is_begun) and "slow" in path.rsplit("/", 1)[-1]


def _dataset(parser: str, lines: list[bytes], *, path: str) -> str:
    if parser == "access":
        is_secured = lines[0].startswith(b"[")
        is_apache = is_secured or "apache" in path or "httpd" in path
        return "apache.access" if is_apache else "nginx.access"
    if parser == "syslog":
        return _syslog_dataset(lines, name=path.rsplit("/", 1)[-1])
    if parser == "log4j":
        return _java_dataset(lines, path=path)
    return parser


def _syslog_dataset(lines: list[bytes], *, name: str) -> str:
    if name.startswith(("auth", "secure")):
        return "system.auth"
    if name.startswith(("syslog", "messages")):
        return "system.syslog"
    is_auth = all(_AUTHENTICATES.search(line, 0, 512) for line in lines)
    return "system.auth" if is_auth else "system.syslog"


def _java_dataset(lines: list[bytes], *, path: str) -> str:
    text = b"\n".join(line[:LINE_BYTES_MAX] for line in lines)
    if b"][o.e." in text or b"][org.elasticsearch" in text:
        # Their lines differ in nothing: of a cluster each log has its own file.
        is_deprecation = path.rsplit("/", 1)[-1].endswith("_deprecation.log")
        return f"elasticsearch.{'deprecation' if is_deprecation else 'server'}"
    if b"[myid:" in text or b"org.apache.zookeeper" in text:
        return "zookeeper.log"
    if b"(kafka." in text or b"(org.apache.kafka." in text:
        return "kafka.log"
    for word, dataset in (
        ("elasticsearch", "elasticsearch.server"),
        ("zookeeper", "zookeeper.log"),
        ("kafka", "kafka.log"),
    ):
        if word in path:
            return dataset
    return "java.log"
