"""A corpus is the same for the same seed, and like a real log of its kind."""

from __future__ import annotations

import hashlib
import re
from collections import Counter

import orjson
import pytest

from tailrace.bench.corpus import BLOCK_LINES, Corpus, Kind

LINE = re.compile(
    rb'\d+\.\d+\.\d+\.\d+ - - \[24/Nov/2026:\d\d:\d\d:\d\d \+0000\] "[A-Z]+ /\S* HTTP/1.1"'
    rb' \d{3} \d+ "[^"]+" "[^"]+"'
)
SYSLOG_LINE = re.compile(rb"Nov 24 02:20:\d\d \S+ [\w/]+(?:\[\d+\])?: \S.*")
START_MS = 1_795_486_839_441
CORPUS = Corpus(lines=2 * BLOCK_LINES + 7, seed=1, start_ms=START_MS)


def corpus_of(kind: Kind, *, seed: int = 1) -> Corpus:
    return Corpus(lines=CORPUS.lines, seed=seed, start_ms=START_MS, kind=kind)


@pytest.mark.parametrize("kind", Kind)
def test_the_same_seed_gives_the_same_bytes_and_another_others(kind: Kind) -> None:
    first, again, other = (
        b"".join(corpus_of(kind, seed=seed).blocks()) for seed in (1, 1, 2)
    )

    assert first == again
    assert first != other


def test_the_access_log_is_the_one_that_earlier_figures_are_of() -> None:
    digest = hashlib.sha256(b"".join(CORPUS.blocks())).hexdigest()

    assert digest.startswith("305a73b9f83613ce")


@pytest.mark.parametrize("kind", Kind)
def test_blocks_hold_whole_lines_and_as_many_as_asked_for(kind: Kind) -> None:
    blocks = list(corpus_of(kind).blocks())

    assert all(block.endswith(b"\n") for block in blocks)
    assert sum(block.count(b"\n") for block in blocks) == CORPUS.lines


def test_lines_are_nginx_combined_of_about_160_bytes() -> None:
    lines = b"".join(CORPUS.blocks()).splitlines()

    assert all(LINE.fullmatch(line) for line in lines)
    assert 150 <= sum(map(len, lines)) / len(lines) <= 170


def test_a_few_paths_make_most_of_the_traffic() -> None:
    lines = b"".join(CORPUS.blocks()).splitlines()
    paths = [line.split(b'"')[1].split()[1] for line in lines]
    counts = sorted((paths.count(path) for path in set(paths)), reverse=True)

    assert sum(counts[: len(counts) // 10]) > len(lines) / 2


def test_lines_of_services_are_json_of_about_270_bytes_of_a_few_shapes() -> None:
    lines = b"".join(corpus_of(Kind.JSON).blocks()).splitlines()
    records = [orjson.loads(line) for line in lines]
    shapes = Counter(tuple(record) for record in records)

    assert 260 <= sum(map(len, lines)) / len(lines) <= 280
    assert 4 <= len(shapes) <= 8
    assert min(shapes.values()) > len(lines) / 50
    assert len({record["trace_id"] for record in records}) == len(lines)
    assert records[0]["timestamp"] == "2026-11-24T02:20:39.441Z"


def test_lines_of_syslog_are_of_rfc_3164_and_about_115_bytes() -> None:
    lines = b"".join(corpus_of(Kind.SYSLOG).blocks()).splitlines()
    programs = Counter(line.split()[4].split(b"[")[0].rstrip(b":") for line in lines)

    assert all(SYSLOG_LINE.fullmatch(line) for line in lines)
    assert 105 <= sum(map(len, lines)) / len(lines) <= 125
    assert set(programs) == {b"sshd", b"CRON", b"systemd", b"postfix/smtp", b"kernel"}
