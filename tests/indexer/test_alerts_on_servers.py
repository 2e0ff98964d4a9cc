"""Who leads judges the rules on real servers, and tells a real webhook."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from tailrace.alerts.store import alerts_index
from tailrace.cli import app
from tailrace.clock import SystemClock
from tailrace.elasticsearch import Elastic
from tailrace.log import logger
from tailrace.provision import provision
from tailrace.settings import Connections, read_role_settings
from tailrace_embedded.stack import Endpoints
from tailrace_indexer.config import IndexerSettings
from tailrace_indexer.leader import RetentionLeader
from tests.infra.alerts.telling.hooks import hook_server
from tests.support.waiting import eventually

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

WAIT_S_MAX = 90.0


@contextmanager
def leading(connections: Connections, settings: IndexerSettings) -> Generator[None]:
    leader = RetentionLeader(
        connections,
        group=f"{connections.namespace}-indexer",
        settings=settings,
        is_expired=lambda _index: False,
        log=logger("indexer"),
    )
    leader.start()
    try:
        yield
    finally:
        leader.stop()


def event(template: str, *, ago_ms: int) -> dict[str, Any]:
    at_ms = SystemClock().now_ms() - ago_ms
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC).isoformat()
    return {
        "@timestamp": moment,
        "event.created": moment,
        "event.dataset": "app",
        "message": f"a line of {template}",
        "tailrace.template.id": template,
    }


def test_a_new_kind_of_line_is_told_once_and_recorded_once_whoever_leads(
    stack: Endpoints, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
            "elasticsearch_url": stack.elasticsearch_url,
            "namespace": namespace,
        }
    )
    provision(connections)
    index = f"{namespace}-app-{datetime.now(tz=UTC):%Y.%m.%d}"
    with hook_server() as hook, Elastic(connections) as elastic, capture_logs() as log:
        elastic.ask("PUT", f"/{index}")

        def put(template: str, *, ago_ms: int = 0) -> None:
            document = event(template, ago_ms=ago_ms)
            path = f"/{index}/_doc?refresh=true"
            answer = elastic.request("POST", path, body=orjson.dumps(document))
            assert answer.is_success

        config = tmp_path / "tailrace.toml"
        config.write_text(
            f"""
            [[indexer.alerts.rules]]
            name = "new-kind"
            kind = "new_template"
            learn_ms = 60_000
            [[indexer.alerts.channels]]
            name = "ops"
            kind = "webhook"
            url = "{hook.url}"
            hosts_allowed = ["127.0.0.1"]
            """
        )
        put("old", ago_ms=600_000)
        settings = read_role_settings(IndexerSettings, config_file=config)
        with leading(connections, settings):
            alerts = alerts_index(namespace)
            # What it had been judged to stands there once the first look is over.
            eventually(
                lambda: elastic.request("GET", f"/{alerts}/_doc/cursors").is_success,
                WAIT_S_MAX,
            )
            put("old")
            put("strange")
            eventually(lambda: hook.posts, WAIT_S_MAX)
        put("strange")
        with leading(connections, settings):
            put("stranger")
            eventually(lambda: len(hook.posts) == 2, WAIT_S_MAX)
        sent = [json.loads(body) for _, _, body in hook.posts]
        assert [one["group"]["tailrace.template.id"] for one in sent] == [
            "strange",
            "stranger",
        ]
        assert "a line of strange" in sent[0]["message"]
        assert elastic.count(alerts, query={"term": {"rule.id": "new-kind"}}) == 2

        said = [entry["event"] for entry in log]
        assert said.count("alert_raised") == 2
        assert "alerts_failed" not in said
        assert "s3cr3t" not in str(log)

        # The commands show what is there, and rehearse the same rule.
        monkeypatch.setenv("TAILRACE_NAMESPACE", namespace)
        monkeypatch.setenv("TAILRACE_ELASTICSEARCH_URL", stack.elasticsearch_url)
        runner = CliRunner()
        listed = runner.invoke(
            app, ["alerts", "list", "--all", "--json", "--config", str(config)]
        )
        assert listed.exit_code == 0, listed.output
        shown = [json.loads(line) for line in listed.stdout.splitlines()]
        assert {one["id"] for one in shown} == {one["id"] for one in sent}
        tried = runner.invoke(
            app,
            f"alerts test new-kind --since 5m --send ops --config {config}".split(),
        )
        assert tried.exit_code == 0, tried.output
        assert (
            "would be raised: a kind of line never seen before in app" in tried.stdout
        )
        assert "2 alerts by new-kind" in tried.stdout
        assert len(hook.posts) == 3
        rules = runner.invoke(
            app, ["alerts", "list", "--rules", "--config", str(config)]
        )
        assert "agent-silent (agent_silent)" in rules.stdout
        assert "new-kind (new_template, judged to" in rules.stdout
        missing = runner.invoke(
            app, ["alerts", "test", "new-kin", "--config", str(config)]
        )
        assert missing.exit_code == 1
        assert "did you mean new-kind?" in missing.output
