"""Whether what is told of templates agrees with the documents that bear their ids."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from tests.simulation.indexed import Indexed, IndexedTemplate


def template_problems(
    events: Iterable[Indexed],
    told: Mapping[str, IndexedTemplate],
    *,
    has_expired: bool,
) -> list[str]:
    """Return what is wrong: a template untold or told as too young, or counted twice.

    Of events that expired nobody knows the templates any more, so they may be counted
    where no document is.
    """
    counts: Counter[str] = Counter()
    first_ms: dict[str, int] = defaultdict(lambda: 1 << 62)
    for event in events:
        if event.template:
            counts[event.template] += 1
            first_ms[event.template] = min(first_ms[event.template], event.at_ms)
    problems: list[str] = []
    for name, count in counts.items():
        known = told.get(name)
        if known is None:
            problems.append(f"template {name} of {count} documents was never told")
        elif known.first_ms > first_ms[name]:
            problems.append(
                f"template {name} was first seen at {first_ms[name]},"
                f" and not at {known.first_ms}"
            )
        elif known.count > count and not has_expired:
            problems.append(
                f"template {name} of {count} documents was counted {known.count} times"
            )
    problems += [
        f"template {name} has the texts {sorted(one.texts)}"
        for name, one in told.items()
        if len(one.texts) > 1
    ]
    return problems
