"""What a detached supervisor says reaches who waits, and later its log."""

from __future__ import annotations

import os

import pytest

from tailrace.detached import PipeProgress


def test_what_is_said_once_nobody_waits_any_more_goes_to_the_log(
    capfd: pytest.CaptureFixture[str],
) -> None:
    reading, writing = os.pipe()
    progress = PipeProgress(writing)

    progress.step("while somebody waits")
    assert b"while somebody waits" in os.read(reading, 1_000)
    assert capfd.readouterr().err == ""
    os.close(reading)
    progress.step("a line is searchable after 400.0 s")
    os.close(writing)

    assert capfd.readouterr().err == "a line is searchable after 400.0 s\n"
