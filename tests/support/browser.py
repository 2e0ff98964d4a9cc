"""A browser for tests: Debian's chromium, driven by playwright, and a dashboard to look at."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, sync_playwright

from tailrace.settings import Connections
from tailrace_dashboard.config import DashboardSettings
from tailrace_dashboard.main import STATUS_FILE, Status, run
from tests.support.waiting import eventually

CHROMIUM = "/usr/bin/chromium"
INSTALL_COMMAND = "apt-get install chromium"
# A test's browser asks no other host for anything.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def browser() -> Generator[Browser, None, None]:
    """Give a browser; without one the test is skipped, and fails where CI runs it."""
    path = chromium_path(
        candidates=(CHROMIUM, shutil.which("chromium")),
        is_ci=os.environ.get("CI") == "true",
    )
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield started
        finally:
            started.close()


def chromium_path(*, candidates: Iterable[str | None], is_ci: bool) -> str:
    """Return the first browser that is there; a test in CI must not be skipped."""
    for candidate in candidates:
        if candidate is not None and Path(candidate).exists():
            return candidate
    missing = f"there is no chromium: `{INSTALL_COMMAND}` installs one"
    if is_ci:
        pytest.fail(missing)
    pytest.skip(missing)


@contextmanager
def dashboard(connections: Connections) -> Generator[str, None, None]:
    """Serve the real dashboard as its role does, and give its URL."""
    stop = threading.Event()
    settings = DashboardSettings(port=0, rows_max=20)
    codes: list[int] = []
    server = threading.Thread(
        target=lambda: codes.append(
            run(connections=connections, settings=settings, stop=stop)
        )
    )
    server.start()
    status_path = connections.data_dir / STATUS_FILE
    try:
        eventually(status_path.exists, 60, what="the dashboard is up")
        yield msgspec.json.decode(status_path.read_bytes(), type=Status).url
    finally:
        stop.set()
        server.join(30)
    assert codes == [0]
