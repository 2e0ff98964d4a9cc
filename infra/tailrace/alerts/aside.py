"""Which rules are put aside for now, because they cannot be judged; the others go on."""

from __future__ import annotations

from dataclasses import dataclass

from tailrace.supervise import Backoff

RETRY_MS_MIN = 30_000
RETRY_MS_MAX = 3_600_000
BACKOFF = Backoff(wait_ms_min=RETRY_MS_MIN, wait_ms_max=RETRY_MS_MAX)
TOLD_FAILURES = 3
"""A rule that failed so often in a row is told of: once may be chance."""
REASON_CHARACTERS_MAX = 300


@dataclass(frozen=True, slots=True)
class _Failure:
    count: int
    retry_at_ms: int
    reason: str


class Aside:
    """The rules that failed last, each tried again after a wait that doubles."""

    def __init__(self) -> None:
        self._failures: dict[str, _Failure] = {}

    def is_waiting(self, rule: str, *, now_ms: int) -> bool:
        """Tell whether a rule is not to be tried now."""
        failure = self._failures.get(rule)
        return failure is not None and now_ms < failure.retry_at_ms

    def failed(self, rule: str, reason: str, *, now_ms: int) -> bool:
        """Note a failure; True where it is the one from which on it is told of."""
        before = self._failures.get(rule)
        count = 1 if before is None else before.count + 1
        wait_ms = BACKOFF.wait_ms(count)
        reason = reason[:REASON_CHARACTERS_MAX]
        self._failures[rule] = _Failure(count, now_ms + wait_ms, reason)
        return count == TOLD_FAILURES

    def succeeded(self, rule: str) -> bool:
        """Note that a rule was judged; True where it was told of that it could not be."""
        before = self._failures.pop(rule, None)
        return before is not None and before.count >= TOLD_FAILURES

    def reasons(self) -> dict[str, str]:
        """Return why each rule that is told of cannot be judged."""
        return {
            rule: failure.reason
            for rule, failure in self._failures.items()
            if failure.count >= TOLD_FAILURES
        }
