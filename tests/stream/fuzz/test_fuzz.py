"""S1, K11: spoiled lines of every program, in every parser; and that a fault is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from tests.stream.fuzz import DATASETS, Broken, Case, case_of, check, documents_of

SEEDS_EACH = 2
Documents = list[dict[str, Any]]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("dataset", DATASETS)
def test_s1_k11_no_spoiled_line_is_lost_moved_or_changed(dataset: str) -> None:
    first = DATASETS.index(dataset)
    for seed in range(first, SEEDS_EACH * len(DATASETS), len(DATASETS)):
        case = case_of(seed)
        assert case.dataset == dataset
        check(case)


def test_a_seed_is_a_chunk_and_another_one_another() -> None:
    assert case_of(7) == case_of(7)
    assert case_of(7) != case_of(7 + len(DATASETS))


def _last_lost(documents: Documents) -> Documents:
    return documents[:-1] if len(documents) > 1 else documents


def _moved(documents: Documents) -> Documents:
    return [{**one, "log.offset": one["log.offset"] + 1} for one in documents]


def _changed(documents: Documents) -> Documents:
    return [{**one, "message": one["message"][:-1]} for one in documents]


def _told_by_neighbours(documents: Documents) -> Documents:
    return [{**one, "x": len(documents)} for one in documents]


@pytest.mark.parametrize(
    "fault",
    [_last_lost, _moved, _changed, _told_by_neighbours],
    ids=lambda one: one.__name__,
)
def test_a_fault_of_a_parser_is_seen(fault: Callable[[Documents], Documents]) -> None:
    case = Case("generic", (b"one line", b"another"), 9)
    check(case)

    def read(lines: Sequence[bytes], dataset: str, first: int) -> Documents:
        return fault(documents_of(lines, dataset, first))

    with pytest.raises(Broken):
        check(case, read=read)
