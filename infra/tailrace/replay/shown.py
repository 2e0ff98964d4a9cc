"""How a replay is shown: in lines for people, and as JSON for programs.

Both with hostile text escaped: the lines are whatever somebody wrote into a log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import orjson

from tailrace.replay.compare import Fate
from tailrace.replay.run import Done
from tailrace.replay.tally import DatasetTally, Sample, Tally
from tailrace.shown import harmless_json
from tailrace.text import printable

VALUE_CHARACTERS_MAX: Final = 300
FIELDS_SHOWN_MAX: Final = 20
REFUSED_SHOWN_MAX: Final = 20
SAID: Final = {
    Fate.SAME: "the same",
    Fate.CHANGED: "changed",
    Fate.NEWLY_DEAD: "newly dead",
    Fate.NO_LONGER_DEAD: "no longer dead",
    Fate.STILL_DEAD: "still dead",
    Fate.MENDED: "mended by a retry, left alone",
    Fate.LOST: "lost, their revised document is gone",
    Fate.NOT_STORED: "not stored, on their way or missing",
    Fate.DROPPED: "left out by a rule, or dropped beyond a rate",
    Fate.EXPIRED: "expired",
}
ALWAYS_SAID: Final = frozenset(
    {Fate.SAME, Fate.CHANGED, Fate.NEWLY_DEAD, Fate.NO_LONGER_DEAD}
)


def tally_lines(tally: Tally) -> Iterator[str]:
    """Yield what changes of each dataset, with the events that are shown whole."""
    for dataset, counted in sorted(tally.datasets.items()):
        fates = ", ".join(
            f"{counted.fates[fate]:,} {words}"
            for fate, words in SAID.items()
            if counted.fates[fate] or fate in ALWAYS_SAID
        )
        yield printable(f"{dataset}: {fates}")
        if counted.fields:
            yield printable(f"  fields that change: {_fields(counted)}")
        for sample in counted.samples:
            yield from _sample_lines(sample)
    if not tally.datasets:
        yield "no event in this span"
    if tally.again_count:
        yield f"{tally.again_count:,} events stand in the span again, and count once"
    if tally.unreadable_count:
        yield f"{tally.unreadable_count:,} records cannot be read, then as now"


def done_lines(done: Done) -> Iterator[str]:
    """Yield what was published."""
    if done.revision:
        yield (
            f"{done.published_count:,} revised documents are published as"
            f" -r{done.revision}; each hides the former one"
        )
    else:
        yield "nothing to publish"
    for document_id, why in list(done.refused.items())[:REFUSED_SHOWN_MAX]:
        yield printable(f"  {document_id} stays as it was, refused: {why}")
    if len(done.refused) > REFUSED_SHOWN_MAX:
        yield f"  and {len(done.refused) - REFUSED_SHOWN_MAX:,} more are refused"
    if done.letters_of_many_count:
        yield (
            f"{done.letters_of_many_count:,} events stay dead: their letters speak of"
            " many events each"
        )


def replay_json(tally: Tally, done: Done | None) -> str:
    """Return all of it as one JSON object; `done` where something was to be published."""
    told: dict[str, object] = {
        "datasets": {
            name: _dataset_json(each) for name, each in sorted(tally.datasets.items())
        },
        "totals": {fate.value: tally.total(fate) for fate in Fate},
        "records": tally.record_count,
        "records_unreadable": tally.unreadable_count,
        "events_again": tally.again_count,
    }
    if done is not None:
        delivered = done.delivered
        told["published"] = {
            "revision": done.revision or None,
            "documents": done.published_count,
            "refused": done.refused,
            "no_longer_dead": {
                "stored": delivered.stored,
                "refused": delivered.refused,
                "waiting": delivered.waiting,
                "letters_of_many_events": done.letters_of_many_count,
            },
        }
    return harmless_json(orjson.dumps(told).decode())


def _fields(counted: DatasetTally) -> str:
    shown = [
        f"{name} in {count:,}"
        for name, count in counted.fields.most_common(FIELDS_SHOWN_MAX)
    ]
    left = len(counted.fields) - len(shown)
    return ", ".join([*shown, *([f"{left} more"] if left else [])])


def _sample_lines(sample: Sample) -> Iterator[str]:
    place = f"offset {sample.offset}, " if sample.offset >= 0 else ""
    yield printable(
        f"  {SAID[sample.fate]}: {sample.host_name}:{sample.path},"
        f" {place}event {sample.number}"
    )
    if sample.former:
        yield printable(f"    was   {sample.former}")
    if sample.line:
        yield printable(f"    line  {_cut(sample.line)}")
    if sample.detail:
        yield printable(f"    why   {_cut(sample.detail)}")
    for change in sample.changes:
        if change.before is not None:
            yield printable(f"    -     {change.field}: {_cut(change.before)}")
        if change.after is not None:
            yield printable(f"    +     {change.field}: {_cut(change.after)}")


def _dataset_json(counted: DatasetTally) -> dict[str, object]:
    return {
        **{fate.value: counted.fates[fate] for fate in Fate},
        "fields": dict(counted.fields.most_common()),
        "samples": [
            {
                "fate": each.fate.value,
                "host": each.host_name,
                "path": each.path,
                "offset": each.offset if each.offset >= 0 else None,
                "event_number": each.number,
                "line": each.line,
                "former": each.former or None,
                "detail": each.detail or None,
                "changes": [
                    {
                        "field": change.field,
                        "before": change.before,
                        "after": change.after,
                    }
                    for change in each.changes
                ],
            }
            for each in counted.samples
        ],
    }


def _cut(text: str) -> str:
    shown = text[:VALUE_CHARACTERS_MAX]
    return shown if shown == text else f"{shown}..."
