"""What entries of a journal say, text and binary, whole and cut."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

from crc32c import crc32c

from tailrace.framing import FLAG_CUT, MappedEvent, encode_mapped
from tailrace_stream.chunk import process_chunk
from tests.infra.multiline.journals import SHIPPED, entry, field, with_message
from tests.stream.builders import NAMESPACE, origin, placement, stored

JOURNAL = placement("journald", dataset="journald.log")


def of(*entries: bytes, flags: int = 0) -> list[dict[str, Any]]:
    events: list[MappedEvent] = []
    offset = 0
    for one in entries:
        events.append(MappedEvent(offset, len(one), crc32c(one), one, flags))
        offset += len(one) + 1
    value = encode_mapped(events)
    made = process_chunk(
        value,
        origin=origin(value, placed=JOURNAL, framing="mapped"),
        namespace=NAMESPACE,
    )
    assert not made.dead
    return [one.document for one in stored(made)]


def test_fields_of_an_entry_are_those_of_ecs_and_the_rest_is_kept() -> None:
    (found,) = of(entry(SHIPPED))
    assert found["@timestamp"] == "2026-11-24T01:22:03.123456Z"
    assert "tailrace.time_source" not in found
    expected = {
        "message": "error: kex = none",
        "log.level": "error",
        "log.syslog.severity.code": 3,
        "log.syslog.severity.name": "error",
        "log.syslog.facility.code": 4,
        "log.syslog.priority": 35,
        "process.name": "sshd",
        "process.pid": 412,
        "user.id": "0",
        "host.hostname": "web-1",
        "systemd.unit": "ssh.service",
        "event.dataset": "journald.log",
        "event.original": entry(SHIPPED).decode(),
    }
    assert {key: found[key] for key in expected} == expected
    assert found["attributes"] == {
        "_BOOT_ID": "6c7c6013a26343b29e964691ff25d04c",
        "_TRANSPORT": "syslog",
        "_COMM": "sshd-session",
    }


def test_the_second_name_of_a_field_stands_in_for_the_first() -> None:
    (found,) = of(entry([("_COMM", b"cron"), ("SYSLOG_PID", b"7"), ("MESSAGE", b"x")]))
    assert (found["process.name"], found["process.pid"]) == ("cron", 7)
    assert "attributes" not in found
    assert found["tailrace.time_source"] == "observed"


def test_f31_a_binary_message_is_text_as_far_as_it_is_one() -> None:
    long = "ä\n\nsecond line\n".encode() * 9
    assert len(long) > 0x7F
    whole, broken = of(with_message(long), with_message(b"a\n\xff\0b"))
    assert whole["message"] == long.decode().removesuffix("\n")
    assert broken["message"] == "a\n\\xff\0b"
    # The size of the first is no text, so its bytes stand beside it.
    assert b64decode(whole["tailrace.original_base64"]) == with_message(long)


def test_a_field_that_comes_twice_loses_nothing() -> None:
    (found,) = of(
        entry([("MESSAGE", b"a"), ("MESSAGE", b"b"), ("X", b"1"), ("X", b"2")])
    )
    assert found["message"] == "a"
    assert found["attributes"] == {"MESSAGE": "b", "X": ["1", "2"]}


def test_a_value_of_another_type_or_size_is_no_reason_to_die() -> None:
    (found,) = of(
        entry(
            [
                ("PRIORITY", b"9"),
                ("SYSLOG_FACILITY", b"-1"),
                ("_PID", b"9" * 30),
                ("__REALTIME_TIMESTAMP", b"9" * 17),
                ("COREDUMP", b"x" * 9_000),
                ("MESSAGE", b"x"),
            ]
        )
    )
    assert "log.level" not in found
    assert found["tailrace.time_source"] == "observed"
    assert found["attributes"] == {
        "PRIORITY": "9",
        "SYSLOG_FACILITY": "-1",
        "_PID": "9" * 30,
    }


def test_of_an_entry_that_was_cut_what_is_there_is_read() -> None:
    whole = with_message(b"long\n" * 100)
    (found,) = of(whole[:-200], flags=FLAG_CUT)
    assert found["process.name"] == "sshd"
    assert str(found["message"]).startswith("long\nlong\n")
    assert found["tags"] == ["cut"]


def test_the_rest_of_an_entry_that_time_ended_stays_text_and_says_so() -> None:
    rest, fields = of(b"f of a text\n", field("_UID", b"5"))
    assert rest["message"] == "f of a text\n"
    assert rest["event.kind"] == "pipeline_error"
    assert rest["error.message"] == "not a line of journald.log"
    assert fields["user.id"] == "5"
    assert "event.kind" not in fields
