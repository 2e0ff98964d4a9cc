"""Whether a role is well: a value, which `/health` tells and a supervisor may ask for."""

from __future__ import annotations

import http
from dataclasses import dataclass

import orjson


@dataclass(frozen=True, slots=True)
class Health:
    """What hinders a role now, in words; nothing where it is well."""

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person may want to see to, and no start anew of the role would cure."""

    @property
    def is_well(self) -> bool:
        """Whether nothing hinders it."""
        return not self.problems

    @property
    def status(self) -> http.HTTPStatus:
        """Return what a probe is answered: 200, or 503 with the reasons.

        A supervisor may end what answers 503, so notes are none.
        """
        if self.is_well:
            return http.HTTPStatus.OK
        return http.HTTPStatus.SERVICE_UNAVAILABLE

    def to_json(self) -> bytes:
        """Return the answer's body."""
        status = "failing" if self.problems else "degraded" if self.notes else "ok"
        return orjson.dumps(
            {"status": status, "problems": self.problems, "notes": self.notes}
        )
