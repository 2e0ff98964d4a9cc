"""The rule that a file wants, told from its first lines."""

from __future__ import annotations

import pytest

from tailrace.detect import detect
from tailrace.multiline.auto import rule_for
from tests.infra.multiline import traces


def told(text: str, *, path: str = "app.log") -> str | None:
    sample = text.encode()
    return rule_for(sample, parser=detect(sample, path=path).parser)


@pytest.mark.parametrize("language", ["java", "python", "node"])
def test_a_trace_among_the_first_lines_tells_its_language(language: str) -> None:
    events = traces.BY_LANGUAGE[language][1:-1]
    assert told("started\n" + "\n".join(events) + "\n") == language


def test_ruby_and_go_are_told_by_their_frames() -> None:
    assert told("started\n" + traces.RUBY[1] + "\n") == "ruby"
    assert told("started\n" + traces.GO[1] + "\n") == "go"


def test_lines_that_begin_with_a_time_tell_where_events_begin() -> None:
    assert told("\n".join(traces.JAVA[:3]) + "\n") == "time"
    assert told("2026-11-24 10:00:00 one\n") == "time"


def test_where_nothing_tells_a_trace_of_any_language_is_looked_for() -> None:
    assert told("listening on 8080\n") == "trace"
    assert told("") == "trace"
    assert told(traces.JAVA[2] + "\n" + traces.PYTHON[2] + "\n") == "trace"


def test_a_time_in_few_lines_is_no_rule() -> None:
    assert told("2026-11-24 10:00:00 a\nb\nc\nd\n") == "trace"
    assert told("banner\n2026-11-24 10:00:00 a\n2026-11-24 10:00:00 b\n") == "trace"


@pytest.mark.parametrize(
    "text",
    [
        '{"message": "a"}\n{"message": "b"}\n',
        "level=info msg=a\nlevel=info msg=b\n",
        '10.0.0.1 - - [24/Nov/2026:10:00:00 +0000] "GET / HTTP/1.1" 200 1\n',
        "Nov 24 10:00:00 host app[1]: a\n",
    ],
)
def test_shapes_in_which_a_line_is_an_event_have_no_rule(text: str) -> None:
    assert told(text) is None


def test_the_same_bytes_give_the_same_answer_and_half_a_line_none() -> None:
    sample = "\n".join(traces.PYTHON).encode()
    assert rule_for(sample, parser="auto") == "python"
    assert rule_for(sample + b"\nTrace", parser="auto") == "python"


def test_a_byte_order_mark_is_no_part_of_the_first_line() -> None:
    assert rule_for(b"\xef\xbb\xbf2026-11-24 10:00:00 a\n", parser="auto") == "time"
