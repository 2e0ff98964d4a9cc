"""What Faust is kept from, where it needs no broker to show it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import pytest

from tailrace import log
from tailrace.settings import Connections
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp


def test_a_worker_makes_no_folder_where_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = StreamApp(Connections(), settings=StreamSettings(), log=log.logger("test"))

    asyncio.run(cast("Any", app)._app.on_first_start())

    assert not list(tmp_path.iterdir())
