"""Which source of the configuration goes on with what an earlier life of the agent knew."""

from __future__ import annotations

from collections.abc import Sequence

from tailrace.wire import AgentLedger
from tailrace_agent.config import SourceSettings
from tailrace_agent.globs import taken_by


def source_of(
    record: AgentLedger, sources: Sequence[SourceSettings]
) -> SourceSettings | None:
    """Return the source that a record is of; None where the user has taken it out.

    A source that got another name in the meantime is known by what it means: the first
    one whose globs take a name that the file had.
    """
    for source in sources:
        if source.name == record.source:
            return source
    names = [name for name in (record.path, record.first_path) if name]
    return next((s for s in sources if any(_means(s, name) for name in names)), None)


def _means(source: SourceSettings, path: str) -> bool:
    return bool(taken_by(path, globs=source.paths, exclude=source.exclude))
