"""Which id a line's template has: the hash of its masked text, whoever reads it.

So every worker gives a line the same id, with no word between them, and gives it again
after a crash: a document that is sent twice is the same to the byte. Texts that turn out
to be one template later (`tailrace.template_grouping`) keep their ids, and one of them stands for all when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import polars as pl

from tailrace_stream.templates.masking import (
    contents,
    with_numbers_masked,
    with_paths_masked,
)

VERSION = "1"
"""Of the masks, hashed along: other masks make other ids, never the same for another text."""
ID_BYTES = 8
REMEMBERED_MAX = 50_000
"""Texts without their numbers whose masked text is remembered, and as many texts without
their paths: what the other masks cost is then paid once a text, and not once a chunk. An
access log has tens of thousands of the one kind, and a few of the other."""
REMEMBERED_CHARACTERS_MAX = 10_000_000
"""Of each kind, so that long lines take no more than short ones: 10 MB, or 40 where none of
the writing is Latin."""

Named = tuple[str, str]
"""The id of a template, and its masked text."""


def template_id(text: str) -> str:
    """Return the id of a masked text: 16 hexadecimal digits."""
    named = f"{VERSION}\0{text}".encode()
    return blake2b(named, digest_size=ID_BYTES).hexdigest()


class Memory:
    """What the masks made of texts that were seen before.

    Holds nothing that could not be found again, so it may be lost, or shared by threads.
    """

    def __init__(
        self,
        *,
        texts_max: int = REMEMBERED_MAX,
        characters_max: int = REMEMBERED_CHARACTERS_MAX,
    ) -> None:
        """Remember nothing yet, and of each kind of text never more than so many."""
        self.numberless = Recent(texts_max, characters_max=characters_max)
        self.pathless = Recent(texts_max, characters_max=characters_max)

    def named(self, texts: Iterable[str]) -> dict[str, Named]:
        """Return id and masked text of each text that has its numbers masked."""
        found = {text: self.numberless.get(text) for text in texts}
        new = [text for text, named in found.items() if named is None]
        if not new:
            return {text: named for text, named in found.items() if named is not None}
        pathless = with_paths_masked(pl.Series(new, dtype=pl.String)).to_list()
        of_pathless = self._of_pathless(pathless)
        added = {
            text: of_pathless[less] for text, less in zip(new, pathless, strict=True)
        }
        for text, named in added.items():
            self.numberless.put(text, named)
        return {text: named or added[text] for text, named in found.items()}

    def _of_pathless(self, texts: list[str]) -> dict[str, Named]:
        found = {text: self.pathless.get(text) for text in texts}
        new = [text for text, named in found.items() if named is None]
        if new:
            masked = contents(pl.Series(new, dtype=pl.String)).to_list()
            for text, content in zip(new, masked, strict=True):
                found[text] = named = (template_id(content), content)
                self.pathless.put(text, named)
        return {text: named for text, named in found.items() if named is not None}


class Recent:
    """What was met most recently: a young half, and the half before it.

    When the young one is full it becomes the old one, and what nobody asked for since then
    is gone. So neither asking nor adding moves anything in a list, as in an exact order.
    """

    def __init__(self, texts_max: int, *, characters_max: int) -> None:
        """Hold nothing yet."""
        self._texts_max = texts_max // 2
        self._characters_max = characters_max // 2
        self._young: dict[str, Named] = {}
        self._young_characters = 0
        self._old: dict[str, Named] = {}

    def __len__(self) -> int:
        """Return how many texts are held."""
        return len(self._young) + len(self._old)

    @property
    def characters(self) -> int:
        """Return how long they are together."""
        return sum(map(len, (*self._young, *self._old)))

    def get(self, text: str) -> Named | None:
        """Return what a text was named, None for one that is not held."""
        named = self._young.get(text)
        if named is None:
            named = self._old.get(text)
            if named is not None:
                self.put(text, named)
        return named

    def put(self, text: str, named: Named) -> None:
        """Hold a text as the youngest."""
        if not self._texts_max or len(text) > self._characters_max:
            return
        characters = self._young_characters + len(text)
        if len(self._young) >= self._texts_max or characters > self._characters_max:
            self._old, self._young = self._young, {}
            characters = len(text)
        self._young[text] = named
        self._young_characters = characters


_MEMORY = Memory()


def templates_of(
    lines: pl.Series, *, told: pl.Series | None = None, memory: Memory = _MEMORY
) -> tuple[pl.Series, dict[str, str]]:
    """Return the template's id of each line, and the masked text of each of these ids.

    `told` are messages that stand in the lines, null where they are not known.
    """
    texts = with_numbers_masked(lines, told=told)
    distinct = texts.unique(maintain_order=True)
    found = memory.named(distinct.to_list())
    named = list(dict.fromkeys(found.values()))
    number_of = {one: number for number, one in enumerate(named)}
    # Numbers go through the join: a chunk may have thousands of texts and a few ids.
    numbers = np.fromiter(map(number_of.__getitem__, found.values()), np.uint32)
    of_text = pl.DataFrame({"text": distinct, "number": numbers})
    rows = pl.DataFrame({"text": texts}).join(
        of_text, on="text", how="left", maintain_order="left"
    )
    ids = pl.Series([one for one, _ in named], dtype=pl.String)
    return ids.gather(rows.get_column("number")), dict(named)
