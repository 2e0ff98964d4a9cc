"""What is not as it should be while the worker goes on: told when it begins and when it ends."""

from __future__ import annotations

from collections.abc import Callable

from tailrace.log import FilteringBoundLogger


class Alarms:
    """What was told last."""

    def __init__(
        self, ask: Callable[[], tuple[str, ...]], *, log: FilteringBoundLogger
    ) -> None:
        self.told: tuple[str, ...] = ()
        self._ask = ask
        self._log = log

    def tell(self) -> tuple[str, ...]:
        """Log what is new and what is over; return what there is."""
        now = self._ask()
        for problem in now:
            if problem not in self.told:
                self._log.warning("alarm_raised", problem=problem)
        for problem in self.told:
            if problem not in now:
                self._log.info("alarm_ended", problem=problem)
        self.told = now
        return now
