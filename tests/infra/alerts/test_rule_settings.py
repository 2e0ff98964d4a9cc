from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tailrace.alerts.config import AlertSettings, ChannelSettings, SilenceSettings
from tailrace.alerts.rule_settings import RuleSettings

SECRET = "https://hooks.example.com/services/T000/B000/s3cr3t"
GOOD: dict[str, Any] = {"name": "many", "kind": "threshold", "above": 1}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"name": "Many Errors"}, "pattern"),
        ({"above": None}, "needs one of above and below"),
        ({"below": 3}, "needs one of above and below"),
        ({"clear": 5}, "clear must be at most above"),
        ({"above": None, "below": 5, "clear": 3}, "clear must be at least below"),
        ({"every_ms": 7_000}, "multiple of every_ms"),
        ({"window_ms": 604_800_000, "every_ms": 5_000}, "at most 10,080 times"),
        ({"kind": "absence", "above": None}, "an absence needs group_by"),
        (
            {"kind": "absence", "above": None, "group_by": ["host.name"]}
            | {"before_ms": 300_000},
            "before_ms must be more than window_ms",
        ),
        ({"kind": "absence", "group_by": ["host.name"]}, "neither above nor below"),
        ({"of_query": "x"}, "of_query is for a ratio alone"),
        ({"group_by": ["host name"]}, "is no field"),
        ({"source": "rates", "group_by": ["log.file.path"]}, "rates do not know"),
        ({"source": "rates", "query": "timeout"}, "'timeout'"),
        ({"source": "rates", "query": "url.path:/x"}, "'url.path'"),
        ({"source": "rates", "query": "log.level:(error OR warn) oops"}, "'oops'"),
        ({"source": "rates", "every_ms": 30_000}, "whole minutes"),
        ({"kind": "new_template", "above": None, "source": "rates"}, "in events"),
    ],
)
def test_a_rule_that_cannot_be_meant_so_is_refused(
    changed: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        RuleSettings.model_validate(GOOD | changed)


@pytest.mark.parametrize(
    "query",
    [
        "log.level:error",
        "log.level:(error OR fatal) AND NOT event.dataset:nginx.access",
        'host.name:"web 1" -log.level:debug',
        "tailrace.rate.status_class:5xx tailrace.template.id:4b335ed2f3456e8c",
        "*",
        "",
    ],
)
def test_the_rates_are_asked_by_their_own_fields(query: str) -> None:
    RuleSettings.model_validate(GOOD | {"source": "rates", "query": query})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(ValidationError) as caught:
        AlertSettings.model_validate(
            {
                "rules": [GOOD | {"clear": 5, "of_query": "x"}, {"name": "b"}],
                "silences": [{"days": ["someday"], "timezone": "Mars/Olympus"}],
                "channels": [{"name": "c", "kind": "email"}],
            }
        )
    said = str(caught.value)
    for part in ("clear must", "of_query", "someday", "Mars/Olympus", "smtp_host"):
        assert part in said


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"rules": [GOOD, GOOD]}, "two of the rule 'many'"),
        (
            {"rules": [GOOD | {"channels": ["ops"]}]},
            "channel 'ops', which is not there",
        ),
        ({"rules": [GOOD | {"name": "agent-silent"}]}, "that of a built-in rule"),
        ({"built_in_off": ["agent-silnet"]}, "built_in_off names 'agent-silnet'"),
    ],
)
def test_names_mean_something_and_mean_it_once(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said):
        AlertSettings.model_validate(given)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"kind": "webhook"}, "url is required"),
        ({"kind": "slack", "url": "ftp://s3cr3t.example"}, "must be http"),
        ({"kind": "webhook", "url": "https://s3cr3t@host/"}, "without a user"),
        ({"kind": "email", "url": SECRET, "smtp_host": "m"}, "no url"),
        (
            {"kind": "email", "smtp_host": "m", "sender": "a@b"}
            | {"recipients": ["c@d\r\nBcc: e@f"]},
            "must be addresses",
        ),
    ],
)
def test_x14_what_is_wrong_with_a_channel_is_told_without_its_secret(
    given: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        ChannelSettings.model_validate({"name": "ops", **given})
    told = [error["msg"] for error in caught.value.errors()]
    assert "s3cr3t" not in str(told)


def test_a_channel_shows_its_url_to_nobody() -> None:
    channel = ChannelSettings.model_validate(
        {"name": "ops", "kind": "slack", "url": SECRET}
    )
    assert "s3cr3t" not in repr(channel)
    assert "s3cr3t" not in channel.model_dump_json()


def test_a_silence_must_say_when() -> None:
    with pytest.raises(ValidationError, match="when is it silent"):
        SilenceSettings(rules=("many",))


def test_x14_the_settings_of_the_indexer_name_each_problem_and_no_secret(
    tmp_path: Path,
) -> None:
    from tailrace.errors import ConfigError
    from tailrace.settings import read_role_settings
    from tailrace_indexer.config import IndexerSettings

    file = tmp_path / "tailrace.toml"
    file.write_text(
        f"""
        [[indexer.alerts.rules]]
        name = "many"
        kind = "threshold"
        window = 3
        [[indexer.alerts.channels]]
        name = "ops"
        kind = "slack"
        url = "{SECRET.replace("https", "htps")}"
        [[indexer.alerts.channels]]
        name = "two"
        kind = "slack"
        url = 5
        token = "{SECRET}"
        hosts_allowed = "{SECRET}"
        """
    )
    with pytest.raises(ConfigError) as caught:
        read_role_settings(IndexerSettings, config_file=file)
    said = str(caught.value)
    assert "indexer.alerts.rules.0.window is not a setting" in said
    assert "indexer.alerts.channels.0" in said
    assert "s3cr3t" not in said
