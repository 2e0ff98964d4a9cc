"""What a template's record says: its text, and when and how often it was seen.

Records of `tailrace.templates`, and documents of `<namespace>-templates`. Every figure is
absolute, so the record of a key with the greatest revision is the truth, and one read twice
changes nothing. A template has a record for each partition of the raw topic in which it is
seen, as one worker at a time reads a partition: so no two write one record, and whoever asks
takes the earliest, the latest and the sum. Where a worker had forgotten a template, it goes
on in another *part*, named by the raw record that opened it.
"""

from __future__ import annotations

import msgspec

from tailrace.wire import WIRE_VERSION

DATASETS_MAX = 16
"""Of one record; a template of more names the first that it was seen in."""


class TemplateRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One template in one partition, as its worker saw it."""

    wire_version: int = WIRE_VERSION
    template_id: str
    text: str
    """With `<*>` for values."""
    partition: int
    """Of the raw topic."""
    part: int
    """Offset of the raw record that opened it."""
    raw_topic_id: str
    """A raw topic that was made anew begins again at offset 0."""
    raw_next_offset: int
    """Raw records before it are counted; they may be read again."""
    revision: int
    """How far the partition was read; never falls."""
    count: int
    """Events, each once. Those of the last moments before a crash may be missing: the
    documents that bear the id are exact."""
    first_seen_ms: int
    """The earliest time of an event; never rises."""
    last_seen_ms: int
    datasets: tuple[str, ...]


def template_key(record: TemplateRecord) -> bytes:
    """Return the record's key, and the `_id` of its document."""
    place = f"{record.raw_topic_id}|{record.partition}|{record.part}"
    return f"{record.template_id}|{place}".encode()
