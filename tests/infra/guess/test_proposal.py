"""What a file's bytes propose: datasets, zones, encodings; as settings that are accepted."""

from __future__ import annotations

import tomllib
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from crc32c import crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from tailrace.commands.guessed_file import read_time
from tailrace.detect import AUTO
from tailrace.framing import MappedEvent, encode_mapped
from tailrace.guess.encoding import Writing, writing_of
from tailrace.guess.proposal import Guess, propose, with_times
from tailrace.guess.settings_text import glob_of, settings_text, source_name
from tailrace.guess.times import ReadTime
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import matches
from tailrace_agent.placement import placement_of
from tailrace_stream.parse_file import chunk_explanations, origin_of
from tests.stream.builders import SEEN_AT_MS
from tests.stream.golden import Sample, samples, split

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
    guesses = propose(text, path=path, writing=UTF8)
    return with_times(
        guesses,
        read_times(text, guesses, path=path, zone=zone),
        tail=text if tail is None else tail,
        host_time_zone=zone,
        written_at_ms=None
        if written_at is None
        else int(written_at.timestamp() * 1_000),
    )


def read_times(
    text: bytes, guesses: tuple[Guess, ...], *, path: str, zone: str
) -> list[ReadTime]:
    """Return what agent and stream read of a text, by what is proposed."""
    placement = placement_of(
        text,
        path=path,
        source=source_of(settings_text(guesses, path=path)),
        host_time_zone=zone,
        first_seen_at_ms=SEEN_AT_MS,
    )
    rule = "" if placement.multiline is None else placement.multiline.rule
    events = split(text, multiline=rule)
    rows = encode_mapped(
        [MappedEvent(at, len(one), crc32c(one), one) for at, one in enumerate(events)]
    )
    origin = origin_of(path, placement=placement, now_ms=SEEN_AT_MS)
    origin = msgspec.structs.replace(origin, framing="mapped")
    return [
        read_time(event, time_zone=zone)
        for event in chunk_explanations(rows, origin=origin)
    ]


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
        (
            b'1.2.3.4 - - [24/Nov/2026:01:02:03 +0100] "GET / HTTP/1.1" 200 1\n',
            "%d/%b/%Y:%H:%M:%S %z",
        ),
        (b"Nov 24 01:02:03 web1 su: x\n", "%b %d %H:%M:%S"),
        (b"[Tue Nov 24 01:02:03.123456 2026] [error] x\n", "%a %b %d %H:%M:%S %Y"),
        (b"7:M 24 Nov 2026 01:02:03.123 * x\n", "%d %b %Y %H:%M:%S.%f"),
        (b'{"ts":1795482123456,"msg":"x"}\n', "unix_ms"),
        (b"E1124 01:02:03.123456  1 a.go:1] x\n", "%m%d %H:%M:%S.%f"),
        (b"E20261124 01:02:03.123456  1 a.cc:1] x\n", "%Y%m%d %H:%M:%S.%f"),
    ],
)
def test_the_format_of_times_is_named_as_strptime_has_it(
    line: bytes, shown: str
) -> None:
    found = told(proposed(line), "time_format")
    assert (found.value, found.confidence, found.is_taken) == (shown, 1.0, False)


@pytest.mark.parametrize(
    "line",
    [
        b"\x1b[2m2026-11-24T01:02:03Z\x1b[0m \x1b[32m INFO\x1b[0m app: started\n",
        b"the backup of 2026-11-24 01:02:03 is complete\n",
        b"2026-11-31 01:02:03 is no date at all\n",
        b'{"msg":"copied at 2026-11-24 01:02:03","n":1}\n',
    ],
    ids=["colours", "within prose", "no date", "within a text of JSON"],
)
def test_no_time_is_promised_that_no_parser_reads(line: bytes) -> None:
    guesses = proposed(line * 3, zone="Europe/Berlin")
    found = told(guesses, "time_format")
    assert (found.value, found.confidence) == (None, 1.0)
    assert "no parser reads" in found.evidence
    assert all(one.setting != "time_zone" for one in guesses)


def test_the_format_told_is_that_of_the_time_which_is_read() -> None:
    """Another may stand before it in the line."""
    line = (
        b'{"msg":"due 24/Nov/2026:05:06:07 +0000",'
        b'"@timestamp":"2026-11-24T01:02:03.5Z"}\n'
    )
    guesses = proposed(line * 3)
    assert told(guesses, "time_format").value == "%Y-%m-%dT%H:%M:%S.%f%z"
    assert told(guesses, "time_zone").value is None


def test_as_many_times_are_told_as_are_read() -> None:
    text = b"time=2026-11-24T01:02:03Z level=info msg=a\n" * 3
    text += b'level=info msg="at 2026-11-24T01:02:03Z all went well"\n'
    found = told(proposed(text), "time_format")
    assert found.confidence == 0.75
    assert found.evidence.endswith("3 of 4")


def test_a_zone_that_a_format_fixes_is_not_asked_for() -> None:
    """IIS counts in UTC, which none of its lines says."""
    iis = next(one for one in samples() if one.label == "iis.access-10")
    found = told(proposed(iis.content, zone="Europe/Berlin"), "time_zone")
    assert found.value is None


def test_a_time_in_a_form_without_a_name_is_told_to_be_read() -> None:
    guesses = proposed(b'{"time":1795482123456789,"msg":"x"}\n' * 2)
    found = told(guesses, "time_format")
    assert (found.value, found.confidence) == (None, 1.0)
    assert "read: 2 of 2" in found.evidence
    assert told(guesses, "time_zone").value is None


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
    at=st.none() | st.just(WRITTEN),
)
def test_x5_any_file_gives_settings_that_are_accepted_and_steer_no_terminal(
    text: bytes, path: str, at: datetime | None
) -> None:
    """Whatever time is read of its lines, or none."""
    events = [
        ReadTime(text=line, at=at, is_guessed=at is not None)
        for line in text.split(b"\n")
    ]
    guesses = with_times(
        propose(text, path=path, writing=UTF8),
        events,
        tail=text,
        host_time_zone="UTC",
        written_at_ms=0,
    )
    shown = settings_text(guesses, path=path)
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
