"""Which of the agent's files wait to be sent, for how long, and whether they still move.

A backlog that moves is no ill health, however old: it is told. One of which nothing goes,
though Kafka is reached and no rate was set, is what somebody has to look at.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import msgspec

UNSENT_MS_MAX: Final = 60_000
"""What is sent waits for a moment, and a minute where Kafka's leaders change."""
_AS_USUAL: Final = frozenset({"followed", "leaving"})


class UnsentFile(msgspec.Struct, frozen=True):
    """One file, as far as its agent's status is asked for it here."""

    path: str = ""
    source: str = ""
    lag_bytes: int = 0
    unsent_since_ms: int | None = None
    still_since_ms: int | None = None
    state: str = "followed"


def unsent_texts(
    files: Sequence[UnsentFile],
    *,
    held_back: Collection[str],
    line_wait_ms: int,
    is_sending: bool,
    now_ms: int,
) -> tuple[str, str]:
    """Return what is wrong, and what is only to be known; each empty where nothing is.

    `held_back` are the sources that wait for a rate, `line_wait_ms` is how long a line may
    wait for its end. Where nothing can be sent at all, another sentence says so.
    """
    old = [one for one in files if _age_ms(one, now_ms=now_ms) > UNSENT_MS_MAX]
    stuck = [
        one
        for one in old
        if is_sending
        and one.state in _AS_USUAL
        and one.source not in held_back
        and _still_ms(one, now_ms=now_ms) > UNSENT_MS_MAX + line_wait_ms
    ]
    moving = [one for one in old if one not in stuck]
    return _stuck_text(stuck, now_ms=now_ms), _moving_text(moving, now_ms=now_ms)


def _stuck_text(stuck: Sequence[UnsentFile], *, now_ms: int) -> str:
    if not stuck:
        return ""
    first = max(stuck, key=lambda one: _still_ms(one, now_ms=now_ms))
    still_s = _still_ms(first, now_ms=now_ms) // 1_000
    return (
        f"the agent has sent nothing of {first.path} for {still_s} s, and"
        f" {first.lag_bytes:,} bytes of it wait{_more(stuck)}; see the agent's log"
    )


def _moving_text(moving: Sequence[UnsentFile], *, now_ms: int) -> str:
    if not moving:
        return ""
    first = max(moving, key=lambda one: _age_ms(one, now_ms=now_ms))
    age_s = _age_ms(first, now_ms=now_ms) // 1_000
    return (
        f"{first.lag_bytes:,} bytes of {first.path} wait to be sent, the oldest for"
        f" {age_s} s{_more(moving)}"
    )


def _more(files: Sequence[UnsentFile]) -> str:
    if len(files) == 1:
        return ""
    size_bytes = sum(one.lag_bytes for one in files)
    noun = "file" if len(files) == 2 else "files"
    return f", and more of {len(files) - 1} other {noun}, {size_bytes:,} bytes in all"


def _age_ms(one: UnsentFile, *, now_ms: int) -> int:
    return 0 if one.unsent_since_ms is None else now_ms - one.unsent_since_ms


def _still_ms(one: UnsentFile, *, now_ms: int) -> int:
    return 0 if one.still_since_ms is None else now_ms - one.still_since_ms
