"""What a file is taken for, by lines as they are really written."""

from __future__ import annotations

import time
from codecs import BOM_UTF8

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tailrace.detect import PARSERS, Detection, detect, has_time, parser_for

COMBINED = (
    b'203.0.113.7 - frank [24/Nov/2026:01:02:03 +0000] "GET /a?b=1 HTTP/1.1" 200 2326'
    b' "http://example.com/" "Mozilla/5.0 (X11)"\n'
)
KAFKA = b"[2026-11-24 01:02:03,456] INFO Started log (kafka.server.KafkaServer)\n"
ZOOKEEPER = (
    b"2026-11-24 01:02:03,456 [myid:1] - INFO  [main:o.a.z.s.q.QuorumPeer@123] - up\n"
)
ELASTICSEARCH = (
    b"[2026-11-24T01:02:03,456][INFO ][o.e.n.Node               ] [node-1] started\n"
)


@pytest.mark.parametrize(
    ("sample", "path", "dataset", "parser"),
    [
        (COMBINED, "/var/log/nginx/access.log", "nginx.access", "access"),
        (COMBINED, "/var/log/apache2/access.log", "apache.access", "access"),
        (
            b"Nov 24 01:02:03 web1 sshd[123]: Accepted publickey for root\n",
            "/var/log/auth.log",
            "system.auth",
            "system.auth",
        ),
        (
            b"2026-11-24T01:02:03.456789+00:00 web1 cron[9]: (root) CMD (x)\n",
            "/var/log/syslog",
            "system.syslog",
            "syslog",
        ),
        (
            b"<34>1 2026-11-24T01:02:03.003Z host su - ID47 - failed\n",
            "x",
            "system.syslog",
            "syslog",
        ),
        (KAFKA, "server.log", "kafka.log", "kafka.log"),
        (ZOOKEEPER, "zk.log", "zookeeper.log", "zookeeper.log"),
        (ELASTICSEARCH, "es.log", "elasticsearch.server", "elasticsearch.server"),
        (
            b"2026-11-24 01:02:03.456  INFO 1 --- [main] c.e.App : Started\n",
            "app.log",
            "java.log",
            "log4j",
        ),
        (b'{"time":"2026-11-24T01:02:03Z","msg":"x"}\n', "a.log", "json", "json"),
        (b'time=2026-11-24T01:02:03Z level=info msg="a b"\n', "a", "logfmt", "logfmt"),
        (b"just some words\nand more\n", "a.log", "generic", "auto"),
        (b"", "a.log", "generic", "auto"),
    ],
)
def test_a_shape_is_told_from_its_lines(
    sample: bytes, path: str, dataset: str, parser: str
) -> None:
    found = detect(sample, path=path)
    assert (found.dataset, found.parser) == (dataset, parser)
    assert found.parser in PARSERS


SLOW_LOG_BEGINS = (
    b"/usr/sbin/mysqld, Version: 8.0.15 (MySQL). started with:\n"
    b"Tcp port: 3306  Unix socket: /run/mysqld.sock\nTime   Id Command    Argument\n"
)


def test_the_name_tells_a_slow_log_in_which_nothing_stands_yet() -> None:
    """A log of all statements begins with the same lines."""
    slow = detect(SLOW_LOG_BEGINS, path="/var/log/mysql/web1-slow.log")
    assert (slow.dataset, slow.parser) == ("mysql.slowlog", "mysql.slowlog")
    assert detect(SLOW_LOG_BEGINS, path="/slow/web1.log").dataset == "generic"
    every = SLOW_LOG_BEGINS + b"2019-03-24T14:01:47.8Z\t 8 Query\tselect 1\n" * 5
    assert detect(every, path="web1.log").dataset == "generic"


def test_statements_of_any_length_do_not_outvote_the_slow_log_that_they_are_in() -> (
    None
):
    entry = (
        b"# User@Host: a[a] @ b []\n# Query_time: 1.0  Lock_time: 0.0 Rows_sent: 1\n"
    )
    sample = entry + b"SELECT a\n" * 40
    assert detect(sample, path="x").dataset == "mysql.slowlog"


def test_stack_traces_do_not_outvote_the_lines_they_belong_to() -> None:
    trace = (
        b"2026-11-24 01:02:03,456 ERROR [main] a.B - boom\n" + b"\tat a.B.c()\n" * 20
    )
    assert detect(trace, path="x").parser == "log4j"


def test_f32_a_byte_order_mark_hides_no_shape() -> None:
    marked = detect(BOM_UTF8 + KAFKA, path="x")
    assert marked == Detection("kafka.log", "kafka.log", 1.0)


def test_half_a_last_line_is_not_asked() -> None:
    assert detect(COMBINED + b"203.0.1", path="x").confidence == 1.0


def test_a_users_own_dataset_is_looked_at_line_by_line() -> None:
    assert parser_for("shop.api") == "auto"
    assert not has_time("auto")
    assert has_time(parser_for("nginx.access"))


@given(st.binary(max_size=600), st.text(max_size=20))
def test_anything_gets_an_answer(sample: bytes, path: str) -> None:
    found = detect(sample, path=path)
    assert isinstance(found, Detection)
    assert found.parser in PARSERS


@pytest.mark.parametrize(
    "line",
    [
        b'a="' + b"\\" * 4_000,
        b"2026-11-24 01:02:03" + b" INF" * 1_000,
        b"1 1 " + b"1 " * 2_000,
        b'{"' + b"\\" * 4_000,
        b"a=" * 2_000,
    ],
)
def test_x8_a_hostile_line_costs_little(line: bytes) -> None:
    started_s = time.perf_counter()
    detect((line + b"\n") * 64, path="x")
    assert time.perf_counter() - started_s < 0.5
