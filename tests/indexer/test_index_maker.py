"""An index comes to be by order, by our template, and never against retention.

Elasticsearch here is a socket that says what the test wants; that the real one says so is
held by `tests/laws/test_mapping_laws.py` and `tests/indexer/test_expiry_on_servers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from tailrace.elasticsearch import Elastic
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace_indexer.index_maker import IndexMaker
from tailrace_indexer.outcomes import STORED, Outcome, Reason, Verdict
from tests.support.saying import Said, Say, saying

INDEX = "t-app.log-2026.11.24"
HEAD = f"HEAD /{INDEX}"
PUT = f"PUT /{INDEX}"
TEMPLATE = "/_index_template/t-events"
THERE = Said(200, {})
MISSING = Said(404, {"error": {"type": "resource_not_found_exception"}})
HAS_TEMPLATE = Said(
    200,
    {"index_templates": [{"index_template": {"_meta": {"fingerprint": "f"}}}]},
)


def refused(status: int, kind: str, reason: str = "no") -> Said:
    return Said(status, {"error": {"type": kind, "reason": reason}, "status": status})


def answering(answers: Mapping[str, Said]) -> Say:
    """Say what is named; that no other template is there, and that all else is done."""

    def say(method: str, path: str) -> Said:
        is_look = method == "GET" and path.startswith("/_index_template/")
        return answers.get(f"{method} {path}", MISSING if is_look else THERE)

    return say


def made(
    answers: Mapping[str, Said],
    *,
    index: str = INDEX,
    is_expired: Callable[[str], bool] = lambda _index: False,
) -> tuple[Verdict, list[str]]:
    """Order one index; return what became of it, and all that was asked for it."""
    with saying(answering(answers)) as server:
        connections = Connections().model_copy(
            update={"elasticsearch_url": server.url, "namespace": "t"}
        )
        with Elastic(connections) as elastic:
            maker = IndexMaker(elastic, connections=connections, is_expired=is_expired)
            return maker.make(index), server.asked


def test_e10_an_index_that_is_there_is_asked_for_and_nothing_else_is_done() -> None:
    verdict, asked = made({HEAD: THERE})
    assert verdict == STORED
    assert asked == [HEAD]


def test_e10_a_missing_index_is_made_once_its_template_is_there() -> None:
    verdict, asked = made({HEAD: MISSING, f"GET {TEMPLATE}": HAS_TEMPLATE})
    assert verdict == STORED
    assert asked == [HEAD, f"GET {TEMPLATE}", PUT]


def test_e10_a_missing_template_is_written_before_the_index_is_made() -> None:
    """An index without it would guess the types of fields."""
    verdict, asked = made({HEAD: MISSING, f"GET {TEMPLATE}": MISSING})
    assert verdict == STORED
    assert asked[-1] == PUT
    assert 0 < asked.index(f"PUT {TEMPLATE}") < asked.index(PUT)


def test_e10_a_template_that_may_not_be_written_holds_and_no_index_is_made() -> None:
    verdict, asked = made(
        {
            HEAD: MISSING,
            f"GET {TEMPLATE}": MISSING,
            f"PUT {TEMPLATE}": refused(403, "security_exception"),
        }
    )
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.UNREACHABLE)
    assert PUT not in asked


def test_x13_every_refusal_of_a_right_names_it_so_that_many_indices_are_one_alarm() -> (
    None
):
    """An answer to HEAD has no text: which right it wants is known beforehand."""

    def lacking(action: str, kind: str, rights: str) -> Said:
        reason = (
            f"action [{action}] is unauthorized for user [l] with effective roles [l], this"
            f" action is granted by the {kind} privileges [{rights}]"
        )
        return refused(403, "security_exception", reason)

    templates = lacking("indices:admin/index_template/put", "cluster", "manage,all")
    making = lacking("indices:admin/create", "index", "create_index,manage,all")
    for answers, right in (
        ({HEAD: refused(403, "security_exception")}, "view_index_metadata"),
        ({f"GET {TEMPLATE}": MISSING, f"PUT {TEMPLATE}": templates}, "manage"),
        ({f"GET {TEMPLATE}": HAS_TEMPLATE, PUT: making}, "create_index"),
    ):
        verdict, _ = made({HEAD: MISSING, **answers})
        assert (verdict.outcome, verdict.reason, verdict.right) == (
            Outcome.HOLD,
            Reason.UNAUTHORIZED,
            right,
        )


def test_e9_an_index_that_retention_took_is_never_made_again() -> None:
    verdict, asked = made({HEAD: MISSING}, is_expired=lambda index: index == INDEX)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.DEAD_LETTER,
        Reason.INDEX_EXPIRED,
    )
    assert asked == [HEAD]


def test_e9_an_index_below_the_floor_that_is_still_there_takes_what_it_holds() -> None:
    """What is sent again is in it: a dead letter would count it twice."""
    assert made({HEAD: THERE}, is_expired=lambda _index: True)[0] == STORED


def test_e10_an_index_that_another_has_made_meanwhile_is_there() -> None:
    already = refused(400, "resource_already_exists_exception")
    verdict, _ = made({HEAD: MISSING, f"GET {TEMPLATE}": HAS_TEMPLATE, PUT: already})
    assert verdict == STORED


@pytest.mark.parametrize(
    ("said", "outcome", "reason"),
    [
        (refused(403, "security_exception"), Outcome.HOLD, Reason.UNAUTHORIZED),
        (
            refused(400, "validation_exception", "this would exceed maximum shards"),
            Outcome.HOLD,
            Reason.SHARD_LIMIT,
        ),
        # Its documents are not at fault, whatever the answer is.
        (refused(400, "illegal_argument_exception"), Outcome.HOLD, Reason.UNEXPECTED),
        (refused(413, "too_large"), Outcome.HOLD, Reason.UNEXPECTED),
        (Said(400, "no JSON"), Outcome.HOLD, Reason.UNEXPECTED),
        (refused(503, "no_master"), Outcome.RETRY, Reason.UNAVAILABLE),
    ],
)
def test_e3_e10_an_order_that_is_refused_makes_no_dead_letter(
    said: Said, outcome: Outcome, reason: Reason
) -> None:
    verdict, _ = made({HEAD: MISSING, f"GET {TEMPLATE}": HAS_TEMPLATE, PUT: said})
    assert (verdict.outcome, verdict.reason) == (outcome, reason)


def test_e10_what_is_no_index_of_ours_is_asked_of_nobody() -> None:
    verdict, asked = made({}, index="somebody-elses")
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.UNEXPECTED)
    assert "somebody-elses" in verdict.detail
    assert asked == []


@pytest.mark.parametrize(
    ("status", "outcome", "reason"),
    [
        (401, Outcome.HOLD, Reason.UNAUTHORIZED),
        (403, Outcome.HOLD, Reason.UNAUTHORIZED),
        (503, Outcome.RETRY, Reason.UNAVAILABLE),
        (400, Outcome.HOLD, Reason.UNEXPECTED),
    ],
)
def test_x13_e9_an_index_that_may_not_be_seen_is_not_said_to_be_gone(
    status: int, outcome: Outcome, reason: Reason
) -> None:
    """It may hold what is sent again: a dead letter would count it twice."""
    verdict, asked = made({HEAD: Said(status, {})}, is_expired=lambda _index: True)
    assert (verdict.outcome, verdict.reason) == (outcome, reason)
    assert asked == [HEAD]


def test_x13_a_template_that_may_not_be_seen_is_a_missing_right() -> None:
    no_right = (
        "action [indices:admin/index_template/get] is unauthorized for user [w] with"
        " effective roles [w], this action is granted by the cluster privileges"
        " [manage_index_templates,monitor,manage,all]"
    )
    refusal = refused(403, "security_exception", no_right)
    verdict, asked = made({HEAD: MISSING, f"GET {TEMPLATE}": refusal})
    assert (verdict.outcome, verdict.reason) == (Outcome.HOLD, Reason.UNAUTHORIZED)
    assert "lacks the cluster privilege manage_index_templates" in verdict.detail
    assert PUT not in asked


@pytest.mark.parametrize(
    ("status", "has_it"), [(200, True), (400, False), (403, None), (503, None)]
)
def test_e10_what_a_build_lacks_is_only_what_it_says_it_lacks(
    status: int, has_it: bool | None
) -> None:
    """A node that is busy, or refuses, would have templates written with less."""
    with saying(lambda _method, _path: Said(status, {})) as server:
        connections = Connections(elasticsearch_url=server.url)
        with Elastic(connections) as elastic:
            if has_it is None:
                with pytest.raises(ServiceUnavailable):
                    elastic.capabilities()
            else:
                assert elastic.capabilities().has_match_only_text == has_it
    assert not any(asked.endswith(" /") for asked in server.asked)
