"""An Elasticsearch of a test's own, with settings that no other test may meet."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tailrace_embedded.config import config_from_environment
from tailrace_embedded.elasticsearch import (
    Node,
    elasticsearch_spec,
    node_settings,
    server_arguments,
)
from tailrace_embedded.server import Server, ServerSpec
from tests.support.own_server import Ground, ground_for, own_server
from tests.support.stack import temporary_data_dir

HEAP_MB = 400


@dataclass(frozen=True, slots=True)
class Prepared:
    """A server that was not started, and what whoever starts it has to know."""

    spec: ServerSpec
    node: Node
    ground: Ground


@contextmanager
def prepared_elasticsearch(settings: Mapping[str, str]) -> Generator[Prepared]:
    """Yield what runs a server with these settings beside the usual ones."""
    with temporary_data_dir() as data_dir:
        ground = ground_for("elasticsearch-1", "transport", data_dir=data_dir)
        node = Node(number=1, http_port=ground.ports[0], transport_port=ground.ports[1])
        folders, home = ground.folders, ground.runtime.elasticsearch_home
        spec = elasticsearch_spec(
            node,
            nodes=[node],
            folders=folders,
            home=home,
            java_home=ground.runtime.java_home,
            heap_mb=HEAP_MB,
            java_flags=config_from_environment().java_flags,
            user=ground.user,
        )
        usual = node_settings(node, nodes=[node], folders=folders, home=home)
        arguments = server_arguments(
            {**usual, **settings}, conf_dir=folders.conf, logs_dir=folders.logs
        )
        its_own = replace(spec, standard_input=arguments)
        yield Prepared(its_own, node, ground)


@contextmanager
def own_elasticsearch(settings: Mapping[str, str]) -> Generator[tuple[Server, str]]:
    """Yield a server that is up, and its address."""
    with (
        prepared_elasticsearch(settings) as prepared,
        own_server(prepared.spec, user=prepared.ground.user) as made,
    ):
        made.start()
        made.wait_until_ready()
        yield made, prepared.node.url
