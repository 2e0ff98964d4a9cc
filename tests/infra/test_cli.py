"""Every command helps with an example, and says what is wrong without a traceback."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import cast

import pytest
import zstandard
from typer.main import get_command
from typer.testing import CliRunner

from tailrace.cli import app
from tailrace.extras import MODULES


def commands(
    group: object, *, before: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each command's words, and what it says it does."""
    inner = cast("Mapping[str, object] | None", getattr(group, "commands", None))
    if inner is None:
        yield before, getattr(group, "help", "")
        return
    for name, command in inner.items():
        yield from commands(command, before=(*before, name))


EVERY_COMMAND = dict(commands(get_command(app)))


@pytest.fixture
def runner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Commands see a data folder of their own, where nothing runs."""
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))
    return CliRunner()


@pytest.mark.parametrize("path", EVERY_COMMAND, ids=" ".join)
def test_a_command_says_what_it_does_with_an_example(
    path: tuple[str, ...], runner: CliRunner
) -> None:
    result = runner.invoke(app, [*path, "--help"])

    assert result.exit_code == 0
    assert EVERY_COMMAND[path]
    assert "Example: " in result.stdout
    assert f"tailrace {' '.join(path)}" in result.stdout


@pytest.mark.parametrize("extra", MODULES)
def test_a_missing_extra_exits_2_and_says_how_to_install_it(
    extra: str, tmp_path: Path
) -> None:
    """In a process of its own, in which a module of the extra cannot be imported."""
    source = "[[agent.sources]]\nname = 'a'\npaths = ['/a.log']\nredact = ['email']\n"
    source += "[stream.enrichment]\ngeo = true\n"
    source += (
        "[[indexer.alerts.channels]]\nname = 'a'\nkind = 'apprise'\nurl = 'x://y'\n"
    )
    (tmp_path / "c.toml").write_text(source)
    commands = {
        "shop": ["shop", "run"],
        "alerts": ["indexer", "--config", str(tmp_path / "c.toml")],
        "embedded": ["servers", "env"],
        "redaction": ["agent", "--config", str(tmp_path / "c.toml")],
        "enrichment": ["stream", "--config", str(tmp_path / "c.toml")],
    }
    command = commands.get(extra, [extra])
    barred = MODULES[extra][0]

    said = refusal_without(barred, command=command, folder=tmp_path)

    assert f"pip install 'tailrace[{extra}]'" in said
    # What a setting needs is told with the setting.
    settings = {
        "alerts": "indexer.alerts.channels.0",
        "redaction": "agent.sources.0.redact.0",
        "enrichment": "geo",
    }
    assert settings.get(extra, barred) in said


@pytest.mark.parametrize(
    ("command", "barred"),
    [(["search", "x"], "elasticsearch"), (["provision"], "kafka")],
    ids=["search", "provision"],
)
def test_a_command_that_only_asks_servers_names_the_extra_of_all_its_clients(
    command: list[str], barred: str, tmp_path: Path
) -> None:
    said = refusal_without(barred, command=command, folder=tmp_path)

    assert "pip install 'tailrace[indexer]'" in said


def test_all_extras_that_are_missing_are_named_at_once(tmp_path: Path) -> None:
    said = refusal_without("jgo", "faust", command=["up"], folder=tmp_path)

    assert "pip install 'tailrace[embedded,stream]'" in said


def refusal_without(*barred: str, command: list[str], folder: Path) -> str:
    """Return what a command says in a process that cannot import some modules."""
    code = (
        f"import sys; sys.modules |= dict.fromkeys({barred!r});"
        f" sys.argv = {['t', *command]!r};"
        "from tailrace.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"TAILRACE_DATA_DIR": str(folder), "HOME": str(folder)},
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code", "said"),
    [
        (["servers", "env"], 1, "tailrace servers up"),
        (["status"], 1, "tailrace up"),
        (["parse", "/no/such/file"], 1, "/no/such/file cannot be read"),
        (["parse", "/"], 1, "/ is a folder"),
        (["parse", "/dev/zero"], 1, "/dev/zero is a device"),
        (["parse", "--timezone", "Mars/Base", "-"], 2, "Mars/Base"),
        (["parse", "--dataset", "No Such!", "-"], 2, "No Such!"),
        (["search", "x", "--since", "yesteryear"], 2, "'yesteryear' is not a moment"),
        (["agent", "--config", "/no/such.toml"], 2, "/no/such.toml"),
        (["provision", "--config", "/no/such.toml"], 2, "cannot be read"),
    ],
)
def test_an_error_says_what_and_what_to_do(
    arguments: list[str], exit_code: int, said: str, runner: CliRunner
) -> None:
    result = runner.invoke(app, arguments)

    assert result.exit_code == exit_code, result.output
    assert said in result.stderr
    assert "-> " in result.stderr
    assert "Traceback" not in result.output


def test_every_problem_of_a_config_is_told_at_once(
    runner: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TAILRACE_NAMESPACE", "TAILRACE_ELASTICSEARCH_URL"):
        monkeypatch.delenv(name, raising=False)
    config = tmp_path / "broken.toml"
    config.write_text(
        '[connections]\nnamespace = "UPPER"\nelasticsearch_url = "ftp://x"\ncolour = 1\n'
    )

    result = runner.invoke(app, ["provision", "--config", str(config)])

    assert result.exit_code == 2
    for problem in ("namespace", "elasticsearch_url", "colour"):
        assert f"connections.{problem}" in result.stderr


def test_a_check_refuses_wrong_keys_of_every_table(
    runner: CliRunner, tmp_path: Path
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        "[stream]\nfoo = 1\n[[agent.sources]]\nname = 'n'\npaths = ['/a']\n"
    )

    result = runner.invoke(app, ["agent", "--check", str(config)])

    assert result.exit_code == 2
    assert "stream.foo is not a setting" in result.stderr


@pytest.mark.parametrize("option", ["--config", "--dry-run"])
def test_a_check_of_an_option_says_what_is_to_stand_there(
    option: str, runner: CliRunner
) -> None:
    result = runner.invoke(app, ["agent", "--check", option, "x.toml"])

    said = " ".join(result.stderr.replace("│", " ").split())
    assert result.exit_code == 2
    assert f"'{option}' is an option, and no file" in said
    assert "`tailrace agent --check tailrace.toml`" in said
    assert "unexpected extra argument" not in said


@pytest.mark.parametrize(
    ("write", "command"),
    [
        (gzip.compress, "zcat"),
        (zstandard.compress, "zstdcat"),
        (lzma.compress, "xzcat"),
        (bz2.compress, "bzcat"),
    ],
    ids=["gzip", "zstd", "xz", "bzip2"],
)
def test_parse_reads_no_archive_and_says_how(
    write: Callable[[bytes], bytes], command: str, runner: CliRunner, tmp_path: Path
) -> None:
    """By its first bytes, whatever its name; also where it comes through a pipe."""
    path = tmp_path / "a log"
    path.write_bytes(write(b"one\ntwo\n"))

    named = runner.invoke(app, ["parse", str(path)])
    piped = runner.invoke(app, ["parse", "-"], input=path.read_bytes())

    assert (named.exit_code, named.stdout) == (2, "")
    assert f"`{command} '{path}' | tailrace parse -`" in named.stderr
    assert (piped.exit_code, piped.stdout) == (2, "")
    assert f"`{command} FILE | tailrace parse -`" in piped.stderr


@pytest.mark.parametrize("text", ["BZh is how it begins\n", "B", ""])
def test_a_text_that_begins_as_an_archive_might_is_read(
    text: str, runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text(text)

    result = runner.invoke(app, ["parse", str(path)])

    assert result.exit_code == 0, result.stderr
    assert len(result.stdout.splitlines()) == bool(text)


def test_servers_that_are_away_are_named(
    runner: CliRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_ELASTICSEARCH_URL", "http://127.0.0.1:9")

    result = runner.invoke(app, ["search", "*"])

    assert result.exit_code == 1
    assert "http://127.0.0.1:9" in result.stderr
    assert "-> " in result.stderr


def test_nothing_to_stop_is_no_error(runner: CliRunner) -> None:
    result = runner.invoke(app, ["down"])

    assert result.exit_code == 0
    assert "Nothing was running" in result.stdout


def test_the_version_is_told(runner: CliRunner) -> None:
    assert runner.invoke(app, ["--version"]).stdout.startswith("tailrace ")


def test_help_imports_nothing_heavy() -> None:
    heavy = ("pydantic", "kafka", "elasticsearch", "polars", "faust", "streamlit")
    code = (
        "import sys, tailrace.cli;"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


STEERING = "\x9b31m \x7f \u202e \x85 \u2028 \U000e0041 \x1b[2J"


def test_x5_what_parse_prints_cannot_steer_a_terminal(
    runner: CliRunner, tmp_path: Path
) -> None:
    """The same text for a program, which reads the escapes of JSON."""
    path = tmp_path / "log"
    lines = [f"INFO {STEERING} end", "INFO plain, und bücher 日本語", "INFO \x7f"]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")

    shown = runner.invoke(app, ["parse", "--dataset", "plain", str(path)])
    named = runner.invoke(app, ["parse", f"{path}.{STEERING[:4]}"])

    text = shown.stdout_bytes.decode()
    assert [line for line in text.split("\n") if not line.isprintable()] == []
    assert "bücher 日本語" in text
    read = [json.loads(line)["message"] for line in text.splitlines()]
    assert read == lines
    assert named.stderr.replace("\n", "").isprintable()


def test_parse_says_that_a_dataset_names_no_parser(
    runner: CliRunner, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_text("one\n")

    unknown = runner.invoke(app, ["parse", "--dataset", "nope", str(path)])
    known = runner.invoke(app, ["parse", "--dataset", "nginx.access", str(path)])

    assert unknown.exit_code == known.exit_code == 0
    assert "'nope' names no parser of ours" in unknown.stderr
    assert "nginx.access" in unknown.stderr
    assert len(unknown.stderr.splitlines()) == 1
    assert known.stderr == ""
