"""How dead letters are shown: in lines for people, and as JSON for programs.

Both with hostile text escaped: a letter holds what nobody could read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import orjson

from tailrace.dead.fixes import Fix
from tailrace.dead.groups import Group, Groups
from tailrace.dead.preview import Preview
from tailrace.dead.retry import Retried
from tailrace.shown import harmless_json
from tailrace.text import printable

VALUE_CHARACTERS_MAX = 300
DETAIL_CHARACTERS_MAX = 300
REFUSED_SHOWN_MAX = 20


def group_lines(groups: Groups) -> Iterator[str]:
    """Yield each group in a few lines, the largest first."""
    for group in groups.all():
        key, cause = group.key, group.key.cause
        fault = f", {cause.field} wants {cause.wanted or '?'}" if cause.field else ""
        dataset = f" in {key.dataset}" if key.dataset else ""
        last = _moment(group.last_died_at_ms)
        count = f"{group.letter_count:,}"
        yield printable(
            f"{key.name}  {count} at the {key.stage}{dataset}: {cause.reason}{fault};"
            f" the last at {last}"
        )
        yield printable(f"          {key.template or '(no line)'}")
        if group.fix is not None:
            fitting = sum(group.fixes.values())
            yield printable(f"          proposed: {group.fix} for {fitting} of {count}")
        elif group.unfit_count == group.letter_count:
            yield "          none holds a document that could be sent again"
        yield printable(f"          next: {_next(group)}")
    if groups.left_out_count:
        yield f"{groups.left_out_count:,} letters of further groups"


def groups_json(groups: Groups, *, unread_count: int) -> str:
    """Return the groups as one JSON object."""
    found = groups.all()
    return _json(
        {
            "groups": [_group_json(group) for group in found],
            "letters": sum(group.letter_count for group in found),
            "letters_of_further_groups": groups.left_out_count,
            "letters_not_read": unread_count,
        }
    )


def preview_lines(preview: Preview, *, fix: Fix | None) -> Iterator[str]:
    """Yield one letter: where and why it died, its line, and what a fix changes."""
    letter = preview.letter
    number = f", event {letter.event_number}" if letter.event_number >= 0 else ""
    place = (
        f"{letter.host_name}:{letter.path}, offset {letter.first_offset}{number}"
        if letter.path
        else f"{letter.topic}, partition {letter.partition}, offset {letter.offset}"
    )
    yield printable(f"{letter.dead_id}  {_moment(letter.died_at_ms)}  {place}")
    yield printable(f"  why   {letter.reason}: {letter.detail[:DETAIL_CHARACTERS_MAX]}")
    yield printable(f"  line  {preview.line[:VALUE_CHARACTERS_MAX]}")
    if fix is not None:
        yield printable(f"  fix   {fix}")
    for change in preview.changes:
        if change.before is not None:
            yield printable(f"  -     {change.field}: {_cut(change.before)}")
        if change.after is not None:
            yield printable(f"  +     {change.field}: {_cut(change.after)}")
    if preview.why_not:
        yield printable(f"  not sent again: {preview.why_not}")


def previews_json(previews: Sequence[tuple[Fix | None, Preview]]) -> str:
    """Return letters as one JSON object."""
    return _json({"letters": [_preview_json(one, fix=fix) for fix, one in previews]})


def retried_lines(done: Retried) -> Iterator[str]:
    """Yield what became of the letters that were retried."""
    already_count = max(len(done.stored) - done.sent_count, 0)
    already = f", {already_count:,} of them before" if already_count else ""
    yield f"{len(done.stored):,} stored{already}"
    if done.refused:
        yield f"{len(done.refused):,} refused again; they stay dead letters"
    for dead_id, detail in list(done.refused.items())[:REFUSED_SHOWN_MAX]:
        yield printable(f"  {dead_id}  {detail[:DETAIL_CHARACTERS_MAX]}")
    if done.waiting:
        yield (
            f"{len(done.waiting):,} wait in Kafka: the indexers store them once they can;"
            " run the same command again then, and nothing is stored twice"
        )
    if done.unfit:
        yield f"{len(done.unfit):,} cannot be sent again"
    for unfit in done.unfit[:REFUSED_SHOWN_MAX]:
        yield printable(f"  {unfit.dead_id}  {unfit.why}")


def retried_json(done: Retried) -> str:
    """Return what became of the letters as one JSON object."""
    return _json(
        {
            "stored": done.stored,
            "sent": done.sent_count,
            "refused": [
                {"id": dead_id, "detail": detail}
                for dead_id, detail in done.refused.items()
            ],
            "waiting": done.waiting,
            "not_sent": [{"id": each.dead_id, "why": each.why} for each in done.unfit],
        }
    )


def _next(group: Group) -> str:
    """Return the commands that lead on from a group, to be copied as they stand."""
    name = group.key.name
    shown = f"tailrace dead show {name}"
    if group.unfit_count == group.letter_count:
        return shown
    if group.fix is not None:
        return f"{shown}, then tailrace dead retry {name} --fix proposed"
    return f"{shown}; once the cause is gone: tailrace dead retry {name}"


def _group_json(group: Group) -> dict[str, object]:
    key, cause = group.key, group.key.cause
    return {
        "group": key.name,
        "stage": key.stage,
        "reason": cause.reason,
        "field": cause.field,
        "wanted": cause.wanted,
        "dataset": key.dataset,
        "template": key.template,
        "letters": group.letter_count,
        "events": group.event_count,
        "without_document": group.unfit_count,
        "first_died_at_ms": group.first_died_at_ms,
        "last_died_at_ms": group.last_died_at_ms,
        "detail": group.detail,
        "proposed_fix": None if group.fix is None else str(group.fix),
    }


def _preview_json(preview: Preview, *, fix: Fix | None) -> dict[str, object]:
    letter = preview.letter
    return {
        "id": letter.dead_id,
        "stage": letter.stage,
        "reason": letter.reason,
        "detail": letter.detail,
        "died_at_ms": letter.died_at_ms,
        "host": letter.host_name,
        "path": letter.path,
        "offset": letter.first_offset,
        "event_number": letter.event_number if letter.event_number >= 0 else None,
        "line": preview.line,
        "index": preview.index,
        "document_id": preview.document_id,
        "original_base64": letter.original_base64,
        "fix": None if fix is None else str(fix),
        "changes": [
            {"field": each.field, "before": each.before, "after": each.after}
            for each in preview.changes
        ],
        "not_sent": preview.why_not or None,
    }


def _json(value: object) -> str:
    return harmless_json(orjson.dumps(value).decode())


def _cut(text: str) -> str:
    shown = text[:VALUE_CHARACTERS_MAX]
    return shown if shown == text else f"{shown}..."


def _moment(at_ms: int) -> str:
    moment = datetime.fromtimestamp(min(max(at_ms, 0) / 1_000, 4e9), tz=UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}"
