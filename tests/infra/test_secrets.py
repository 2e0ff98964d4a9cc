"""A secret is in nothing that we say, write or can be asked for: planted, and looked for."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.waiting import eventually

CANARY = "canary-7f3a"
SECRETS = {
    "TAILRACE_KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
    "TAILRACE_KAFKA_SASL_MECHANISM": "PLAIN",
    "TAILRACE_KAFKA_USERNAME": "agent",
    "TAILRACE_KAFKA_PASSWORD": f"{CANARY}-kafka",
    "TAILRACE_ELASTICSEARCH_USERNAME": "elastic",
    "TAILRACE_ELASTICSEARCH_PASSWORD": f"{CANARY}-elasticsearch",
    "TAILRACE_ELASTICSEARCH_API_KEY": f"{CANARY}-key",
}
NOWHERE = {
    "TAILRACE_KAFKA_BOOTSTRAP": "127.0.0.1:1",
    "TAILRACE_ZOOKEEPER_HOSTS": "127.0.0.1:1",
    "TAILRACE_ELASTICSEARCH_URL": "http://127.0.0.1:1",
}
COMMANDS = [
    ("doctor", "--json"),
    ("status",),
    ("search", "anything"),
    ("provision",),
    ("agent", "--config", "no-such-file.toml"),
]


def environment(folder: Path) -> Mapping[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("TAILRACE_")}
    return {**kept, **NOWHERE, **SECRETS, "TAILRACE_DATA_DIR": str(folder)}


def assert_nothing_tells(folder: Path, *said: str) -> None:
    for text in said:
        assert CANARY not in text
    for path in folder.rglob("*"):
        if path.is_file():
            assert CANARY.encode() not in path.read_bytes(), path


@pytest.mark.timeout(120)
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_x10_no_command_tells_a_secret(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Each fails, as no server is there, and says so: that is when secrets slip out."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tailrace", *command],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.stdout or done.stderr
    assert_nothing_tells(tmp_path, done.stdout, done.stderr)


@pytest.mark.timeout(120)
def test_x10_an_agent_that_is_refused_tells_no_secret(tmp_path: Path) -> None:
    """Neither in its log nor its files nor on its command line, which all may read."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_bytes(b"a line\n")
    config = tmp_path / "agent.toml"
    config.write_text(
        f'[[agent.sources]]\nname = "a"\npaths = ["{tmp_path}/logs/*.log"]\n'
    )
    log = tmp_path / "agent.out"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "tailrace", "agent", "--config", str(config)],
            env=environment(tmp_path / "data"),
            stdout=output,
            stderr=output,
        ) as agent,
    ):
        try:
            eventually(lambda: b"ledger_unavailable" in log.read_bytes(), 60)
            command_line = Path(f"/proc/{agent.pid}/cmdline").read_bytes()
        finally:
            agent.terminate()
            agent.wait(60)
    assert_nothing_tells(tmp_path, command_line.decode())
