"""A full disk behind standard output is one sentence and exit 1, whatever the command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")

pytestmark = pytest.mark.skipif(
    not FULL.exists(), reason="this system has no /dev/full; run it on Linux"
)


TAILRACE = ("-m", "tailrace")
UNFLUSHED = (
    "-c",
    "from tailrace import cli; cli.app = lambda: print('left in the buffer'); cli.main()",
)


def run_into(
    output: Path | int,
    *arguments: str,
    folder: Path,
    program: tuple[str, str] = TAILRACE,
) -> subprocess.CompletedProcess[str]:
    """Run a command as a person does, in a process that ends by itself."""
    descriptor = output if isinstance(output, int) else os.open(output, os.O_WRONLY)
    try:
        return subprocess.run(
            [sys.executable, *program, *arguments],
            stdout=descriptor,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            env={**os.environ, "TAILRACE_DATA_DIR": str(folder / "data")},
        )
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("lines", [1, 50_000], ids=["a buffer", "many buffers"])
def test_parse_into_a_full_disk_says_so_in_one_sentence(
    lines: int, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text("INFO one\n" * lines)

    done = run_into(FULL, "parse", str(path), folder=tmp_path)

    assert_refused(done)


@pytest.mark.parametrize(
    "arguments",
    [["--version"], ["--help"], ["parse", "--help"], ["down"], ["doctor", "--json"]],
    ids=" ".join,
)
def test_any_command_into_a_full_disk_says_so_in_one_sentence(
    arguments: list[str], tmp_path: Path
) -> None:
    assert_refused(run_into(FULL, *arguments, folder=tmp_path))


def test_what_leaves_the_buffer_only_at_the_end_is_refused_in_time(
    tmp_path: Path,
) -> None:
    """Python itself would show a traceback, with an exit code of its own."""
    assert_refused(run_into(FULL, folder=tmp_path, program=UNFLUSHED))


def assert_refused(done: subprocess.CompletedProcess[str]) -> None:
    what, remedy = done.stderr.splitlines()[-2:]
    assert what == (
        "Standard output (/dev/full) cannot be written: No space left on device."
    )
    assert remedy.startswith("-> make room there")
    assert done.stderr.count("No space left") == 1
    assert "Traceback" not in done.stderr
    assert done.returncode == 1


@pytest.mark.parametrize(
    "arguments", [["parse", "-"], ["--version"], ["down"]], ids=" ".join
)
def test_a_reader_that_went_away_is_no_error_to_tell_of(
    arguments: list[str], tmp_path: Path
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    path = tmp_path / "log"
    path.write_text("INFO one\n" * 1_000)
    shown = [str(path) if word == "-" else word for word in arguments]

    done = run_into(writing, *shown, folder=tmp_path)

    assert done.stderr == ""
    assert done.returncode in {1, 141}


def test_a_reader_that_went_away_at_the_very_end_is_no_error_either(
    tmp_path: Path,
) -> None:
    reading, writing = os.pipe()
    os.close(reading)

    done = run_into(writing, folder=tmp_path, program=UNFLUSHED)

    assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_output_is_as_the_person_wished_it(tmp_path: Path) -> None:
    """`>&-`: Python then has no standard output at all."""
    path = tmp_path / "log"
    path.write_text("INFO one\n")
    command = [sys.executable, "-m", "tailrace", "parse", str(path)]

    done = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command],
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_printed_is_whole_and_the_same(tmp_path: Path) -> None:
    path, output = tmp_path / "log", tmp_path / "out"
    path.write_text("INFO bücher\n" * 3_000)
    output.touch()

    done = run_into(output, "parse", str(path), folder=tmp_path)

    assert (done.returncode, done.stderr) == (0, "")
    lines = output.read_text().splitlines()
    assert len(lines) == 3_000
    assert all("bücher" in line for line in lines)
