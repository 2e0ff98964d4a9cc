"""Settings come from file and environment, and every mistake is told at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tailrace.errors import ConfigError
from tailrace.settings import read_connections, read_document, read_settings
from tailrace_agent.config import AgentSettings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "TAILRACE_KAFKA_BOOTSTRAP",
        "TAILRACE_ZOOKEEPER_HOSTS",
        "TAILRACE_ELASTICSEARCH_URL",
        "TAILRACE_NAMESPACE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TAILRACE_DATA_DIR", str(tmp_path / "data"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "tailrace.toml"
    path.write_text(text)
    return path


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(tmp_path, '[connections]\nkafka_bootstrap = "file:1"\n')
    assert read_connections(config).kafka_bootstrap == "file:1"
    monkeypatch.setenv("TAILRACE_KAFKA_BOOTSTRAP", "environment:1")
    assert read_connections(config).kafka_bootstrap == "environment:1"


def test_the_running_stack_is_found_by_its_data_folder(tmp_path: Path) -> None:
    (tmp_path / "servers.json").write_text(
        json.dumps({"environment": {"TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:7"}})
    )
    assert read_connections(data_dir=tmp_path).kafka_bootstrap == "127.0.0.1:7"


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        "[connections]\n"
        'namespace = "Bad Name"\n'
        'elasticsearch_url = "ftp://x"\n'
        'kafka_sasl_mechanism = "NONE"\n'
        "no_such = 1\n",
    )
    with pytest.raises(ConfigError) as caught:
        read_connections(config)
    keys = {problem.split(":")[0].split(" ")[0] for problem in caught.value.problems}
    assert keys == {
        "connections.namespace",
        "connections.elasticsearch_url",
        "connections.kafka_sasl_mechanism",
        "connections.no_such",
    }
    assert str(config) in str(caught.value)


def test_a_bad_value_of_the_environment_is_told_with_its_variable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one of the file without, even where a variable has the same name."""
    config = written(tmp_path, '[agent]\nledger_ms = "soon"\n')
    monkeypatch.setenv("TAILRACE_AGENT_SWEEP_MS", "late")
    monkeypatch.setenv("TAILRACE_NAMESPACE", "A b")
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=config)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "connections.namespace (TAILRACE_NAMESPACE)",
        "agent.sweep_ms (TAILRACE_AGENT_SWEEP_MS)",
        "agent.ledger_ms",
    ]


def test_a_misspelt_variable_is_refused_and_a_foreign_one_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kubernetes names variables after each service, which may be called as a role is."""
    config = written(tmp_path, "[agent]\n")
    for name in (
        "TAILRACE_AGENT_SERVICE_HOST",
        "TAILRACE_AGENT_PORT_8080_TCP_ADDR",
        "TAILRACE_ELASTICSEARCH_PORT",
        "TAILRACE_KAFKA_HEAP_MB",
        "TAILRACE_CACHE_DIR",
        "TAILRACE_STREAM_WINDOWS__LATENESS_MS",
    ):
        monkeypatch.setenv(name, "10.0.0.1")
    read_settings(AgentSettings, config_file=config)
    monkeypatch.setenv("TAILRACE_AGENT_SWEPP_MS", "500")
    monkeypatch.setenv("TAILRACE_NAMESPCE", "127.0.0.1:9092")
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=config)
    assert caught.value.problems == (
        "TAILRACE_NAMESPCE is not a setting; did you mean TAILRACE_NAMESPACE?",
        "TAILRACE_AGENT_SWEPP_MS is not a setting; did you mean TAILRACE_AGENT_SWEEP_MS?",
    )


def test_x10_a_password_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = written(
        tmp_path,
        '[connections]\nkafka_password = "canary-1"\nelasticsearch_api_key = ["canary-3"]\n',
    )
    with pytest.raises(ConfigError) as caught:
        read_connections(config)
    monkeypatch.setenv("TAILRACE_ELASTICSEARCH_API_KEY", "canary-2")
    shown = repr(read_connections(config)) + str(caught.value) + repr(caught.value)
    assert "canary" not in shown


def test_x10_a_password_in_the_url_is_refused_and_not_shown(tmp_path: Path) -> None:
    config = written(
        tmp_path, '[connections]\nelasticsearch_url = "http://u:canary@h:1"\n'
    )
    with pytest.raises(ConfigError) as caught:
        read_connections(config)
    assert "in their own settings" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_what_is_wrong_in_any_table_is_told_with_the_rest(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        '[conections]\n[connections]\nnamespace = "Bad"\n[agent]\nsweep_ms = "soon"\n',
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=config)
    keys = [problem.split(":")[0].split(" ")[0] for problem in caught.value.problems]
    assert keys == ["conections", "connections.namespace", "agent.sweep_ms"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "[agent]\nsweep_m = 1",
            "agent.sweep_m is not a setting; did you mean sweep_ms?",
        ),
        (
            "[[agent.sources]]\nname = 'a'\npaths = ['/a']\nignore_older = 1",
            "agent.sources.0.ignore_older is not a setting; did you mean ignore_older_ms?",
        ),
        (
            (
                "[[agent.sources]]\nname = 'a'\npaths = ['/a']\n"
                "multiline = { start = 'x', max_line = 1 }"
            ),
            "agent.sources.0.multiline.max_line is not a setting; did you mean max_lines?",
        ),
        (
            "[conections]",
            (
                "conections is not a table; there are agent, connections, dashboard, indexer,"
                " shop, stream; did you mean connections?"
            ),
        ),
        ("[agent]\ncolour = 1", "agent.colour is not a setting"),
        ("[agent]\nname = 'a'", "agent.name is not a setting"),
    ],
)
def test_a_name_that_is_nearly_a_setting_is_answered_with_it(
    text: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=written(tmp_path, text))
    assert caught.value.problems == (said,)


@pytest.mark.parametrize("text", ["[", "kafka = 1", "[unknown]\n", "connections = 1"])
def test_a_broken_file_names_itself(tmp_path: Path, text: str) -> None:
    config = written(tmp_path, text)
    with pytest.raises(ConfigError, match=str(config)):
        read_connections(config)


def test_a_missing_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read_connections(tmp_path / "absent.toml")


def test_a_wrong_kind_of_value_is_told_in_plain_words(tmp_path: Path) -> None:
    config = written(
        tmp_path,
        '[connections]\nkafka_sasl_mechanism = "NONE"\nkafka_bootstrap = 3\n'
        '[agent]\nsources = 3\nsweep_ms = "soon"\n',
    )
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=config)
    assert set(caught.value.problems) == {
        (
            "connections.kafka_sasl_mechanism: must be one of 'PLAIN', 'SCRAM-SHA-256' or"
            " 'SCRAM-SHA-512', got 'NONE'"
        ),
        "connections.kafka_bootstrap: must be text, got 3",
        "agent.sources: must be a list, got 3",
        "agent.sweep_ms: must be a whole number, got 'soon'",
    }


def test_what_is_missing_is_required(tmp_path: Path) -> None:
    config = written(tmp_path, "[agent]\nsources = [{}]\n")
    with pytest.raises(ConfigError) as caught:
        read_settings(AgentSettings, config_file=config)
    assert "agent.sources.0.name: is required" in caught.value.problems


def test_a_file_that_is_not_toml_is_named_with_its_problem(tmp_path: Path) -> None:
    path = tmp_path / "broken.toml"
    path.write_text("[agent\n")

    with pytest.raises(ConfigError, match=r"broken\.toml"):
        read_document(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_document(tmp_path / "missing.toml")
