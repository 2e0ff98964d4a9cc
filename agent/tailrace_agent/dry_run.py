"""Which files each source means, and what kind each is: looked at, and nothing else."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from secrets import token_bytes

from tailrace.clock import Clock
from tailrace.detect import AUTO, detect
from tailrace.log import FilteringBoundLogger
from tailrace.text import path_text
from tailrace_agent.chunking import Chunker, Limits
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.discovery import Discovery
from tailrace_agent.forms import Form, form_of, with_redactor
from tailrace_agent.open_file import NotARegularFile, OpenFile, open_file
from tailrace_agent.positions import START, Chunk
from tailrace_agent.redaction.redactor import Redactor
from tailrace_agent.redaction.rules import redactors_of
from tailrace_agent.redaction.tokens import KEY_BYTES

SAMPLE_BYTES = 64 * 1_024


@dataclass(frozen=True, slots=True)
class MatchedFile:
    """One file that would be read."""

    path: str
    source: str
    size_bytes: int
    dataset: str
    trouble: str
    """Why it could not be read; empty where it can be."""
    head: Chunk | None = None
    """Its first events as they would be sent, where something is taken out of them."""


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a start with these settings would find."""

    files: tuple[MatchedFile, ...]
    unmatched_globs: tuple[str, ...]

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
    # The kept key is state; tokens by another one show as well what is taken out.
    rules = {source.name: source.redact for source in settings.sources}
    redactors = redactors_of(rules, key=partial(token_bytes, KEY_BYTES))
    files = tuple(
        _matched(
            found.path,
            found.source,
            size_bytes=found.status.st_size,
            redactor=redactors.of(found.source.name),
        )
        for found in discovery.sweep()
    )
    return DryRun(files, discovery.unmatched_globs)


def _matched(
    path: str, source: SourceSettings, *, size_bytes: int, redactor: Redactor | None
) -> MatchedFile:
    dataset, trouble, first = source.dataset, "", None
    try:
        file = open_file(path)
    except NotARegularFile:
        trouble = "not a regular file: left out"
    except OSError as error:
        trouble = error.strerror or os.strerror(error.errno or errno.EIO)
    else:
        try:
            head = bytearray(SAMPLE_BYTES)
            size = file.read_into((memoryview(head),), offset=0)
            if dataset == AUTO:
                dataset = detect(bytes(head[:size]), path=path).dataset
            if redactor is not None:
                form = form_of(
                    bytes(head[:size]), encoding=source.encoding, is_archive=False
                )
                first = _head(file, form=with_redactor(form, redactor))
        except OSError as error:
            trouble = error.strerror or str(error)
        finally:
            file.close()
    return MatchedFile(
        path=path_text(path),
        source=source.name,
        size_bytes=size_bytes,
        dataset=dataset,
        trouble=trouble,
        head=first,
    )


def _head(file: OpenFile, *, form: Form) -> Chunk | None:
    chunker = Chunker(Limits(SAMPLE_BYTES, SAMPLE_BYTES))
    read = chunker.next_chunk(file, position=START, form=form, is_flushing=True)
    return read if isinstance(read, Chunk) else None
