"""A wrong setting is told in the user's names, all of them at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tailrace.errors import ConfigError
from tailrace.settings import read_role_settings
from tailrace_agent.config import AgentSettings


def read(tmp_path: Path, text: str) -> AgentSettings:
    file = tmp_path / "c.toml"
    file.write_text(text)
    return read_role_settings(AgentSettings, config_file=file)


def test_file_and_environment_give_one_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAILRACE_AGENT_SWEEP_MS", "500")
    settings = read(
        tmp_path,
        "[agent]\nsweep_ms = 900\nlabels = {zone = 'a'}\n"
        "[[agent.sources]]\nname = 'n'\npaths = ['/var/log/*.log']\n",
    )
    assert settings.sweep_ms == 500
    assert settings.labels == {"zone": "a"}
    assert settings.sources[0].dataset == "auto"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(
            tmp_path,
            "[agent]\nsweep_ms = 1\ncolour = 'red'\n[[agent.sources]]\nname = 'n'\n"
            "paths = ['relative/*.log']\ndataset = 'UPPER'\ntime_zone = 'Mars/Base'\n",
        )
    told = str(raised.value)
    for key in ("sweep_ms", "colour", "paths", "dataset", "time_zone"):
        assert f"agent.{key}" in told or f".{key}" in told, key


@pytest.mark.parametrize("name", ["dead", "ledger", "_x", ".x"])
def test_a_dataset_that_names_no_index_of_events_is_refused(
    tmp_path: Path, name: str
) -> None:
    """Events of dataset `dead` would lie among the dead letters, `_x` have no index."""
    source = f"name = 'n'\npaths = ['/v/*.log']\ndataset = {name!r}\n"
    with pytest.raises(ConfigError, match=name):
        read(tmp_path, f"[[agent.sources]]\n{source}")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("chunk_bytes = 65536\nevent_bytes_max = 4096", "event_bytes_max"),
        ("in_flight_bytes_max = 1048576", "in_flight_bytes_max"),
        ("linger_ms_max = 10000\nflush_after_ms = 100", "flush_after_ms"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(
    tmp_path: Path, text: str, named: str
) -> None:
    with pytest.raises(ConfigError, match=named):
        read(tmp_path, f"[agent]\n{text}\n")


def test_two_sources_of_one_name_are_refused(tmp_path: Path) -> None:
    source = "[[agent.sources]]\nname = 'n'\npaths = ['/a']\n"
    with pytest.raises(ConfigError, match="2 entries named 'n'"):
        read(tmp_path, source * 2)


def _source(multiline: str) -> str:
    return (
        "[[agent.sources]]\nname = 'n'\npaths = ['/var/log/*.log']\n"
        f"multiline = {multiline}\n"
    )


def test_a_rule_for_several_lines_is_a_name_or_a_table(tmp_path: Path) -> None:
    (source,) = read(tmp_path, _source("'java'")).sources
    assert source.multiline is not None
    assert (source.multiline.rule, source.multiline.max_lines) == ("java", 500)
    (source,) = read(tmp_path, _source("{start = '^\\d', max_lines = 9}")).sources
    assert source.multiline is not None
    assert (source.multiline.start, source.multiline.max_lines) == (r"^\d", 9)


@pytest.mark.parametrize(
    ("multiline", "told"),
    [
        ("'klingon'", "multiline.rule"),
        ("{}", "exactly one of"),
        ("{rule = 'java', start = '^x'}", "exactly one of"),
        ("{start = '(?=a)'}", "look-around"),
        ("{continuation = '.*'}", "matches every line"),
        ("{rule = 'java', max_lines = 1}", "max_lines"),
        ("{rule = 'java', max_bytes = 10}", "max_bytes"),
        ("{rule = 'java', lines = 10}", "multiline.lines"),
    ],
)
def test_a_rule_that_cannot_serve_is_refused_in_the_users_names(
    tmp_path: Path, multiline: str, told: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        read(tmp_path, _source(multiline))
    assert told in str(raised.value)
    assert "multiline" in str(raised.value)


def test_every_problem_of_a_rule_is_told_with_the_others(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read(
            tmp_path,
            "[agent]\nsweep_ms = 1\n"
            + _source("{start = '(', max_lines = 1, flush_after_ms = 1}"),
        )
    for key in ("sweep_ms", "start", "max_lines", "flush_after_ms"):
        assert key in str(raised.value)


def test_an_event_of_several_lines_may_not_be_longer_than_any_event(
    tmp_path: Path,
) -> None:
    with pytest.raises(ConfigError, match=r"sources\.0\.multiline\.max_bytes"):
        read(
            tmp_path,
            "[agent]\nchunk_bytes = 65536\nevent_bytes_max = 65536\n"
            + _source("{rule = 'java', max_bytes = 100000}"),
        )


def test_relations_are_told_beside_the_problems_of_fields(tmp_path: Path) -> None:
    """On what is valid: a limit that is wrong itself is compared with nothing."""
    source = "[[agent.sources]]\nname = 'n'\npaths = ['/a']\n"
    with pytest.raises(ConfigError) as raised:
        read(
            tmp_path,
            "[agent]\nsweep_ms = 1\ncolour = 'red'\nchunk_bytes = 'many'\n"
            "event_bytes_max = 4096\nflush_after_ms = 100\n"
            + source
            + source.replace("'/a'", "'relative'"),
        )
    assert set(raised.value.problems) == {
        "agent.sweep_ms: must be at least 50, got 1",
        "agent.colour is not a setting",
        "agent.chunk_bytes: must be a whole number, got 'many'",
        "agent.sources.1.paths: 'relative' must be an absolute path, got ['relative']",
        "agent: flush_after_ms (100) must be at least linger_ms_max (150)",
        "agent: sources has 2 entries named 'n'",
    }


@pytest.mark.parametrize(
    ("key", "glob"),
    [("exclude", "[z"), ("exclude", "a[!]"), ("paths", "/a/[b/c]"), ("paths", "/[]")],
)
def test_a_bracket_that_is_not_closed_is_refused(
    tmp_path: Path, key: str, glob: str
) -> None:
    paths = "" if key == "paths" else "paths = ['/a']\n"
    with pytest.raises(ConfigError, match=r"has a \[ that no \] closes"):
        read(tmp_path, f"[[agent.sources]]\nname = 'n'\n{paths}{key} = ['{glob}']\n")


@pytest.mark.parametrize("key", ["paths", "exclude"])
@pytest.mark.parametrize(
    ("glob", "problem"),
    [
        ("/x/[a-Z]*.log", "has the range a-Z, which ends before it begins"),
        ("/x/[z-a]", "has the range z-a, which ends before it begins"),
        ("/x/[a--z]", "has the range a--, which ends before it begins"),
        ("/x/[!9-0]", "has the range 9-0, which ends before it begins"),
        ("/", "names no file"),
        ("//", "names no file"),
        ("/a\\u0000b/*.log", "has a NUL, which no path has"),
    ],
)
def test_a_glob_that_could_not_be_used_is_refused(
    tmp_path: Path, key: str, glob: str, problem: str
) -> None:
    paths = "" if key == "paths" else "paths = ['/a']\n"
    with pytest.raises(ConfigError, match=problem) as raised:
        read(tmp_path, f'[[agent.sources]]\nname = "n"\n{paths}{key} = ["{glob}"]\n')
    shown = glob.replace("\\u0000", "\\x00")
    assert any(f"'{shown}' {problem}" in one for one in raised.value.problems)


def test_a_home_folder_that_nobody_has_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="home folder of a user is not known"):
        read(
            tmp_path,
            "[[agent.sources]]\nname = 'n'\npaths = ['~nobody-of-this-name/x']\n",
        )


def test_an_allowed_folder_has_no_nul(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"without `\.\.` and NUL"):
        read(tmp_path, '[agent]\nallowed_folders = ["/a\\u0000"]\n')


@pytest.mark.parametrize("glob", ["[]]", "[!]]", "[[]", "x[a-z]*[!0-9]"])
def test_a_bracket_that_is_closed_is_taken(tmp_path: Path, glob: str) -> None:
    (source,) = read(
        tmp_path,
        f"[[agent.sources]]\nname = 'n'\npaths = ['/a']\nexclude = ['{glob}']\n",
    ).sources
    assert source.exclude == (glob,)


def test_no_path_at_all_is_told_in_plain_words(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"sources\.0\.paths: must not be empty"):
        read(tmp_path, "[[agent.sources]]\nname = 'n'\npaths = []\n")


@pytest.mark.parametrize("key", ["paths", "exclude"])
def test_x1_a_glob_that_climbs_is_refused(tmp_path: Path, key: str) -> None:
    """What it means would depend on what stands on the way."""
    globs = {"paths": "['/var/log/*.log']", key: "['/var/log/../*/shadow']"}
    lines = "\n".join(f"{name} = {value}" for name, value in globs.items())
    with pytest.raises(ConfigError, match=r"climbs by `\.\.`"):
        read(tmp_path, f"[[agent.sources]]\nname = 'n'\n{lines}\n")
    named = lines.replace("/../", "/..x/x../")
    read(tmp_path, f"[[agent.sources]]\nname = 'n'\n{named}\n")


@pytest.mark.parametrize("folder", ["var/log", "/var/log/../lib"])
def test_x1_an_allowed_folder_is_named_by_its_whole_path(
    tmp_path: Path, folder: str
) -> None:
    with pytest.raises(ConfigError, match="allowed_folders"):
        read(tmp_path, f"[agent]\nallowed_folders = ['{folder}']\n")


def test_x2_an_owner_is_a_user_of_this_machine_or_a_number(tmp_path: Path) -> None:
    source = "[[agent.sources]]\nname = 'n'\npaths = ['/var/log/*.log']\n"
    settings = read(tmp_path, f"{source}owners = ['root', '4711']\n")
    assert settings.sources[0].owners == ("root", "4711")
    with pytest.raises(ConfigError, match="'nobody-at-all' is no user"):
        read(tmp_path, f"{source}owners = ['nobody-at-all']\n")


@pytest.mark.parametrize("name", [".", "..", ".a", "a/b", "", "a" * 65, "a\n", "a b"])
def test_a_name_of_a_group_or_source_that_is_no_part_of_a_path_is_refused(
    tmp_path: Path, name: str
) -> None:
    for text in (
        f"[agent]\ngroup = {json.dumps(name)}\n",
        f"[[agent.sources]]\nname = {json.dumps(name)}\npaths = ['/a/*.log']\n",
    ):
        with pytest.raises(ConfigError):
            read(tmp_path, text)
    assert read(tmp_path, "[agent]\ngroup = '_a.b-c..'\n").group == "_a.b-c.."
