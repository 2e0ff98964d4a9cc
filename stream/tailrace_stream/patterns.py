"""The templates of one file: each event's, and how many events each has; no server is asked.

What the stream does chunk by chunk and its miner over all of them, for one file at once.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tailrace.template_grouping import group
from tailrace.template_text import MASK, shown
from tailrace.wire import Origin
from tailrace_stream.events import read_events
from tailrace_stream.templates.naming import template_id, templates_of

MASKED_TEXTS_MAX = 200_000
"""Of a file. In one that has more, later texts count as one template that says nothing."""
_PAIR_BYTES = 16
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, order=True)
class Template:
    """Lines that say the same."""

    count: int
    text: str
    """With `<*>` for values."""
    id: str


class Patterns:
    """The events of a file by their templates; memory grows with the templates alone.

    Templates are known once all events are: which words vary is seen in all of them.
    """

    def __init__(self, *, keeps_events: bool = False) -> None:
        """Begin with no event; where they are to be listed, a temporary file holds them."""
        self._events = tempfile.TemporaryFile() if keeps_events else None  # noqa: SIM115
        self._numbers: dict[str, int] = {}
        self._texts: list[str] = []
        self._counts: Counter[int] = Counter()
        self._grouped: list[str] | None = None
        """Of each text that of its template, once somebody asked."""

    def close(self) -> None:
        """Give the temporary file back."""
        if self._events is not None:
            self._events.close()

    def add(self, value: bytes, *, origin: Origin) -> None:
        """Add the events of a chunk.

        Raises:
            WireError: the table of a mapped chunk does not fit its bytes.
            OSError: there is no room for the list of events.
        """
        events = read_events(value, origin=origin)
        ids, texts = templates_of(events.text)
        self._grouped = None
        number_of = {one: self._number(text) for one, text in texts.items()}
        numbers = [number_of[one] for one in ids.to_list()]
        self._counts.update(numbers)
        if self._events is not None:
            pairs = array("q")
            for offset, number in zip(events.offsets.tolist(), numbers, strict=True):
                pairs.extend((offset, number))
            self._events.write(pairs.tobytes())

    def templates(self) -> list[Template]:
        """Return all templates, those of most events first."""
        counts: Counter[str] = Counter()
        of_number = self._template_texts()
        for number, count in self._counts.items():
            counts[of_number[number]] += count
        found = [
            Template(count, shown(text), template_id(text))
            for text, count in counts.items()
        ]
        return sorted(found, key=lambda one: (-one.count, one.text, one.id))

    def events(self) -> Iterator[tuple[int, str]]:
        """Yield offset and template's id of each event, in file order."""
        assert self._events is not None, "no event was kept"
        ids = [template_id(text) for text in self._template_texts()]
        self._events.seek(0)
        while block := self._events.read(_READ_BYTES * _PAIR_BYTES):
            pairs = array("q", block)
            for offset, number in zip(pairs[::2], pairs[1::2], strict=True):
                yield offset, ids[number]

    def _template_texts(self) -> list[str]:
        if self._grouped is None:
            of_text = group(self._texts)
            self._grouped = [of_text[text] for text in self._texts]
        return self._grouped

    def _number(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            if len(self._texts) >= MASKED_TEXTS_MAX:
                text = MASK
                if text in self._numbers:
                    return self._numbers[text]
            number = self._numbers[text] = len(self._texts)
            self._texts.append(text)
        return number


def patterns_of(
    chunks: Iterable[tuple[bytes, Origin]], *, keeps_events: bool = False
) -> Patterns:
    """Return the patterns of a file's chunks; whoever asked closes them."""
    patterns = Patterns(keeps_events=keeps_events)
    for value, origin in chunks:
        patterns.add(value, origin=origin)
    return patterns
