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
    """What a person may want to see to, and is no ill health."""

    @property
    def is_well(self) -> bool:
        """Whether nothing hinders it."""
        return not self.problems

    @property
    def status(self) -> http.HTTPStatus:
        """Return what a probe is answered: 200, or 503 with the reasons."""
        if self.is_well:
            return http.HTTPStatus.OK
        return http.HTTPStatus.SERVICE_UNAVAILABLE

    def to_json(self) -> bytes:
        """Return the answer's body."""
        status = "ok" if self.is_well else "failing"
        return orjson.dumps(
            {"status": status, "problems": self.problems, "notes": self.notes}
        )
