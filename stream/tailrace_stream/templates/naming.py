"""Which id a line's template has: the hash of its masked text, whoever reads it.

So every worker gives a line the same id, with no word between them, and gives it again
after a crash: a document that is sent twice is the same to the byte. Texts that turn out
to be one template later (`grouping.py`) keep their ids, and one of them stands for all when
somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import polars as pl

from tailrace_stream.templates.masking import contents, with_numbers_masked

VERSION = "1"
"""Of the masks, hashed along: other masks make other ids, never the same for another text."""
ID_BYTES = 8
REMEMBERED_MAX = 5_000
"""Texts without their numbers whose masked text is remembered: what the other masks cost
is then paid once a text, and not once a chunk. Forgotten all at once when they are more. Of
lines as long as they may be, all of non-Latin text, they take 40 MB; of ordinary ones 2."""


def template_id(text: str) -> str:
    """Return the id of a masked text: 16 hexadecimal digits."""
    named = f"{VERSION}\0{text}".encode()
    return blake2b(named, digest_size=ID_BYTES).hexdigest()


class Memory:
    """What the masks made of texts that were seen before.

    Holds nothing that could not be found again, so it may be lost, or shared by threads.
    """

    def __init__(self, *, texts_max: int = REMEMBERED_MAX) -> None:
        """Remember nothing yet, and never more than `texts_max` texts."""
        self._texts_max = texts_max
        self._named: dict[str, tuple[str, str]] = {}

    def __len__(self) -> int:
        """Return how many texts are remembered."""
        return len(self._named)

    def named(self, texts: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return id and masked text of each text that has its numbers masked."""
        known = self._named
        found = {text: known.get(text) for text in texts}
        new = [text for text, named in found.items() if named is None]
        masked = zip(new, contents(pl.Series(new, dtype=pl.String)), strict=True)
        added = {text: (template_id(content), content) for text, content in masked}
        if added:
            if len(known) + len(added) > self._texts_max:
                self._named = known = {}
            known.update(dict(list(added.items())[: self._texts_max]))
        return {text: named or added[text] for text, named in found.items()}


_MEMORY = Memory()


def templates_of(
    lines: pl.Series, *, memory: Memory = _MEMORY
) -> tuple[pl.Series, dict[str, str]]:
    """Return the template's id of each line, and the masked text of each of these ids."""
    texts = with_numbers_masked(lines)
    named = memory.named(texts.unique(maintain_order=True).to_list())
    ids = pl.DataFrame(
        {"text": list(named), "id": [one for one, _ in named.values()]},
        schema={"text": pl.String, "id": pl.String},
    )
    joined = pl.DataFrame({"text": texts}).join(
        ids, on="text", how="left", maintain_order="left"
    )
    return joined.get_column("id"), dict(named.values())
