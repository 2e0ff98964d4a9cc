"""What the brokers are asked to do with every topic of ours."""

from __future__ import annotations

import pytest

from tailrace.topics import DAY_MS, STATE, TEMPLATES, TOPICS, Topic


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.suffix)
def test_k13_only_the_brokers_own_time_ages_a_segment(topic: Topic) -> None:
    """A line of the year 2099 would otherwise keep its segment till then."""
    assert topic.settings()["message.timestamp.type"] == "LogAppendTime"


def test_templates_that_nobody_tells_of_any_more_are_forgotten() -> None:
    """A log of ever new words must not make the topic grow for ever; a state never goes."""
    assert TEMPLATES.settings()["cleanup.policy"] == "compact,delete"
    assert TEMPLATES.settings()["retention.ms"] == str(90 * DAY_MS)
    assert STATE.settings()["cleanup.policy"] == "compact"
    assert "retention.ms" not in STATE.settings()
