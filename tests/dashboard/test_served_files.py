"""What the dashboard's server gives and takes beside the page: no file either way."""

from __future__ import annotations

import http.client
from pathlib import Path

import pytest

from tailrace_dashboard.config import DashboardSettings
from tailrace_dashboard.main import streamlit_flags
from tests.dashboard.test_main import served_by_a_process

CLIMBS = [
    "/app/static/../../main.py",
    "/app/static/%2e%2e/%2e%2e/main.py",
    "/static/../../../../../../etc/passwd",
    "/static/..%2f..%2f..%2f..%2f..%2f..%2fetc/passwd",
    "/component/x/../../../../../../etc/passwd",
    "//etc/passwd",
]


def test_x20_neither_static_files_nor_uploads_are_served() -> None:
    flags = streamlit_flags(DashboardSettings(), port=1)
    assert "--server.enableStaticServing=false" in flags
    assert "--server.maxUploadSize=1" in flags


@pytest.mark.timeout(120)
def test_x20_no_path_leads_out_of_the_servers_folder_and_no_stranger_uploads(
    tmp_path: Path,
) -> None:
    def ask(method: str, path: str, body: bytes | None = None) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(address, timeout=10)
        # Not by a client that would tidy the path up.
        connection.putrequest(method, path, skip_accept_encoding=True)
        connection.putheader("Content-Length", str(len(body or b"")))
        connection.endheaders(body or None)
        answer = connection.getresponse()
        found = answer.status, answer.read()
        connection.close()
        return found

    with served_by_a_process(tmp_path) as (_pid, status):
        address = status.url.removeprefix("http://").rstrip("/")
        for path in CLIMBS:
            _code, content = ask("GET", path)
            assert b"root:" not in content, path
            assert b"streamlit_flags" not in content, path
        code, _ = ask("PUT", "/_stcore/upload_file/none/none", b"x" * 100)
        assert 400 <= code < 500
