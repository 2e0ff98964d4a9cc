"""What an audit says of dead letters beside its counts."""

from __future__ import annotations

from collections.abc import Iterator

from tailrace.audit.verdict import AuditReport


def letter_remarks(report: AuditReport) -> Iterator[str]:
    """Yield what is said of letters that are not indexed yet, or name no event."""
    if report.dead_lag_records:
        yield (
            f"NOTE   {report.dead_lag_records:,} dead letters are not indexed yet; the"
            " events that they name count as in flight"
        )
    if report.lagging_unplaced_count:
        yield (
            f"NOTE   {report.lagging_unplaced_count:,} of them name no event or cannot be"
            " read, and so account for none"
        )
    if report.lagging_unread_count:
        yield (
            f"NOTE   {report.lagging_unread_count:,} of them were not read, as they are"
            " too many or gone from Kafka, and so account for no event; audit again once"
            " the indexers have caught up"
        )
    if count := report.unnamed_letter_count:
        are = " names no event and is" if count == 1 else "s name no event and are"
        yield (
            f"NOTE   {count:,} dead letter{are} held to no count: one that is deleted from the"
            " index is not missed here"
        )
