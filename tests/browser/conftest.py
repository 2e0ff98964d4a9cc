"""What the browser tests share: one index of events, one dashboard, one browser."""

from __future__ import annotations

import secrets
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tailrace import index_templates
from tailrace.elasticsearch import NDJSON, Elastic
from tailrace.provision import provision_templates
from tailrace.query import events_alias, rates_index
from tailrace.settings import Connections
from tailrace_embedded.stack import Endpoints
from tests.browser import corpus
from tests.support import browser as support

EVENT_COUNT = 600
HOUR_MS = 3_600_000


@pytest.fixture(scope="module")
def chromium() -> Generator[Browser, None, None]:
    """Give one browser to the tests of a file.

    Not to all of a run: while playwright's synchronous interface is open, an event loop
    runs in this thread, and no other test could run one of its own.
    """
    with support.browser() as started:
        yield started


@pytest.fixture(scope="session")
def shop(
    stack: Endpoints, tmp_path_factory: pytest.TempPathFactory
) -> Generator[Connections, None, None]:
    """Give connections to a namespace that holds an hour of a shop's events."""
    connections = connections_to(
        stack,
        namespace=f"t{secrets.token_hex(3)}",
        data_dir=tmp_path_factory.mktemp("dashboard"),
    )
    now_ms = time.time_ns() // 1_000_000
    events = [
        *corpus.events(
            count=EVENT_COUNT, since_ms=now_ms - HOUR_MS, until_ms=now_ms, seed=11
        ),
        *corpus.hostile_events(at_ms=now_ms - 60_000),
    ]
    provision_templates(connections)
    with Elastic(connections) as elastic:
        put(elastic, f"{connections.namespace}-shop-2026.11.24", events)
        put(elastic, rates_index(connections.namespace), corpus.rates(events))
        elastic.refresh(f"{connections.namespace}-*")
        # The templates attach the alias: what is indexed is what is searched.
        assert elastic.count(events_alias(connections.namespace)) == len(events)
        yield connections
        elastic.request("DELETE", f"/{connections.namespace}-shop-2026.11.24")
        elastic.request("DELETE", f"/{rates_index(connections.namespace)}")
        for kind in index_templates.NAMES:
            name = index_templates.template_name(connections.namespace, kind=kind)
            elastic.request("DELETE", f"/_index_template/{name}")


@pytest.fixture(scope="session")
def dashboard_url(shop: Connections) -> Generator[str, None, None]:
    """Give the URL of a real dashboard over the shop's events."""
    with support.dashboard(shop) as url:
        yield url


@pytest.fixture
def page(chromium: Browser) -> Generator[Page, None, None]:
    """Give a fresh page of its own visitor; an error in its scripts fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(20_000)
    # How long a page may take, which is no matter of these tests: a machine is shared.
    expect.set_options(timeout=20_000)
    errors: list[str] = []
    opened = context.new_page()
    opened.on("pageerror", lambda error: errors.append(str(error)))
    yield opened
    context.close()
    assert not errors


def connections_to(
    stack: Endpoints,
    *,
    namespace: str,
    data_dir: Path,
    elasticsearch_url: str | None = None,
) -> Connections:
    """Return the connections of a role of one namespace.

    By `model_copy`, because the environment would win over what is given otherwise.
    """
    return Connections().model_copy(
        update={
            "kafka_bootstrap": stack.kafka_bootstrap,
            "zookeeper_hosts": stack.zookeeper_hosts,
            "elasticsearch_url": elasticsearch_url or stack.elasticsearch_url,
            "namespace": namespace,
            "data_dir": data_dir,
        }
    )


def put(elastic: Elastic, index: str, documents: list[dict[str, Any]]) -> None:
    """Make the index and write the documents; every one must be taken."""
    elastic.ask("PUT", f"/{index}")
    answer = elastic.request(
        "POST",
        "/_bulk?filter_path=errors,items.*.error",
        body=corpus.bulk_body(documents, index=index).encode(),
        content_type=NDJSON,
    )
    assert answer.json()["errors"] is False, answer.json()
