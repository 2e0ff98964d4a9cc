"""Where the roles' own logs go in a simulation: nowhere."""

from __future__ import annotations

from typing import Any, NoReturn

import structlog


def _drop(_logger: object, _method: str, _event: Any) -> NoReturn:  # noqa: ANN401
    raise structlog.DropEvent


SILENT = structlog.wrap_logger(None, processors=[_drop])
