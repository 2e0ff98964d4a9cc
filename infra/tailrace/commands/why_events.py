"""Which event a line of a file belongs to, as its agent made it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tailrace.audit.facts import GenerationFacts
from tailrace.commands.why_roles import event_around
from tailrace.why.hops import LinePlace
from tailrace.why.lookup import Lookup
from tailrace.why.place import FileLine

if TYPE_CHECKING:
    from tailrace.commands.why_untold import Exclusion
    from tailrace_agent.archives import AnyFile
    from tailrace_agent.forms import Encoding


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """What is known of the files in which a line may stand."""

    told: Mapping[str, GenerationFacts]
    is_of_one_host: bool = False
    """Whether what is not in `told` is of a host that was not asked about."""
    lookup: Lookup
    encodings: Mapping[str, Encoding]
    """By source, how its files are written; `auto` where it is not known here."""
    glob_of: Callable[[str], str] = lambda _path: ""
    """Which glob of this machine's agent takes a path; "" where none does."""
    exclusion_of: Callable[[str], Exclusion | None] = lambda _path: None
    """How this machine's agent would take a path if it did not exclude it."""

    def encoding(self, facts: GenerationFacts) -> Encoding:
        """Return what the source of a generation says of its files."""
        source = facts.agent.source if facts.agent else ""
        return self.encodings.get(source, "auto")


def event_place(
    found: FileLine, *, file: AnyFile, facts: GenerationFacts, places: Places
) -> LinePlace | None:
    """Return where the event stands that a line of a file belongs to, if there is one.

    Raises:
        OSError: the file cannot be read.
    """
    agent, encoding = facts.agent, places.encoding(facts)
    assert agent is not None, "a file is known by its agent's word"
    around = event_around(found, file=file, agent=agent, encoding=encoding)
    if around is None:
        return None
    event, lookup = around.event, places.lookup
    if around.line_starts:
        begins = lookup.stored_offsets(facts.generation, offsets=around.line_starts[1:])
        event = around.part(found.offset, starts=begins)
    elif event.original_size_bytes:
        starts = lookup.event_offsets(
            facts.generation,
            first=event.offset + 1,
            last=event.offset + event.original_size_bytes,
        )
        if starts:
            around = event_around(
                found, file=file, agent=agent, encoding=encoding, starts=starts
            )
        if around is None:
            return None
        event = around.event
    return LinePlace(
        generation=facts.generation,
        offset=event.offset,
        line=event.stored,
        event=event,
    )
