"""How the dashboard is run: Streamlit as a child on loopback, its URL written down.

The child's standard input is a pipe that we hold: when this process dies, however it
dies, the pipe closes and the child leaves too.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from pathlib import Path

import msgspec

from tailrace.clock import Clock, SystemClock
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.log import FilteringBoundLogger, logger
from tailrace.settings import ENVIRONMENT_PREFIX, Connections
from tailrace.whole_files import READABLE, replace_file
from tailrace_dashboard.config import DashboardSettings

STATUS_FILE = Path("dashboard", "status.json")
STOP_WAIT_S = 10
POLL_MS = 100
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")
SCRIPT = Path(__file__).with_name("script") / "app.py"


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What others may know of a running dashboard."""

    url: str
    pid: int
    started_at_ms: int


def run(
    *,
    connections: Connections,
    settings: DashboardSettings,
    stop: threading.Event,
    clock: Clock | None = None,
) -> int:
    """Serve the dashboard until `stop` is set; return the exit code.

    Once the pages answer, `dashboard/status.json` in the data folder holds the URL, and
    it is gone again afterwards.

    Raises:
        ServiceUnavailable: Streamlit did not come up in time.
        CommandFailed: the port is taken, or the status cannot be written.
    """
    clock = clock or SystemClock()
    log = logger("dashboard")
    port = _free_port(settings)
    host = f"[{settings.address}]" if ":" in settings.address else settings.address
    url = f"http://{host}:{port}"
    status_path = connections.data_dir / STATUS_FILE
    child = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "tailrace_dashboard.serve",
            *streamlit_flags(settings, port=port),
        ],
        env=child_environment(connections, settings=settings, base=dict(os.environ)),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )
    try:
        if not _wait_until_up(
            child, url=url, settings=settings, stop=stop, clock=clock
        ):
            return child.returncode or 0
        status = Status(url=url, pid=child.pid, started_at_ms=clock.now_ms())
        _write_status(status_path, status)
        log.info("dashboard_started", url=url, pid=child.pid)
        return _wait_until_over(child, stop=stop, log=log)
    finally:
        status_path.unlink(missing_ok=True)
        _end(child)


def child_environment(
    connections: Connections, *, settings: DashboardSettings, base: dict[str, str]
) -> dict[str, str]:
    """Return the environment through which the script learns where the servers are.

    Passwords go this way and never on the command line, which every user can read.
    """
    environment = {
        name: value
        for name, value in base.items()
        # A setting of Streamlit in somebody's shell must not open what we close.
        if not name.startswith("STREAMLIT_")
    }
    for name, value in connections:
        plain = (
            value.get_secret_value() if hasattr(value, "get_secret_value") else value
        )
        variable = f"{ENVIRONMENT_PREFIX}{name.upper()}"
        if plain is None or plain == "":
            environment.pop(variable, None)
        else:
            environment[variable] = (
                msgspec.json.encode(plain).decode()
                if isinstance(plain, dict)
                else str(plain)
            )
    environment[f"{ENVIRONMENT_PREFIX}DASHBOARD_ROWS_MAX"] = str(settings.rows_max)
    return environment


def streamlit_flags(settings: DashboardSettings, *, port: int) -> list[str]:
    """Return how Streamlit is told to behave; nothing in here is secret."""
    hosts = [*LOOPBACK_NAMES, settings.address, *settings.allowed_hosts]
    options = {
        "server.address": settings.address,
        "server.port": str(port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.runOnSave": "false",
        "server.enableXsrfProtection": "true",
        "server.enableCORS": "true",
        # There is nothing to upload; 1 MB is the least that Streamlit takes.
        "server.maxUploadSize": "1",
        "server.enableStaticServing": "false",
        "server.showEmailPrompt": "false",
        "browser.gatherUsageStats": "false",
        "client.showErrorDetails": "none",
        "client.showErrorLinks": "false",
        "client.toolbarMode": "minimal",
        "client.showSidebarNavigation": "false",
        "runner.magicEnabled": "false",
        # A press has a run of its own, at once: those that wait for the end of one are
        # folded into one, and lose their turn.
        "runner.fastReruns": "true",
        "logger.level": "warning",
        # With it, what a page raised would go to standard output, which nobody reads.
        "logger.enableRich": "false",
        "logger.hideWelcomeMessage": "true",
        **_THEME,
    }
    flags = [f"--{name}={value}" for name, value in options.items()]
    # Another web page must not reach the socket by pointing its own name here.
    flags += [f"--server.allowedHosts={host}" for host in dict.fromkeys(hosts)]
    return flags


_THEME = {
    "theme.font": "system-ui, -apple-system, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif",
    "theme.codeFont": (
        "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"
    ),
    "theme.baseFontSize": "14",
    "theme.baseRadius": "0.4rem",
    "theme.showWidgetBorder": "true",
    "theme.paddingTop": "0.8rem",
    "theme.light.primaryColor": "#0b6e99",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f4f6f8",
    "theme.light.textColor": "#1d2733",
    "theme.light.borderColor": "#dde3e9",
    "theme.dark.primaryColor": "#2b8cb8",
    "theme.dark.backgroundColor": "#12171d",
    "theme.dark.secondaryBackgroundColor": "#1a2129",
    "theme.dark.textColor": "#dbe2ea",
    "theme.dark.borderColor": "#2c3641",
}


def _free_port(settings: DashboardSettings) -> int:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.address, settings.port))
        except OSError as error:
            where = f"{settings.address}:{settings.port}"
            raise CommandFailed(
                f"The dashboard cannot listen at {where}: {error.strerror or error}.",
                remedy=(
                    "stop what uses that port, or set TAILRACE_DASHBOARD_PORT to"
                    " another one; 0 takes a free one"
                ),
            ) from error
        return int(probe.getsockname()[1])


def _wait_until_up(
    child: subprocess.Popen[bytes],
    *,
    url: str,
    settings: DashboardSettings,
    stop: threading.Event,
    clock: Clock,
) -> bool:
    """Return True when the pages answer, False when we were stopped before."""
    deadline_ms = clock.monotonic_ms() + settings.start_wait_s_max * 1_000
    while not stop.is_set():
        if child.poll() is not None:
            raise ServiceUnavailable(
                "The dashboard",
                address=url,
                reason=f"Streamlit ended at once with exit code {child.returncode}",
                remedy="read its own message above, then start it again",
            )
        if _answers(url):
            return True
        if clock.monotonic_ms() > deadline_ms:
            raise ServiceUnavailable(
                "The dashboard",
                address=url,
                reason=f"Streamlit was not up within {settings.start_wait_s_max} s",
                remedy="start it again, or raise TAILRACE_DASHBOARD_START_WAIT_S_MAX",
            )
        stop.wait(POLL_MS / 1_000)
    return False


def _answers(url: str) -> bool:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{url}/_stcore/health", timeout=2) as answer:
            return answer.status == 200
    except (OSError, urllib.error.URLError):
        return False


def _wait_until_over(
    child: subprocess.Popen[bytes], *, stop: threading.Event, log: FilteringBoundLogger
) -> int:
    while not stop.wait(POLL_MS / 1_000):
        code = child.poll()
        if code is not None:
            log.error("dashboard_died", exit_code=code)
            return code or 1
    return 0


def _write_status(path: Path, status: Status) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        content = msgspec.json.encode(status)
        replace_file(path, content, mode=READABLE, is_durable=False)
    except OSError as error:
        raise CommandFailed(
            f"The dashboard's status cannot be written to {path}: {error.strerror}.",
            remedy="make that folder writable, or name another with --data-dir",
        ) from error


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child: kindly, then not."""
    if child.stdin:
        child.stdin.close()
    if child.poll() is None:
        child.terminate()
    try:
        child.wait(STOP_WAIT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
