"""What is wrong with a rule is said when settings are read."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tailrace_stream.config import StreamSettings
from tailrace_stream.shaping.config import RULES_MAX, rules_of
from tailrace_stream.shaping.rules import Rule

DROP: dict[str, Any] = {"name": "d", "action": "drop", "where": {"log.level": "debug"}}
NOTHING: dict[str, str] = {}
NO_VALUES: list[str] = []


def test_rules_are_read_in_their_order() -> None:
    settings = StreamSettings.model_validate(
        {
            "shaping": [
                {
                    "name": "health",
                    "action": "sample",
                    "keep_one_in": 100,
                    "where": {
                        "url.path": ["/health", "/ready*"],
                        "http.response.status_code": 200,
                    },
                },
                DROP,
            ]
        }
    )
    assert rules_of(settings.shaping) == (
        Rule(
            name="health",
            keep_one_in=100,
            where={
                "url.path": ("/health", "/ready*"),
                "http.response.status_code": ("200",),
            },
        ),
        Rule(name="d", where={"log.level": ("debug",)}),
    )


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ([DROP | {"where": NOTHING}], "at least 1"),
        ([DROP | {"where": {"attributes.user": "x"}}], "a parser reads out of lines"),
        ([DROP | {"where": {"log level": "x"}}], "a parser reads out of lines"),
        ([DROP | {"where": {"log.level": NO_VALUES}}], "needs 1 to 100 values"),
        ([DROP | {"where": {"url.path": "/a*/b"}}], "only at the end of a value"),
        ([DROP | {"where": {"log.level": True}}], "string"),
        ([DROP | {"keep_one_in": 10}], "keep_one_in is for a sample"),
        ([DROP | {"action": "sample"}], "a sample needs it"),
        ([DROP | {"action": "sample", "keep_one_in": 1}], "greater than or equal to 2"),
        ([DROP | {"name": "Bad Name"}], "pattern"),
        ([DROP, DROP], "more than one rule is named d"),
        ([DROP | {"name": f"d{n}"} for n in range(RULES_MAX + 1)], "at most 50"),
        ([DROP | {"where": {"message": ["x" * 9_000]}}], "all rules together have"),
    ],
)
def test_a_rule_that_means_nothing_is_refused(
    rules: list[dict[str, Any]], problem: str
) -> None:
    with pytest.raises(ValidationError, match=problem):
        StreamSettings.model_validate({"shaping": rules})
