"""Whatever a process says, its libraries included, is one event a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Generator
from io import StringIO

import pytest

from tailrace import log

HOSTILE = "no \x1b[2J broker\nsecond \x9b line"


class Terminal(StringIO):
    """A place where people read."""

    def isatty(self) -> bool:
        """Say so."""
        return True


@pytest.fixture(autouse=True)
def former_handlers() -> Generator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_what_a_library_says_is_an_event_of_ours() -> None:
    said = StringIO()
    log.configure(stream=said)

    logging.getLogger("kafka.net.manager").warning("%s", HOSTILE)
    logging.getLogger("kafka.net.manager").info("not worth a line")

    (line,) = said.getvalue().splitlines()
    event = json.loads(line)
    assert event["event"] == "library_spoke"
    assert (event["level"], event["library"]) == ("warning", "kafka.net.manager")
    assert event["said"] == HOSTILE
    assert "timestamp" in event


def test_a_traceback_of_a_library_is_a_field() -> None:
    said = StringIO()
    log.configure(stream=said)

    try:
        int("bad hostname")
    except ValueError:
        logging.getLogger("kazoo").exception("ended")

    (line,) = said.getvalue().splitlines()
    assert "bad hostname" in json.loads(line)["exception"]


def test_x5_what_a_library_says_cannot_steer_a_terminal() -> None:
    said = Terminal()
    log.configure(stream=said)

    logging.getLogger("kafka").error("%s", HOSTILE)

    assert "library_spoke" in said.getvalue()
    assert said.getvalue().replace("\n", "").isprintable()
