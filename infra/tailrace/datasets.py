"""How lines of known servers begin: enough of each to tell it from everything else.

One text serves Python's `re`, at the agent, and Rust's, in the stream: only what both read
alike stands in it, and nothing that a hostile line could make slow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_CLOCK = r"[0-9]{2}:[0-9]{2}:[0-9]{2}"
_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_POSTGRESQL = rf"{_DATE} {_CLOCK}(?:\.[0-9]{{1,6}})? (?:[A-Z]{{1,6}}|[+-][0-9]{{2}}(?::?[0-9]{{2}})?)"
_LEVEL = r"(?:emerg|alert|crit|error|warn|notice|info|debug|trace[0-9])"

_REDIS = (
    r"(?:(?:[0-9]{1,10}:[A-Za-z] |\[[0-9]{1,10}\] )?[0-9]{1,2} [A-Z][a-z]{2}"
    rf" (?:[0-9]{{4}} )?{_CLOCK}(?:\.[0-9]{{1,6}})? [.*#-] "
    r"|[0-9]{1,10}:signal-handler \([0-9]{1,10}\) )"
)
_PEER = r"[^ \[\]\"]{1,256}:[0-9]{1,5}"
_MOMENT = rf"\[[0-9]{{2}}/[A-Z][a-z]{{2}}/[0-9]{{4}}:{_CLOCK}"
_QUOTED = r"\"(?:[^\"\\]|\\.)*\""
_ELASTICSEARCH = rf"\[{_DATE}T{_CLOCK},[0-9]{{3}}\]"
_PYTHON_LEVEL = r"(?:DEBUG|INFO|WARNING|ERROR|CRITICAL)"
_PYTHON_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,255}"

HEADS: Mapping[str, str] = {
    "nginx.error": (
        rf"[0-9]{{4}}/[0-9]{{2}}/[0-9]{{2}} {_CLOCK} \[{_LEVEL}\] [0-9]{{1,10}}#[0-9]{{1,19}}: "
    ),
    "apache.error": (
        rf"\[[A-Z][a-z]{{2}} [A-Z][a-z]{{2}} [ 0-9][0-9] {_CLOCK}(?:\.[0-9]{{1,9}})? [0-9]{{4}}\]"
        rf" \[(?:[a-z0-9_-]{{0,64}}:)?{_LEVEL}\] "
    ),
    "postgresql.log": (
        rf"(?:{_POSTGRESQL}(?: \[[0-9]{{1,10}}(?:-[0-9]{{1,10}})?\]|:[^ ]{{0,256}}:\[[0-9]{{1,10}}\]:)"
        r"[^\n]{0,300}?:  "
        rf"|{_POSTGRESQL},(?:\"[^\"]{{0,256}}\")?,(?:\"[^\"]{{0,256}}\")?,[0-9]{{1,10}},"
        rf"|\{{\"timestamp\":\"{_POSTGRESQL}\",\"(?:user|dbname|pid)\":)"
    ),
    "mysql.error": (
        rf"(?:{_DATE}[T ] ?[0-9]{{1,2}}:[0-9]{{2}}:[0-9]{{2}}(?:\.[0-9]{{1,9}})?(?:Z|[+-][0-9]{{2}}:[0-9]{{2}})?"
        r" [0-9]{1,19} \[(?:Note|Warning|ERROR|Error|System)\] "
        r"|[0-9]{6}  ?[0-9]{1,2}:[0-9]{2}:[0-9]{2} +(?:\[(?:Note|Warning|ERROR)\] |InnoDB: |mysqld_safe ))"
    ),
    "redis.log": _REDIS,
    "mongodb.log": (
        rf"(?:\{{\"t\":\{{ ?\"\$date\":\"|{_DATE}T{_CLOCK}\.[0-9]{{3}}[+-][0-9]{{4}}"
        r" [FEWID][1-5]? +(?:[A-Z_]{2,16}|-) +\[)"
    ),
    "haproxy.log": (
        rf"(?:[^\[\]\"]{{1,300}}\[[0-9]{{1,10}}\]: )?(?:{_PEER} {_MOMENT}\.[0-9]{{3,6}}\] [^ ]"
        rf"|Connect from {_PEER} to {_PEER} \([^ /]{{1,256}}/[A-Z]+\))"
    ),
    "traefik.access": (
        rf"(?:\{{\"(?:BackendAddr|ClientAddr|ClientHost|DownstreamContentSize)\":"
        rf"|[^ ]{{1,256}} [^ ]{{1,64}} [^\"\[]{{1,256}}{_MOMENT} [+-][0-9]{{4}}\] {_QUOTED}"
        rf" (?:[0-9]{{3}}|-) (?:[0-9]{{1,18}}|-) (?:{_QUOTED}|-) (?:{_QUOTED}|-)"
        rf" (?:[0-9]{{1,18}}|-) (?:{_QUOTED}|-) (?:{_QUOTED}|-) [0-9]{{1,18}}ms)"
    ),
    "elasticsearch.slowlog": (
        r"(?:\{(?:[^\n]*?\"event\.dataset\": ?\"elasticsearch\.(?:index_(?:search|indexing)_)?slowlog\""
        r"|\"type\": ?\"index_(?:search|indexing)_slowlog\", ?\"timestamp\")"
        rf"|{_ELASTICSEARCH}\[[A-Z]{{4,5}} ?\]\[(?:index\.(?:search|indexing)\.slowlog\.[a-z]{{1,16}}"
        r"|i\.[si]\.s\.(?:query|fetch|index)) *\] )"
    ),
    "elasticsearch.deprecation": (
        r"\{(?:[^\n]*?\"event\.dataset\": ?\"(?:deprecation\.elasticsearch|elasticsearch\.deprecation)\""
        r"|\"type\": ?\"deprecation(?:\.elasticsearch)?\", ?\"timestamp\")"
    ),
    "elasticsearch.audit": (
        r"(?:\{(?:\"type\": ?\"audit\", ?\"timestamp\""
        r"|\"@timestamp\":[^\n]*?\"event\.type\": ?\"(?:rest|transport|ip_filter)\", ?\"event\.action\")"
        rf"|{_ELASTICSEARCH} (?:\[[^\]\n]{{1,256}}\] ){{0,3}}\[(?:rest|transport|ip_filter)\] \[[a-z_]{{1,64}}\][ \t])"
    ),
    "elasticsearch.server": (
        r"\{(?:[^\n]*?\"event\.dataset\": ?\"elasticsearch\.server\""
        r"|\"type\": ?\"server\", ?\"timestamp\")"
    ),
    "elasticsearch.gc": (
        rf"(?:\[{_DATE}T{_CLOCK}\.[0-9]{{3}}[+-][0-9]{{4}}\](?:\[[0-9.,]{{1,20}}s\])?\[[0-9]{{1,10}}\]"
        r"(?:\[(?:trace|debug|info|warning|error) {0,8}\])?\[[a-z0-9,+]{1,64} {0,16}\]"
        rf"|{_DATE}T{_CLOCK}\.[0-9]{{3}}[+-][0-9]{{4}}: [0-9]{{1,12}}[.,][0-9]{{3}}:"
        r" (?:Total time|Application time|\[))"
    ),
    "iis.access": (
        rf"(?:#(?:Software: Microsoft Internet Information|Version: 1\.0|Date: [0-9]{{4}}-|Fields: date time )|{_DATE} {_CLOCK}(?: [^ ]{{1,64}}){{1,3}}"
        r" (?:GET|HEAD|POST|PUT|DELETE|OPTIONS|PATCH|TRACE|CONNECT|PROPFIND) /[^ ]* [^ ]+ [0-9]{1,5} )"
    ),
    "klog": rf"[IWEF](?:20[0-9]{{2}})?[01][0-9][0-3][0-9] {_CLOCK}\.[0-9]{{6}} +[0-9]{{1,19}} [^ :\]]{{1,256}}:[0-9]{{1,9}}\]",
    "gelf": r"\{[^\n]*?\"short_message\"",
    "mysql.slowlog": (
        rf"# (?:Time: (?:{_DATE}T|[0-9]{{6}} )|User@Host: [^\n]{{0,512}} @ |Query_time: [0-9]"
        r"|Thread_id: [0-9]|Schema: |Bytes_sent: )"
    ),
    "python": (
        rf"(?:{_PYTHON_LEVEL}:{_PYTHON_NAME}:"
        r"|(?:DEBUG:    |INFO:     |ERROR:    )[^ ]"
        rf"|{_DATE} {_CLOCK},[0-9]{{3}} - (?:{_PYTHON_NAME} - {_PYTHON_LEVEL}|{_PYTHON_LEVEL} - {_PYTHON_NAME}) - "
        rf"|{_DATE} {_CLOCK}(?:\.[0-9]{{3,6}})? \| [A-Z]{{4,8}} *\| [^ :|]{{1,256}}:[^ :|]{{1,256}}:[0-9]{{1,9}} - "
        rf"|{_DATE} {_CLOCK} \[{_PYTHON_NAME}\] {_PYTHON_LEVEL}: "
        rf"|\[{_DATE} {_CLOCK} [+-][0-9]{{4}}\] \[[0-9]{{1,10}}\] \[{_PYTHON_LEVEL}\] "
        rf"|\[{_DATE} {_CLOCK},[0-9]{{3}}: {_PYTHON_LEVEL}/"
        rf"|\[{_DATE} {_CLOCK},[0-9]{{3}}\] {_PYTHON_LEVEL} in {_PYTHON_NAME}: "
        rf"|\[{_DATE}[T ]{_CLOCK}[.,][0-9]{{3,6}}(?:[+-][0-9]{{4}})?\] \{{[^}} :]{{1,256}}\.py:[0-9]{{1,9}}\}} "
        rf"|{_PYTHON_LEVEL} {_DATE} {_CLOCK},[0-9]{{3}} {_PYTHON_NAME} [0-9]{{1,10}} [0-9]{{1,19}} "
        r"|Traceback \(most recent call last\):)"
    ),
    "cef": r"(?:(?:<[0-9]{1,3}>)?(?:[A-Z][a-z]{2} |[0-9]{4}-)[^\n|]{0,256}? )?CEF:[01]\|[^|]*\|[^|]*\|[^|]*\|",
}
"""By the dataset, which is its parser's name, too."""

NAMES = frozenset({*HEADS, "system.auth", "kafka.log", "zookeeper.log", "csv"})
"""Datasets with a parser of their own; what `system.auth` holds begins as any syslog does,
what Kafka and ZooKeeper say as log4j has it, and CSV in no way of its own."""

SHAPES = tuple(
    (dataset, re.compile(head.encode("ascii"))) for dataset, head in HEADS.items()
)
"""The same for lines that are bytes."""
