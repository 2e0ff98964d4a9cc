"""What the brokers are asked to do with every topic of ours."""

from __future__ import annotations

import pytest

from tailrace.topics import TOPICS, Topic


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.suffix)
def test_k13_only_the_brokers_own_time_ages_a_segment(topic: Topic) -> None:
    """A line of the year 2099 would otherwise keep its segment till then."""
    assert topic.settings()["message.timestamp.type"] == "LogAppendTime"
