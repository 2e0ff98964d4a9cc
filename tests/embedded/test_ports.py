"""Ports are chosen once, kept while they are free, and never shared."""

from __future__ import annotations

import random
import socket

import pytest

from tailrace.errors import CommandFailed
from tailrace_embedded.ports import PORT_MAX, PORT_MIN, choose_ports, is_free


def test_new_ports_differ_and_lie_below_those_of_outgoing_connections() -> None:
    names = [f"server-{number}" for number in range(50)]
    ports = choose_ports(
        names,
        recorded={},
        configured={},
        rng=random.Random(1),
        is_free=lambda _port: True,
    )
    assert list(ports) == names
    assert len(set(ports.values())) == len(names)
    assert all(PORT_MIN <= port <= PORT_MAX < 32_768 for port in ports.values())


def test_a_recorded_port_is_kept_while_free_and_replaced_alone_when_taken() -> None:
    recorded = {"kafka": 21_000, "zookeeper": 21_001}
    ports = choose_ports(
        recorded,
        recorded=recorded,
        configured={},
        rng=random.Random(1),
        is_free=lambda port: port != 21_001,
    )
    assert ports["kafka"] == 21_000
    assert ports["zookeeper"] not in recorded.values()


def test_a_configured_port_wins_over_the_recorded_one_of_another_server() -> None:
    ports = choose_ports(
        ["kafka", "zookeeper"],
        recorded={"kafka": 21_000, "zookeeper": 21_001},
        configured={"zookeeper": 21_000},
        rng=random.Random(1),
        is_free=lambda _port: True,
    )
    assert ports["zookeeper"] == 21_000
    assert ports["kafka"] != 21_000


def test_a_configured_port_that_is_taken_is_named_with_its_server() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen(1)
        port = other.getsockname()[1]
        assert not is_free(port)
        with pytest.raises(CommandFailed, match=f"Port {port} .* for kafka-1"):
            choose_ports(
                ["kafka-1"],
                recorded={},
                configured={"kafka-1": port},
                rng=random.Random(1),
            )
    assert is_free(port)


def test_a_machine_without_free_ports_is_said_so_instead_of_searched_for_ever() -> None:
    with pytest.raises(CommandFailed, match="No free port"):
        choose_ports(
            ["kafka"],
            recorded={},
            configured={},
            rng=random.Random(1),
            is_free=lambda _port: False,
        )
