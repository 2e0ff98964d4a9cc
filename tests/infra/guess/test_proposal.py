"""What a file's bytes propose: datasets, zones, encodings; as settings that are accepted."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.detect import AUTO
from tailrace.guess.encoding import Writing, writing_of
from tailrace.guess.proposal import Guess, propose
from tailrace.guess.settings_text import glob_of, settings_text, source_name
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import matches
from tailrace_agent.placement import placement_of
from tests.stream.golden import Sample, samples

UTF8 = Writing(codec="utf-8", setting=None, confidence=1.0, evidence="told")
PATH = "/srv/x.log"


def proposed(
    text: bytes,
    *,
    path: str = PATH,
    tail: bytes | None = None,
    zone: str = "UTC",
    written_at: datetime | None = None,
) -> tuple[Guess, ...]:
    return propose(
        text,
        tail=text if tail is None else tail,
        path=path,
        writing=UTF8,
        host_time_zone=zone,
        written_at_ms=None
        if written_at is None
        else int(written_at.timestamp() * 1_000),
    )


def told(guesses: tuple[Guess, ...], setting: str) -> Guess:
    return next(one for one in guesses if one.setting == setting)


def source_of(text: str) -> SourceSettings:
    given: dict[str, Any] = tomllib.loads(text)["agent"]["sources"][0]
    return SourceSettings.model_validate(given)


@pytest.mark.parametrize("sample", samples(), ids=lambda one: one.label)
def test_what_is_proposed_is_what_the_agent_would_choose(sample: Sample) -> None:
    """So a proposal that is taken as it is changes nothing but what it says."""
    path = f"/srv/{sample.path}"
    guesses = proposed(sample.content, path=path)
    source = source_of(settings_text(guesses, path=path))
    auto = SourceSettings.model_validate({"name": "x", "paths": (path,)})
    placements = [
        placement_of(
            sample.content,
            path=path,
            source=one,
            host_time_zone="UTC",
            first_seen_at_ms=0,
        )
        for one in (source, auto)
    ]
    explicit, implicit = [
        msgspec.structs.replace(one, multiline=None) for one in placements
    ]
    assert explicit == implicit
    assert explicit.dataset == sample.dataset
    assert source.multiline is None or source.multiline.rule is not None


LINE = b"2026-11-24 01:02:03 INFO [main] a.B - hi\n"
WRITTEN = datetime(2026, 11, 24, 1, 2, 4, tzinfo=UTC)


@pytest.mark.parametrize(
    ("written_at", "host", "zone", "is_taken"),
    [
        (WRITTEN, "Europe/Berlin", "UTC", True),
        (
            WRITTEN.replace(tzinfo=ZoneInfo("Europe/Berlin")),
            "Europe/Berlin",
            "Europe/Berlin",
            True,
        ),
        (WRITTEN.replace(hour=4), "UTC", "Etc/GMT+3", False),
        (WRITTEN.replace(hour=4, minute=32), "UTC", "UTC", False),
        (WRITTEN.replace(day=25), "Europe/Berlin", "Europe/Berlin", False),
        (None, "Europe/Berlin", "Europe/Berlin", False),
    ],
    ids=["UTC", "the host's", "another", "half an hour", "a day later", "a pipe"],
)
def test_the_zone_is_told_by_when_the_file_was_written(
    written_at: datetime | None, host: str, zone: str, is_taken: bool
) -> None:
    found = told(proposed(LINE, zone=host, written_at=written_at), "time_zone")
    assert (found.value, found.is_taken) == (zone, is_taken)


def test_what_is_told_with_little_confidence_stands_there_and_is_not_set() -> None:
    shown = settings_text(proposed(LINE, zone="Asia/Tokyo"), path=PATH)
    assert '\n# time_zone = "Asia/Tokyo"\n' in shown
    assert "# time zone, 0.40: " in shown
    assert source_of(shown).time_zone is None


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        (LINE, "%Y-%m-%d %H:%M:%S"),
        (b"2026-11-24T01:02:03,456+01:00 x\n", "%Y-%m-%dT%H:%M:%S,%f%z"),
        (b'1.2.3.4 - - [24/Nov/2026:01:02:03 +0100] "GET', "%d/%b/%Y:%H:%M:%S %z"),
        (b"Nov 24 01:02:03 web1 su: x\n", "%b %d %H:%M:%S"),
        (b"[Tue Nov 24 01:02:03.123456 2026] [error] x\n", "%a %b %d %H:%M:%S %Y"),
        (b"7:M 24 Nov 2026 01:02:03.123 * x\n", "%d %b %Y %H:%M:%S.%f"),
        (b'{"ts":1795482123456,"msg":"x"}\n', "unix_ms"),
        (b"E1124 01:02:03.123456  1 a.go:1] x\n", "%m%d %H:%M:%S.%f"),
    ],
)
def test_the_format_of_times_is_named_as_strptime_has_it(
    line: bytes, shown: str
) -> None:
    found = told(proposed(line), "time_format")
    assert (found.value, found.confidence, found.is_taken) == (shown, 1.0, False)


def test_times_that_name_their_zone_need_none() -> None:
    found = told(proposed(b"2026-11-24T01:02:03Z x\n" * 2), "time_zone")
    assert (found.value, found.confidence) == (None, 1.0)


def test_lines_of_a_trace_do_not_count_as_lines_without_a_time() -> None:
    trace = LINE + b"java.lang.Error: x\n" + b"\tat a.B.c(B.java:1)\n" * 20 + LINE
    guesses = proposed(trace)
    assert told(guesses, "time_format").confidence == 1.0
    assert told(guesses, "multiline").value == "time"
    assert "22" in told(guesses, "multiline").evidence


def test_of_a_mixed_file_each_line_is_read_by_its_own_shape() -> None:
    mixed = b'{"a":1}\nplain\nNov 24 01:02:03 h su: x\n' + LINE
    found = told(proposed(mixed), "dataset")
    assert found.value == AUTO
    assert "1 json" in found.evidence
    assert "1 syslog" in found.evidence


def test_what_a_container_wrote_is_looked_at_within_its_lines() -> None:
    cri = b'2026-11-24T01:02:03.5Z stdout F level=info msg="a b"\n' * 3
    docker = (
        b'{"log":"{\\"msg\\":\\"a\\"}\\n","stream":"stdout",'
        b'"time":"2026-11-24T01:02:03.5Z"}\n' * 3
    )
    for text, written_by, inner in ((cri, "cri", "logfmt"), (docker, "docker", "json")):
        guesses = proposed(text)
        assert told(guesses, "format").value == written_by
        assert told(guesses, "inner").value == inner


@pytest.mark.parametrize(
    ("head", "codec", "setting"),
    [
        (b"plain\n", "utf-8", None),
        ("größer\n".encode(), "utf-8", None),
        ("größer als alles\n".encode("utf-16-le"), "utf-16-le", "utf-16le"),
        ("größer als alles\n".encode("utf-16-be"), "utf-16-be", "utf-16be"),
        ("x\n".encode("utf-16"), "utf-16-le", None),
        (b"\x1b[31mred\x1b[0m\n", "utf-8", None),
        (b"caf\xe9\n", "utf-8", None),
    ],
)
def test_how_text_is_written_is_told(
    head: bytes, codec: str, setting: str | None
) -> None:
    found = writing_of(head)
    assert isinstance(found, Writing)
    assert (found.codec, found.setting) == (codec, setting)
    assert (found.confidence < 1) == (b"\xe9" in head or setting is not None)


@pytest.mark.parametrize(
    "head", [b"\x7fELF\x02\x01\x01" + b"\0" * 40, bytes(range(256)), b"a\0b"]
)
def test_what_is_no_text_is_told_and_why(head: bytes) -> None:
    found = writing_of(head)
    assert isinstance(found, str)
    assert "control characters" in found


@settings(max_examples=150, deadline=None)
@given(
    text=st.one_of(
        st.binary(max_size=300), st.text(max_size=200).map(lambda one: one.encode())
    ),
    path=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)
    .filter(lambda one: one.strip("/"))
    .map(lambda one: "/" + one),
)
def test_x5_any_file_gives_settings_that_are_accepted_and_steer_no_terminal(
    text: bytes, path: str
) -> None:
    shown = settings_text(proposed(text, path=path), path=path)
    assert shown.replace("\n", "").isprintable()
    source = source_of(shown)
    assert source.name == source_name(path)
    if not path.endswith("/"):
        assert matches(source.paths[0], path)


def test_a_name_that_no_configuration_can_hold_is_matched_by_a_glob() -> None:
    path = "/srv/caf\udce9 [1]*.log"
    assert glob_of(path) == "/srv/caf? [[]1][*].log"
    assert matches(glob_of(path), path)
    assert not matches(glob_of("/srv/a*.log"), "/srv/ab.log")
