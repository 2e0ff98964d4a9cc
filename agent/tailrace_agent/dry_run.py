"""Which files each source means, and what kind each is: looked at, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import partial
from secrets import token_bytes

from tailrace.clock import Clock
from tailrace.log import FilteringBoundLogger
from tailrace.redaction.rules import Redactors, redactors_of
from tailrace.redaction.tokens import KEY_BYTES
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.door import NotARegularFile
from tailrace_agent.inflating import suffix_of
from tailrace_agent.opening import Opener
from tailrace_agent.preview import preview
from tailrace_agent.unfinished import require_text


@dataclass(frozen=True, slots=True)
class MatchedFile:
    """One file that would be read."""

    path: str
    """As the file system has it: `path_text` is how it is shown."""
    source: str
    size_bytes: int
    dataset: str
    index: str
    """What stands in the dataset's place in the index name; empty where that does."""
    multiline: str
    """Which rule joins its lines; empty where each is an event."""
    trouble: str
    """Why it could not be read; empty where it can be."""
    same_as: str = ""
    """Another name of the same file, by which it is read; empty where this is the one."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a start with these settings would find."""

    files: tuple[MatchedFile, ...]
    unmatched_globs: tuple[str, ...]
    redactors: Redactors
    """What is taken out of each source's events, with tokens of no lasting key."""

    def of(self, source: SourceSettings) -> Iterable[MatchedFile]:
        """Return the files of one source."""
        return (file for file in self.files if file.source == source.name)


def dry_run(
    settings: AgentSettings, *, clock: Clock, log: FilteringBoundLogger
) -> DryRun:
    """Expand every glob once, and look at the head of each file.

    No state is read or written, and no server is asked.
    """
    discovery = Discovery(settings.sources, clock=clock, log=log)
    opener = Opener(settings)
    files: list[MatchedFile] = []
    names: dict[tuple[int, int], str] = {}
    for found in discovery.sweep():
        matched = _matched(
            found.path,
            found.source,
            opener,
            size_bytes=found.status.st_size,
            now_ms=clock.now_ms(),
        )
        if not matched.trouble:
            # A hard link, or a symbolic link to a file that matches too: read once.
            key = (found.status.st_dev, found.status.st_ino)
            other = names.setdefault(key, found.path)
            matched = replace(matched, same_as="" if other == found.path else other)
        files.append(matched)
    # The kept key is state; tokens by another one show as well what is taken out.
    rules = {source.name: source.redact for source in settings.sources}
    redactors = redactors_of(rules, key=partial(token_bytes, KEY_BYTES))
    return DryRun(tuple(files), discovery.unmatched_globs, redactors)


def _matched(
    path: str, source: SourceSettings, opener: Opener, *, size_bytes: int, now_ms: int
) -> MatchedFile:
    dataset, index, multiline, trouble = source.dataset, "", "", ""
    try:
        file = opener.open_plain(path, source=source)
    except NotARegularFile:
        trouble = "not a regular file: left out"
    except OSError as error:
        trouble = error.strerror or os.strerror(error.errno or errno.EIO)
    else:
        try:
            if suffix_of(path) is None:
                require_text(file)
            placement = preview(
                file, path=path, source=source, host_time_zone="UTC", now_ms=now_ms
            ).placement
            dataset, index = placement.dataset, placement.index
            multiline = placement.multiline.rule if placement.multiline else ""
        except OSError as error:
            trouble = error.strerror or str(error)
        finally:
            file.close()
    return MatchedFile(
        path=path,
        source=source.name,
        size_bytes=size_bytes,
        dataset=dataset,
        index=index,
        multiline=multiline,
        trouble=trouble,
    )
