"""What the servers are told: loopback only, nothing created by accident, safe counts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tailrace.errors import CommandFailed, ConfigError
from tailrace_embedded.config import StackConfig, config_from_environment
from tailrace_embedded.elasticsearch import Node, node_settings, server_arguments
from tailrace_embedded.jvm import ServerFolders, log4j2_properties, properties
from tailrace_embedded.kafka import Broker, broker_settings, kafka_spec
from tailrace_embedded.plan import port_names
from tailrace_embedded.zookeeper import zookeeper_settings

FOLDER = Path("/data/server")


def brokers_of(count: int) -> list[Broker]:
    return [
        Broker(number=n, client_port=20_000 + n, controller_port=21_000 + n)
        for n in range(1, count + 1)
    ]


def nodes_of(count: int) -> list[Node]:
    return [
        Node(number=n, http_port=22_000 + n, transport_port=23_000 + n)
        for n in range(1, count + 1)
    ]


def node_settings_of(node: Node, nodes: list[Node]) -> dict[str, str]:
    folders = ServerFolders(FOLDER)
    return node_settings(node, nodes=nodes, folders=folders, home=Path("/es"))


@pytest.mark.parametrize("count", [1, 3])
def test_x12_every_address_in_every_configuration_is_loopback(count: int) -> None:
    brokers, nodes = brokers_of(count), nodes_of(count)
    texts = [properties(zookeeper_settings(port=24_000, data_dir=FOLDER))]
    texts += [
        properties(broker_settings(broker, brokers=brokers, data_dir=FOLDER))
        for broker in brokers
    ]
    texts += [properties(node_settings_of(node, nodes)) for node in nodes]
    for text in texts:
        addresses = re.findall(r"\d+\.\d+\.\d+\.\d+", text)
        assert addresses
        assert set(addresses) == {"127.0.0.1"}
        assert "0.0.0.0" not in text


def test_x12_listeners_of_kafka_name_an_address_because_an_empty_one_means_every() -> (
    None
):
    (broker,) = brokers_of(1)
    settings = broker_settings(broker, brokers=[broker], data_dir=FOLDER)
    for listener in settings["listeners"].split(","):
        assert re.fullmatch(r"[A-Z]+://127\.0\.0\.1:\d+", listener)


@pytest.mark.parametrize(
    ("count", "copies", "acknowledged"), [(1, "1", "1"), (3, "3", "2")]
)
def test_internal_topics_have_as_many_copies_as_there_are_brokers(
    count: int, copies: str, acknowledged: str
) -> None:
    brokers = brokers_of(count)
    settings = broker_settings(brokers[0], brokers=brokers, data_dir=FOLDER)
    for key, value in settings.items():
        if key.endswith("replication.factor"):
            assert value == copies, key
        if key.endswith(("min.isr", "min.insync.replicas")):
            assert value == acknowledged, key
    assert settings["auto.create.topics.enable"] == "false"
    assert len(settings["controller.quorum.voters"].split(",")) == count


def test_a_single_node_needs_no_other_and_creates_no_index_by_itself() -> None:
    (node,) = nodes_of(1)
    settings = node_settings_of(node, [node])
    assert settings["discovery.type"] == "single-node"
    assert settings["action.auto_create_index"] == "false"
    assert "node.roles" not in settings


def test_disk_watermarks_are_absolute_and_in_order() -> None:
    (node,) = nodes_of(1)
    settings = node_settings_of(node, [node])
    prefix = "cluster.routing.allocation.disk.watermark."
    sizes_mb = [
        int(number) * (1024 if unit == "gb" else 1)
        for level in ("low", "high", "flood_stage")
        for number, unit in re.findall(r"^(\d+)(gb|mb)$", settings[prefix + level])
    ]
    assert len(sizes_mb) == 3
    assert sizes_mb == sorted(sizes_mb, reverse=True)


def test_the_third_of_three_nodes_only_votes() -> None:
    nodes = nodes_of(3)
    roles = [node_settings_of(node, nodes)["node.roles"] for node in nodes]
    assert roles == ["master,data", "master,data", "master"]
    assert [node.holds_data for node in nodes] == [True, True, False]
    seeds = {node_settings_of(node, nodes)["discovery.seed_hosts"] for node in nodes}
    assert seeds == {"127.0.0.1:23001,127.0.0.1:23002,127.0.0.1:23003"}


def test_the_servers_arguments_are_written_as_its_own_tool_writes_them() -> None:
    """Compared with bytes that the tool of 9.2.4 sent, its generated seed left out."""
    written = server_arguments(
        {"node.name": "n0", "cluster.name": "t"},
        conf_dir=Path("/c"),
        logs_dir=Path("/l"),
    )
    assert written == (
        b"\x00\x00\x00"
        b"\x31org.elasticsearch.common.settings.KeyStoreWrapper"
        b"\x00\x00\x00\x07\x00\x00\x00\x00"
        b"\x02\x0ccluster.name\x00\x01t\x09node.name\x00\x02n0"
        b"\x02/c\x02/l"
    )


def test_a_long_path_has_a_length_of_two_bytes_and_umlauts_count_once() -> None:
    path = Path("/" + "ü" * 149)
    written = server_arguments({}, conf_dir=path, logs_dir=Path("/l"))
    assert b"\x96\x01/\xc3\xbc" in written


def test_a_path_that_elasticsearch_cannot_be_given_is_refused_with_a_remedy() -> None:
    with pytest.raises(CommandFailed, match="cannot be given the path") as caught:
        server_arguments({}, conf_dir=Path("/😀"), logs_dir=Path("/l"))
    assert "name a data folder" in caught.value.remedy


def test_properties_escape_what_java_would_read_otherwise() -> None:
    assert properties({"dataDir": "C:\\ü\n"}) == "dataDir=C:\\\\\\u00fc\\n\n"


def test_log_files_are_bounded_in_size_and_number() -> None:
    text = log4j2_properties(Path("/logs/server.log"), layout="%d %m%n")
    assert re.search(r"policies\.size\.size = \d+MB", text)
    assert re.search(r"strategy\.max = \d+\n", text)
    assert "Console" not in text


def test_wrong_sizes_are_all_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        StackConfig(brokers=2, elasticsearch_nodes=5, kafka_heap_mb=1)
    assert len(caught.value.problems) == 3


def test_heaps_come_from_the_environment_and_must_be_numbers() -> None:
    config = config_from_environment({"TAILRACE_ELASTICSEARCH_HEAP_MB": "2048"})
    assert config.elasticsearch_heap_mb == 2_048
    assert config.kafka_heap_mb == StackConfig().kafka_heap_mb
    with pytest.raises(ConfigError, match=r"TAILRACE_KAFKA_HEAP_MB .* got '2g'"):
        config_from_environment({"TAILRACE_KAFKA_HEAP_MB": "2g"})


def test_more_flags_for_java_come_behind_our_own_but_before_what_it_runs(
    tmp_path: Path,
) -> None:
    flags = "-XX:TieredStopAtLevel=1 -Xmx99m"
    config = config_from_environment({"TAILRACE_JAVA_FLAGS": flags})
    assert config.java_flags == tuple(flags.split())
    assert config_from_environment({}).java_flags == ()
    brokers = [Broker(number=1, client_port=1, controller_port=2)]
    command = kafka_spec(
        brokers[0],
        brokers=brokers,
        folders=ServerFolders(tmp_path / "kafka-1"),
        jars=[],
        java_home=Path("/java"),
        heap_mb=64,
        user=None,
        java_flags=config.java_flags,
    ).command
    at = command.index("-Xmx99m")
    assert command.index("-Xmx64m") < at < command.index("kafka.Kafka")


def test_every_server_of_three_has_ports_of_its_own() -> None:
    names = port_names(StackConfig(brokers=3, elasticsearch_nodes=3))
    assert len(names) == len(set(names)) == 13
