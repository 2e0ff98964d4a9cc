"""What the fleet's configuration may change on a host: only within what it allows."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from tailrace.errors import ConfigError
from tailrace.redaction.config import RedactRule
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.narrowing import SOURCES_MAX, hash_of, narrowed
from tests.agent.harness import SteppedClock

OWN = SourceSettings(
    name="own", paths=("/srv/own/*.log",), redact=(RedactRule(name="secrets"),)
)
LOCAL = AgentSettings(
    sources=(OWN,),
    allowed_folders=("/var/log", "/srv"),
    labels={"place": "here"},
)


def source(**values: str) -> str:
    given = {"name": '"web"', "paths": '["/var/log/web/*.log"]', **values}
    return "[[agent.sources]]\n" + "".join(f"{k} = {v}\n" for k, v in given.items())


def problems_of(text: str, *, local: AgentSettings = LOCAL) -> str:
    with pytest.raises(ConfigError) as caught:
        narrowed(local, {"groups/web": text})
    return "\n".join(caught.value.problems)


def test_sources_come_after_those_of_the_host_and_labels_do_not_replace_its_own() -> (
    None
):
    labels = '[agent.labels]\nplace = "there"\nteam = "web"\n'

    settings = narrowed(LOCAL, {"groups/web": source() + labels})

    assert [one.name for one in settings.sources] == ["own", "web"]
    assert settings.sources[0] is OWN
    assert settings.labels == {"place": "here", "team": "web"}
    assert settings.allowed_folders == LOCAL.allowed_folders


def test_what_is_set_for_the_agent_goes_before_what_is_set_for_its_group() -> None:
    other = source(paths='["/srv/other/*.log"]')

    settings = narrowed(LOCAL, {"groups/web": source(), "agents/a": other})

    assert settings.sources[1].paths == ("/srv/other/*.log",)


@pytest.mark.parametrize("texts", [{}, {"groups/web": "", "agents/a": " \n"}])
def test_nothing_set_leaves_the_host_as_it_is(texts: dict[str, str]) -> None:
    assert narrowed(LOCAL, texts) is LOCAL


def test_x1_host_that_allows_no_folder_takes_nothing() -> None:
    local = AgentSettings(sources=(OWN,))
    assert "allowed_folders is not set" in problems_of(source(), local=local)


@pytest.mark.parametrize(
    "path",
    [
        "/etc/shadow",
        "/**",
        "/var/*/secret",
        "/var/logs/x.log",
        "/srv",
        "/var/log/../../etc/shadow",
        "/var/log/*/../../../etc/shadow",
    ],
)
def test_x1_path_out_of_the_allowed_folders_is_refused(path: str) -> None:
    assert repr(path) in problems_of(source(paths=f'["{path}"]'))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[agent]\nallowed_folders = ["/"]\n', "agent.allowed_folders is for the host"),
        ('[agent]\nhost_id = "other"\n', "agent.host_id is for the host"),
        ('[agent]\nredact_key = "0123456789abcdef"\n', "agent.redact_key is for"),
        ('[connections]\nnamespace = "x"\n', "connections is not for the fleet"),
        (source(owners='["root"]'), "agent.sources.0.owners is for the host"),
        (source(follow_links='"always"'), "follow_links 'always' is for the host"),
        (source(name='"own"'), "'own' is that of a source of the host itself"),
    ],
)
def test_x1_what_bounds_the_host_is_the_hosts_own(text: str, problem: str) -> None:
    assert problem in problems_of(text)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[agent", "is not TOML"),
        ("agent = 1", "agent must be a table"),
        ("[agent]\nsources = 1", "agent.sources must be a list"),
        ("[agent]\nsources = [1]", "agent.sources.0 must be a table"),
        ("[agent]\nlabels = {a = 1}", "agent.labels must be a table of texts"),
        (source(name='"a b"'), "agent.sources.0.name"),
        (source() + source(), "agent.sources.1: name 'web' is that of another"),
        (source(multiline='"cobol"'), "agent.sources.0.multiline"),
        (
            "".join(source(name=f'"s{n}"') for n in range(SOURCES_MAX)),
            f"there are {SOURCES_MAX + 1} sources",
        ),
    ],
)
def test_z7_what_is_wrong_is_named(text: str, problem: str) -> None:
    assert problem in problems_of(text)


def test_z7_all_that_is_wrong_is_told_at_once() -> None:
    told = problems_of(source(paths='["/etc/x"]', inner='"nothing"') + "[other]\n")
    assert "inner" in told
    assert "other is not for the fleet" in told


def test_hash_is_of_what_an_agent_works_by() -> None:
    first = narrowed(LOCAL, {"groups/web": source()})
    again = narrowed(LOCAL, {"agents/a": "# a comment\n" + source()})
    assert hash_of(first) == hash_of(again) != hash_of(LOCAL)
    assert hash_of(LOCAL.model_copy(update={"sweep_ms": 100})) == hash_of(LOCAL)


def test_x1_file_that_two_sources_mean_keeps_the_hosts_rules(tmp_path: Path) -> None:
    """Discovery gives it to the first source, so no remote one takes redaction away."""
    own = OWN.model_copy(update={"paths": (f"{tmp_path}/*.log",)})
    local = LOCAL.model_copy(
        update={"sources": (own,), "allowed_folders": (str(tmp_path),)}
    )
    (tmp_path / "a.log").write_text("line\n")
    settings = narrowed(local, {"groups/web": source(paths=f'["{tmp_path}/**"]')})
    discovery = Discovery(
        settings.sources, clock=SteppedClock(), log=structlog.get_logger()
    )
    assert [one.source.name for one in discovery.sweep()] == ["own"]
