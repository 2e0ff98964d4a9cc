"""The servers that the test run starts for itself are real ones, and answer."""

from __future__ import annotations

import urllib.request

import pytest

from tailrace_embedded.probes import kafka_answers, zookeeper_answers
from tailrace_embedded.stack import Endpoints


@pytest.mark.stack
def test_shared_servers_answer_in_their_own_protocols(stack: Endpoints) -> None:
    kafka_port = int(stack.kafka_bootstrap.rpartition(":")[2])
    zookeeper_port = int(stack.zookeeper_hosts.rpartition(":")[2])
    assert kafka_answers(kafka_port, brokers_count=1)
    assert not kafka_answers(kafka_port, brokers_count=2)
    assert zookeeper_answers(zookeeper_port)
    health = f"{stack.elasticsearch_url}/_cluster/health"
    with urllib.request.urlopen(health) as response:
        assert b'"number_of_data_nodes":1' in response.read()
