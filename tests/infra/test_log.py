"""What a role says of itself steers no terminal, whoever's words it quotes."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tailrace.log import configure, logger

HOSTILE = "/var/log/\x1b]0;mine\x07\u202eevil.log"
STEERING = ("\x1b", "\x07", "\u202e")


class Terminal(io.StringIO):
    """Says that people read it."""

    def isatty(self) -> bool:
        return True


def fail() -> None:
    raise ValueError(HOSTILE)


@pytest.fixture(autouse=True)
def former_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


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


def test_x5_what_a_library_says_is_escaped_too() -> None:
    said = io.StringIO()
    configure(stream=said)
    logging.getLogger("kafka.client").error("no topic %s", HOSTILE)
    assert said.getvalue().startswith("kafka.client: no topic /var/log/\\x1b]0;mine")
    assert not any(sign in said.getvalue() for sign in STEERING)


def test_a_line_of_the_log_is_one_json_object_that_keeps_the_text() -> None:
    said = io.StringIO()
    configure(stream=said)
    logger("agent").info("file_found", path=HOSTILE)
    (line,) = said.getvalue().splitlines()
    assert json.loads(line)["path"] == HOSTILE
