"""Lines of known templates, made by a seed, and how well a grouping of them is.

`corpora.toml` says what each kind of system writes. Choices are nested from the inside out.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_INNERMOST: Final = re.compile(r"\{([dnh]|[^{}]*\|[^{}]*)\}")
FILE: Final = Path(__file__).with_name("corpora.toml")


@dataclass(frozen=True, slots=True)
class Corpus:
    """Lines, and the number of the message that each was made of."""

    lines: list[str]
    truth: list[int]


def systems() -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return the head and the messages of each kind of system, by its name."""
    read = tomllib.loads(FILE.read_text(encoding="utf-8"))
    return {name: (one["head"], tuple(one["messages"])) for name, one in read.items()}


def corpus_of(name: str, *, lines_count: int, seed: int) -> Corpus:
    """Return lines of one kind of system, the first messages more often than the last."""
    chance = random.Random(f"{name}{seed}")
    head, messages = systems()[name]
    weights = [1 / (place + 2) for place in range(len(messages))]
    chosen = list(range(len(messages)))
    chosen += chance.choices(chosen, weights, k=lines_count - len(messages))
    chance.shuffle(chosen)
    lines = [_filled(head, chance) + _filled(messages[one], chance) for one in chosen]
    return Corpus(lines, chosen)


def grouping_accuracy(found: list[str], truth: list[int]) -> float:
    """Return the share of lines whose group holds just the lines of their template.

    As in Zhu et al., 'Tools and Benchmarks for Automated Log Parsing' (ICSE-SEIP 2019).
    """
    found_lines: dict[str, set[int]] = defaultdict(set)
    true_lines: dict[int, set[int]] = defaultdict(set)
    for line, (group, template) in enumerate(zip(found, truth, strict=True)):
        found_lines[group].add(line)
        true_lines[template].add(line)
    true_groups = {frozenset(lines) for lines in true_lines.values()}
    right = sum(
        len(lines) for lines in found_lines.values() if frozenset(lines) in true_groups
    )
    return right / len(truth)


def _filled(text: str, chance: random.Random) -> str:
    while True:
        filled = _INNERMOST.sub(lambda found: _value(found[1], chance), text)
        if filled == text:
            return text
        text = filled


def _value(what: str, chance: random.Random) -> str:
    if what == "d":
        return str(chance.randrange(10))
    if what == "n":
        return str(chance.randrange(10 ** chance.randrange(1, 6)))
    if what == "h":
        return f"0x{chance.randrange(2**32):08x}"
    return chance.choice(what.split("|"))
