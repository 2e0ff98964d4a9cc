"""The corpus is the same for the same seed, and like a real access log."""

from __future__ import annotations

import re

from tailrace.bench.corpus import BLOCK_LINES, Corpus

LINE = re.compile(
    rb'\d+\.\d+\.\d+\.\d+ - - \[24/Nov/2026:\d\d:\d\d:\d\d \+0000\] "[A-Z]+ /\S* HTTP/1.1"'
    rb' \d{3} \d+ "[^"]+" "[^"]+"'
)
START_MS = 1_795_486_839_441
CORPUS = Corpus(lines=2 * BLOCK_LINES + 7, seed=1, start_ms=START_MS)


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert b"".join(CORPUS.blocks()) == b"".join(CORPUS.blocks())


def test_another_seed_gives_other_bytes() -> None:
    other = Corpus(lines=CORPUS.lines, seed=2, start_ms=START_MS)

    assert b"".join(CORPUS.blocks()) != b"".join(other.blocks())


def test_blocks_hold_whole_lines_and_as_many_as_asked_for() -> None:
    blocks = list(CORPUS.blocks())

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
