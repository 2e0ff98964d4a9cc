"""What lines that are really written say, by parser."""

from __future__ import annotations

from typing import Any, cast

import polars as pl
import pytest

from tailrace_stream.parsers.columns import MATCHED, MESSAGE
from tailrace_stream.parsers.container import parse_cri, parse_docker
from tests.stream.builders import ACCESS_LINE, documents

OBSERVED = {
    "@timestamp": "2026-11-24T06:00:00.123Z",
    "tailrace.time_source": "observed",
}
GUESSED = {"tailrace.time_source": "guessed"}


def only(line: str | bytes, *, parser: str) -> dict[str, Any]:
    (document,) = documents(line, parser=parser)
    return document


def test_a_combined_access_line_gives_every_field() -> None:
    assert only(ACCESS_LINE, parser="access") == {
        "@timestamp": "2026-11-24T00:02:03.000Z",
        "source.ip": "203.0.113.7",
        "user.name": "frank",
        "http.request.method": "GET",
        "url.original": "/a/b?c=d",
        "url.path": "/a/b",
        "url.query": "c=d",
        "http.version": "1.1",
        "http.response.status_code": 200,
        "http.response.body.bytes": 2326,
        "event.outcome": "success",
        "http.request.referrer": "http://example.com/",
        "user_agent.original": "Mozilla/5.0 (X11; Linux)",
        "message": ACCESS_LINE.decode(),
    }


def test_a_common_access_line_without_size_leaves_out_what_it_lacks() -> None:
    line = 'example.org - - [24/Nov/2026:01:02:03 +0000] "HEAD / HTTP/2.0" 304 -'
    assert only(line, parser="access") == {
        "@timestamp": "2026-11-24T01:02:03.000Z",
        "source.address": "example.org",
        "source.domain": "example.org",
        "http.request.method": "HEAD",
        "url.original": "/",
        "url.path": "/",
        "http.version": "2.0",
        "http.response.status_code": 304,
        "event.outcome": "success",
        "message": line,
    }


@pytest.mark.parametrize(
    ("line", "address", "user"),
    [
        (r'::1 - a b [24/Nov/2026:01:02:03 +0000] "\x16\"x" 400 0', "::1", "a b"),
        ('2001:db8::7 - - [24/Nov/2026:01:02:03 +0000] "-" 408 0', "2001:db8::7", None),
        (
            '1.2.3.4 - u [24/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 1 "r" "a \\" b" 0.1',
            "1.2.3.4",
            "u",
        ),
    ],
)
def test_odd_access_lines_are_access_lines(
    line: str, address: str, user: str | None
) -> None:
    document = only(line, parser="access")
    assert "event.kind" not in document
    assert document["source.ip"] == address
    assert document.get("user.name") == user


@pytest.mark.parametrize(
    ("referrer", "agent"),
    [
        ("http://e.com/start", r"Mozilla/4.08 \"q\""),
        (r"http://e.com/\"s\"", "Mozilla/4.08"),
        (r"http://e.com/\\", r"\x22 [en] (Win98 ;Nav)"),
        ("http://e.com/start", "Mozilla/4.08"),
    ],
)
@pytest.mark.parametrize("extra", ["", ' "10.0.0.1" 0.005', r' "a \"b\""'])
def test_an_escaped_quote_costs_neither_referrer_nor_agent(
    referrer: str, agent: str, extra: str
) -> None:
    start = '127.0.0.1 - u [24/Nov/2026:01:02:03 +0000] "GET /a HTTP/1.0" 200 2326'
    document = only(f'{start} "{referrer}" "{agent}"{extra}', parser="access")
    assert document["http.request.referrer"] == referrer
    assert document["user_agent.original"] == agent


@pytest.mark.parametrize("rest", [" ", " 0.005", ' "only one" 0.1', ' "cut', " - -"])
def test_what_is_no_referrer_and_agent_costs_no_access_line(rest: str) -> None:
    line = f'1.2.3.4 - u [24/Nov/2026:01:02:03 +0000] "GET /a HTTP/1.0" 200 23{rest}'
    document = only(line, parser="access")
    assert document["http.response.body.bytes"] == 23
    assert "user_agent.original" not in document


@pytest.mark.parametrize("user", ["- b", "- - b", "a - b", "10.0.0.1 - b", "x 1.1.1.1"])
def test_a_users_name_takes_no_clients_place(user: str) -> None:
    """Whoever knocks chooses it, and would choose who knocked."""
    line = f'203.0.113.7 - {user} [24/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 401 1'
    document = only(line, parser="access")
    assert document["source.ip"] == "203.0.113.7"
    assert document["user.name"] == user
    assert "destination.ip" not in document


def test_a_host_that_nobody_asked_for_is_none() -> None:
    line = '- 203.0.113.7 - - [24/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 400 1'
    document = only(line, parser="access")
    assert document["source.ip"] == "203.0.113.7"
    assert not {"destination.domain", "url.domain"} & document.keys()


def test_what_looks_like_an_address_but_is_none_is_not_called_one() -> None:
    line = '999.1.1.1 - - [24/Nov/2026:01:02:03 +0000] "GET / HTTP/1.1" 200 1'
    assert only(line, parser="access")["source.address"] == "999.1.1.1"


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            "Nov  4 01:02:03 web1 sshd[123]: Accepted publickey",
            {
                "@timestamp": "2026-11-04T01:02:03.000Z",
                **GUESSED,
                "host.hostname": "web1",
                "process.name": "sshd",
                "process.pid": 123,
                "message": "Accepted publickey",
            },
        ),
        (
            "<34>Nov 24 01:02:03 web1 su: 'su root' failed",
            {
                "@timestamp": "2026-11-24T01:02:03.000Z",
                **GUESSED,
                "log.level": "critical",
                "log.syslog.priority": 34,
                "log.syslog.severity.code": 2,
                "log.syslog.facility.code": 4,
                "host.hostname": "web1",
                "process.name": "su",
                "message": "'su root' failed",
            },
        ),
        (
            "2026-11-24T01:02:03.456789+01:00 web1 kernel: [1.2] eth0: up",
            {
                "@timestamp": "2026-11-24T00:02:03.456789Z",
                "host.hostname": "web1",
                "process.name": "kernel",
                "message": "[1.2] eth0: up",
            },
        ),
        (
            '<165>1 2026-11-24T01:02:03.003Z h app 8710 ID47 [e@1 a="b\\"]" c=""] \ufeffhi',
            {
                "@timestamp": "2026-11-24T01:02:03.003Z",
                "log.level": "notice",
                "log.syslog.priority": 165,
                "log.syslog.severity.code": 5,
                "log.syslog.facility.code": 20,
                "host.hostname": "h",
                "process.name": "app",
                "process.pid": 8710,
                "log.syslog.msgid": "ID47",
                "message": "hi",
                "attributes": {"a": 'b"]', "c": ""},
            },
        ),
    ],
)
def test_syslog_in_its_three_spellings(line: str, fields: dict[str, Any]) -> None:
    assert only(line, parser="syslog") == {**fields, "event.original": line}


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        (
            "[2026-11-24 01:02:03,456] INFO [Log a-0] Loaded (kafka.log.LogManager)",
            {"log.logger": "kafka.log.LogManager", "message": "[Log a-0] Loaded"},
        ),
        (
            "2026-11-24 01:02:03,456 [myid:1] - INFO  [main:o.a.z.QuorumPeer@12] - up",
            {
                "log.logger": "o.a.z.QuorumPeer",
                "process.thread.name": "main",
                "message": "up",
            },
        ),
        (
            "[2026-11-24T01:02:03,456][INFO ][o.e.n.Node               ] [n-1] started",
            {
                "log.logger": "o.e.n.Node",
                "service.node.name": "n-1",
                "message": "started",
            },
        ),
        (
            "[2026-11-24T01:02:03,456][INFO ][o.e.m.j.JvmGcMonitorService] [gc][7] slow",
            {
                "log.logger": "o.e.m.j.JvmGcMonitorService",
                "message": "[gc][7] slow",
            },
        ),
        (
            "2026-11-24 01:02:03.456  INFO 7 --- [main] c.e.App   : Started: in 2 s",
            {
                "log.logger": "c.e.App",
                "process.thread.name": "main",
                "process.pid": 7,
                "message": "Started: in 2 s",
            },
        ),
        (
            "2026-11-24 01:02:03.456 [http-1] INFO  c.e.Api - got - it",
            {
                "log.logger": "c.e.Api",
                "process.thread.name": "http-1",
                "message": "got - it",
            },
        ),
        (
            "2026-11-24 01:02:03,456 INFO [main] o.a.Main: hello",
            {
                "log.logger": "o.a.Main",
                "process.thread.name": "main",
                "message": "hello",
            },
        ),
        (
            "2026-11-24 01:02:03,456 - my.app - INFO - careful",
            {"log.logger": "my.app", "message": "careful"},
        ),
        ("2026-11-24 01:02:03.456 INFO hello world", {"message": "hello world"}),
        (
            "2026-11-24 01:02:03,456 INFO  [main] (App.java:12) - started",
            {"message": "[main] (App.java:12) - started"},
        ),
        (
            "2026-11-24 01:02:03,456 INFO  [org.jboss.as] (Boot Thread: 7) up",
            {
                "log.logger": "org.jboss.as",
                "process.thread.name": "Boot Thread: 7",
                "message": "up",
            },
        ),
        (
            "2026-11-24 01:02:03.456\tINFO\tmain\tio.trino.server.Server\tSTARTED",
            {
                "log.logger": "io.trino.server.Server",
                "process.thread.name": "main",
                "message": "STARTED",
            },
        ),
        (
            "2026-11-24 01:02:03.456\tINFO\tQuery-7-a b\tio.trino.Q\ta\tb",
            {
                "log.logger": "io.trino.Q",
                "process.thread.name": "Query-7-a b",
                "message": "a\tb",
            },
        ),
        (
            "2026-11-24 01:02:03.456\tINFO\tsetup\tstarted",
            {"log.logger": "setup", "message": "started"},
        ),
        (
            "2026-11-24 01:02:03.456\tINFO\tsetup\tcmd/main.go:7\tstarted",
            {"log.logger": "setup", "message": "started"},
        ),
        (
            '2026-11-24 01:02:03.456\tINFO\tsetup\tmy.word\t{"a": 1}',
            {"log.logger": "setup", "message": 'my.word\t{"a": 1}'},
        ),
    ],
)
def test_java_and_python_lines(line: str, fields: dict[str, Any]) -> None:
    assert only(line, parser="log4j") == {
        "@timestamp": "2026-11-24T01:02:03.456Z",
        **GUESSED,
        "log.level": "info",
        "event.original": line,
        **fields,
    }


def test_a_stack_trace_is_no_mistake() -> None:
    found = documents(
        "2026-11-24 01:02:03,456 ERROR [m] a.B - boom",
        "java.lang.IllegalStateException: x",
        "\tat a.B.c(B.java:1)",
        "Caused by: java.io.IOException",
        parser="log4j",
    )
    assert all("event.kind" not in document for document in found)
    assert found[2]["message"] == "\tat a.B.c(B.java:1)"


@pytest.mark.parametrize(
    "line",
    [
        "java.lang.NullPointerException: x",
        "java.lang.NullPointerException",
        'Exception in thread "main" java.lang.RuntimeException: x',
        "com.acme.OrderFailed: no stock",
        "Caused by: java.io.IOException: y",
        "Wrapped by: java.io.IOException: y",
        "... 12 more",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in f',
        "ValueError: bad",
        "StopIteration",
        "KeyboardInterrupt",
        "shop.errors.NotThere: y",
        "During handling of the above exception, another exception occurred:",
        "The above exception was the direct cause of the following exception:",
    ],
)
def test_every_line_of_a_stack_trace_is_treated_alike(line: str) -> None:
    assert only(line, parser="log4j") == {**OBSERVED, "message": line}


@pytest.mark.parametrize(
    "line", ["Error while reading", "ErrorReport: 3", "www.example.com: down", "Done."]
)
def test_words_that_are_no_stack_trace_say_so(line: str) -> None:
    assert only(line, parser="log4j")["event.kind"] == "pipeline_error"


def test_json_goes_to_fields_by_name_and_type_and_the_rest_to_attributes() -> None:
    line = (
        '{"ts":"2026-11-24T01:02:03.1Z","severity":"WARN","msg":"hi","logger":"a.b",'
        '"traceId":"t1","http":{"request":{"method":"GET","tries":2},"response":'
        '{"status_code":"200"}},"url.path":"/x","user":{"id":7},"took_ms":1.5,"gone":null,'
        '"process":{"pid":"many"}}'
    )
    assert only(line, parser="json") == {
        "@timestamp": "2026-11-24T01:02:03.100Z",
        "log.level": "warn",
        "message": "hi",
        "event.original": line,
        "log.logger": "a.b",
        "trace.id": "t1",
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/x",
        "user.id": "7",
        "attributes": {
            "http": {"request": {"tries": 2}},
            "took_ms": 1.5,
            "process": {"pid": "many"},
        },
        "tailrace.conflicts": ["process.pid"],
    }


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("1795482123", "2026-11-24T01:02:03.000Z"),
        ("1795482123.25", "2026-11-24T01:02:03.250Z"),
        ("1795482123456", "2026-11-24T01:02:03.456Z"),
        ('"1795482123456789"', "2026-11-24T01:02:03.456789Z"),
        ("1795482123456789123", "2026-11-24T01:02:03.456789123Z"),
        ('"2026-11-24T01:02:03.456789123+00:00"', "2026-11-24T01:02:03.456789123Z"),
        ('"soon"', OBSERVED["@timestamp"]),
        ("-1", OBSERVED["@timestamp"]),
        ("true", OBSERVED["@timestamp"]),
    ],
)
def test_a_number_of_any_unit_is_a_time(time: str, expected: str) -> None:
    assert only(f'{{"time":{time}}}', parser="json")["@timestamp"] == expected


def test_two_keys_for_one_field_lose_neither() -> None:
    document = only('{"time":"x","msg":"a","message":"b"}', parser="json")
    assert document["message"] == "b"
    assert document["attributes"] == {"@timestamp": "x", "msg": "a"}
    assert document["tailrace.conflicts"] == ["@timestamp"]


def test_keys_that_no_index_takes_are_renamed() -> None:
    document = only('{"":1,".":2,"a\\u0000b":"c\\u0000","k":{"":{}}}', parser="json")
    assert document["attributes"] == {
        "_": 1,
        "_.": 2,
        "a\\0b": "c\\0",
        "k": {"_": {}},
    }


def test_what_is_nested_too_deep_becomes_text() -> None:
    document = only('{"a":' * 30 + "1" + "}" * 30, parser="json")
    depth = 0
    value: Any = document["attributes"]
    while isinstance(value, dict):
        depth, value = depth + 1, cast("Any", value["a"])
    assert depth == 10
    assert value.startswith('{"a":')


def test_a_docker_line_loses_its_own_newline() -> None:
    line = '{"log":"hello\\n","stream":"stderr","time":"2026-11-24T01:02:03.5Z"}'
    document = only(line, parser="json")
    assert document["message"] == "hello"
    assert document["attributes"] == {"stream": "stderr"}


DOCKER = '{{"log":"{}","stream":"stdout","time":"2026-11-24T01:02:03.5Z"}}'
CRI = "2026-11-24T01:02:03.5Z stdout F {}"


@pytest.mark.parametrize(
    ("line", "parser"),
    [(DOCKER.format("hello\\r\\n"), "docker"), (CRI.format("hello") + "\r", "cri")],
    ids=["docker", "cri"],
)
def test_f33_what_a_container_wrote_ends_without_its_line_end(
    line: str, parser: str
) -> None:
    document = only(line, parser=parser)
    assert document["message"] == "hello"
    assert document["stream"] == "stdout"
    assert document["@timestamp"] == "2026-11-24T01:02:03.500Z"


def test_whole_lines_of_a_container_in_one_event_stay_lines() -> None:
    """Joined by a rule of the user's, not as pieces: each loses its own head."""
    first, second = CRI.format("Traceback:"), CRI.format("  File x")
    made = parse_cri(pl.Series([f"{first}\n{second}"]), time_zone="UTC")
    assert made.get_column(MESSAGE).to_list() == ["Traceback:\n  File x"]


def test_s1_a_line_that_no_container_wrote_spoils_no_other() -> None:
    for parse, line in ((parse_docker, DOCKER), (parse_cri, CRI)):
        lines = pl.Series(['{"log":', line.format("fine"), "junk"])
        made = parse(lines, time_zone="UTC")
        assert made.get_column(MATCHED).to_list() == [False, True, False]
        assert made.get_column(MESSAGE).to_list() == [None, "fine", None]


def test_logfmt_with_quotes_and_empty_values() -> None:
    line = (
        'time=2026-11-24T01:02:03Z level=info msg="a \\"b\\"\\n" pid=12 took= x="1 2"'
    )
    assert only(line, parser="logfmt") == {
        "@timestamp": "2026-11-24T01:02:03.000Z",
        "log.level": "info",
        "message": 'a "b"',
        "event.original": line,
        "process.pid": 12,
        "attributes": {"took": "", "x": "1 2"},
    }


@pytest.mark.parametrize("parser", ["access", "syslog", "json", "logfmt", "log4j"])
def test_a_line_of_another_shape_is_kept_and_says_so(parser: str) -> None:
    strange, empty = documents("#!? nothing", "", parser=parser, dataset="my.data")
    assert strange == {
        **OBSERVED,
        "event.kind": "pipeline_error",
        "error.message": "not a line of my.data",
        "message": "#!? nothing",
    }
    assert empty == {**OBSERVED, "message": ""}


def test_auto_looks_at_each_line_by_itself() -> None:
    found = documents(
        '{"level":"ERROR","msg":"j"}',
        "plain words",
        "Nov 24 01:02:03 web1 cron[1]: tick",
        ACCESS_LINE,
        "level=info a=1 b=2",
        "2026-11-24 01:02:03 WARN careful",
        "2026-11-24T01:02:03Z something",
        parser="auto",
    )
    assert [d["message"] for d in found] == [
        *("j", "plain words", "tick", ACCESS_LINE.decode()),
        *("level=info a=1 b=2", "careful", "2026-11-24T01:02:03Z something"),
    ]
    assert found[0]["log.level"] == "error"
    assert found[2]["process.name"] == "cron"
    assert found[3]["http.response.status_code"] == 200
    assert found[4]["attributes"] == {"a": "1", "b": "2"}
    assert found[6]["@timestamp"] == "2026-11-24T01:02:03.000Z"


def test_what_a_client_calls_itself_changes_no_figure_of_a_slow_statement() -> None:
    line = "# User@Host: Rows_sent: 9 Id: 7 [a] @ web1 []  Id:    14"
    document = only(line, parser="mysql.slowlog")
    assert document["user.name"] == "Rows_sent: 9 Id: 7 "
    assert document["mysql.thread_id"] == 14
    assert "mysql.slowlog.rows_sent" not in document


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ("2026-11-24 01:02:03,456 INFO shop: hi", {"log.logger": "shop"}),
        ("2026-11-24 01:02:03,456 [INFO] hi", {}),
        (
            "2026-11-24 01:02:03,456 [MainThread] INFO shop - hi",
            {"log.logger": "shop", "process.thread.name": "MainThread"},
        ),
    ],
)
def test_formats_of_python_that_java_has_as_well(
    line: str, fields: dict[str, Any]
) -> None:
    assert only(line, parser="python") == {
        "@timestamp": "2026-11-24T01:02:03.456Z",
        **GUESSED,
        "log.level": "info",
        "event.type": ["info"],
        "message": "hi",
        "event.original": line,
        **fields,
    }


@pytest.mark.parametrize("parser", ["syslog", "auto"])
@pytest.mark.parametrize("told", ["<kern.crit>", "<0.2>"])
def test_what_freebsd_says_of_facility_and_severity_is_no_host(
    told: str, parser: str
) -> None:
    document = only(f"Nov 24 01:02:03 {told} fw1 kernel: em0: down", parser=parser)
    assert document["@timestamp"] == "2026-11-24T01:02:03.000Z"
    assert document["host.hostname"] == "fw1"
    assert document["process.name"] == "kernel"
    assert document["message"] == "em0: down"


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("service=shop dyno=web.1 msg=hi", "shop"),
        ("at=info dyno=web.1 connect=0ms service=5ms status=200", None),
    ],
)
def test_a_service_is_named_beside_a_dyno_but_not_by_herokus_router(
    line: str, name: str | None
) -> None:
    assert only(line, parser="logfmt").get("service.name") == name


def test_a_protocol_by_ianas_number_is_no_protocol_of_an_application() -> None:
    line = "CEF:0|a|b|1|7|x|3|proto=6 app=17"
    document = only(line, parser="cef")
    assert document["network.transport"] == "tcp"
    assert document["network.protocol"] == "17"


AUDIT = (
    "[2026-11-24T01:02:03,456] [n1] [rest] [authentication_success]\t"
    "principal=[anna], realm=[native], uri=[/a, principal=[eve], request_body=[x],"
    " request_body=[{, principal=[root], action=[indices:a], realm=[r], run_as_principal=[q]}]"
)


def test_what_a_client_sends_names_nobody_in_an_audit() -> None:
    document = only(AUDIT, parser="elasticsearch.audit")
    assert document["user.name"] == "anna"
    assert document["elasticsearch.audit.realm"] == "native"
    assert "user.effective.name" not in document
    assert "elasticsearch.audit.action" not in document
    of_body = AUDIT.replace(
        "principal=[anna], realm=[native], uri=[/a, principal=[eve], ", ""
    )
    document = only(of_body, parser="elasticsearch.audit")
    assert not {"user.name", "elasticsearch.audit.realm"} & document.keys()
    of_uri = AUDIT.replace("principal=[anna], realm=[native], ", "")
    assert "user.name" not in only(of_uri, parser="elasticsearch.audit")


@pytest.mark.parametrize("source", ["{, id[eve]}", "{ source[, id[eve]]}"])
def test_what_a_search_asks_for_is_no_id_of_who_asked(source: str) -> None:
    line = (
        "[2026-11-24T01:02:03,456][WARN ][i.s.s.query] [n1] [shop][0] took[1s],"
        " took_millis[1000], types[], stats[], search_type[A],"
        f" total_shards[1], source[{source}], "
    )
    name = "elasticsearch.slowlog.id"
    assert name not in only(line, parser="elasticsearch.slowlog")
    asked = only(line + "id[anna], ", parser="elasticsearch.slowlog")
    assert asked[name] == "anna"
    indexed = line.replace(" types[]", " id[doc-1], types[]")
    assert only(indexed, parser="elasticsearch.slowlog")[name] == "doc-1"
