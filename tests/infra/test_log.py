"""What a role says of itself steers no terminal, whoever's words it quotes."""

from __future__ import annotations

import errno
import io
import json
import logging
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tailrace.log import configure, logger

HOSTILE = "/var/log/\x1b]0;mine\x07\u202eevil.log"
STEERING = ("\x1b", "\x07", "\u202e")


class Terminal(io.StringIO):
    """Says that people read it."""

    def isatty(self) -> bool:
        return True


def fail() -> None:
    raise ValueError(HOSTILE)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_x5_our_own_log_shows_hostile_text_escaped(stream: type[io.StringIO]) -> None:
    said = stream()
    configure(stream=said)
    logger("agent").warning("file_truncated", path=HOSTILE, paths=[HOSTILE])
    try:
        fail()
    except ValueError:
        logger("agent").exception("failed", why=HOSTILE)
    text = said.getvalue()
    assert "file_truncated" in text
    assert "evil.log" in text
    assert not any(sign in text for sign in STEERING)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_x5_what_a_library_says_is_escaped_too(stream: type[io.StringIO]) -> None:
    said = stream()
    configure(stream=said)
    logging.getLogger("kafka.client").error("no topic %s", HOSTILE)
    assert "kafka.client" in said.getvalue()
    assert "evil.log" in said.getvalue()
    assert not any(sign in said.getvalue() for sign in STEERING)


def test_a_line_of_the_log_is_one_json_object_that_keeps_the_text() -> None:
    said = io.StringIO()
    configure(stream=said)
    logger("agent").info("file_found", path=HOSTILE)
    (line,) = said.getvalue().splitlines()
    assert json.loads(line)["path"] == HOSTILE


def test_what_a_library_says_is_an_event_of_ours() -> None:
    said = io.StringIO()
    configure(stream=said)

    logging.getLogger("kafka.net.manager").warning("%s", HOSTILE)
    logging.getLogger("kafka.net.manager").info("not worth a line")

    (line,) = said.getvalue().splitlines()
    event = json.loads(line)
    assert event["event"] == "library_spoke"
    assert (event["level"], event["library"]) == ("warning", "kafka.net.manager")
    assert event["said"] == HOSTILE
    assert "timestamp" in event


def test_a_traceback_of_a_library_is_a_field() -> None:
    said = io.StringIO()
    configure(stream=said)

    try:
        int("bad hostname")
    except ValueError:
        logging.getLogger("kazoo").exception("ended")

    (line,) = said.getvalue().splitlines()
    assert "bad hostname" in json.loads(line)["exception"]


def test_a_warning_of_a_library_is_one_json_object_too() -> None:
    said = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure(stream=said)

        warnings.warn(
            "Callback with id 7\nalready exists", RuntimeWarning, stacklevel=1
        )

    (line,) = said.getvalue().splitlines()
    event = json.loads(line)
    assert (event["event"], event["level"]) == ("library_spoke", "warning")
    assert "RuntimeWarning: Callback with id 7\nalready exists" in event["said"]
    assert event["said"] == event["said"].strip()


class Full(io.StringIO):
    """Takes no more while its disk is full."""

    is_full = False

    def flush(self) -> None:
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")


def test_p4_who_speaks_into_a_full_disk_goes_on_and_says_later_how_much_was_not_said() -> (
    None
):
    stream = Full()
    configure(stream=stream)
    stream.is_full = True
    logger("agent").info("one")
    logger("agent").info("two")
    stream.is_full = False
    logger("agent").info("three")
    told = json.loads(stream.getvalue().splitlines()[-1])
    assert (told["event"], told["count"]) == ("log_lines_unwritten", 2)


def test_p4_a_process_goes_on_though_nobody_takes_its_log() -> None:
    speaks = (
        "import logging; from tailrace.log import configure, logger; configure();"
        "logger('agent').error('checkpoint_unwritable');"
        "logging.getLogger('kafka').error('it is away'); print('it goes on')"
    )
    with Path("/dev/full").open("wb", buffering=0) as full:
        done = subprocess.run(
            [sys.executable, "-c", speaks],
            stderr=full,
            stdout=subprocess.PIPE,
            check=False,
        )
    assert done.stdout == b"it goes on\n"


def test_p4_each_line_that_a_full_file_did_not_take_is_counted(tmp_path: Path) -> None:
    """A line that was written in part ends before the next, which is whole."""
    speaks = (
        "import resource; from tailrace.log import configure, logger; configure();"
        "limit = resource.RLIMIT_FSIZE; before = resource.getrlimit(limit);"
        "agent = logger('agent'); agent.info('before');"
        "resource.setrlimit(limit, (4_096, before[1]));"
        "[agent.info('lost', pad='p' * 5_000) for _ in range(5)];"
        "resource.setrlimit(limit, before); agent.info('after')"
    )
    path = tmp_path / "agent.log"
    with path.open("wb", buffering=0) as log:
        subprocess.run([sys.executable, "-c", speaks], stderr=log, check=True)
    first, _, *rest = path.read_text().splitlines()
    told = [json.loads(line) for line in (first, *filter(None, rest))]
    assert [one["event"] for one in told] == ["before", "after", "log_lines_unwritten"]
    assert told[-1]["count"] == 5
