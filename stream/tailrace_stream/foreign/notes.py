"""What stands beside a committed offset of another collector's topic: of which topic it is,
and under which day records without a time were put.

Kafka stores it with the offset, as one: whoever takes the partition over reads both.
"""

from __future__ import annotations

import msgspec

from tailrace.identity import DAY_MS


class Note(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The metadata of a commit, as JSON."""

    topic_id: str
    """An offset of a topic that was made anew under its name would mean another record."""
    until_offset: int = 0
    """Records before it are under `today_ms`, however much later they are sent again."""
    today_ms: int = 0

    def today_for(self, offset: int, *, now_ms: int) -> int:
        """Return the day under which a record is put whose time cannot be believed."""
        if offset < self.until_offset:
            return self.today_ms
        return now_ms // DAY_MS * DAY_MS

    def encode(self) -> str:
        """Return it as Kafka stores it."""
        return msgspec.json.encode(self).decode()


def read_note(metadata: str, *, topic_id: str) -> Note | None:
    """Return the note of a commit; None where its offset is not of this topic.

    What nobody can read was committed by another program: its offset is as good as any.
    """
    try:
        note = msgspec.json.decode(metadata, type=Note)
    except (msgspec.MsgspecError, UnicodeError):
        return Note(topic_id=topic_id)
    return note if note.topic_id == topic_id else None
