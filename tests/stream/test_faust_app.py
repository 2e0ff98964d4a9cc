"""What Faust is kept from, where it needs no broker to show it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, cast

import aiokafka.client  # pyright: ignore[reportMissingTypeStubs]
import pytest

from tailrace import log
from tailrace.settings import Connections
from tailrace_stream.config import StreamSettings
from tailrace_stream.faust_app import StreamApp
from tailrace_stream.kafka_security import broker_credentials


def test_a_worker_makes_no_folder_where_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    app = StreamApp(Connections(), settings=StreamSettings(), log=log.logger("test"))

    asyncio.run(cast("Any", app)._app.on_first_start())

    assert not list(tmp_path.iterdir())


def test_k7_a_worker_reads_its_password_at_each_connection(tmp_path: Path) -> None:
    """Aiokafka's client asks this attribute whenever it connects, and no other place."""
    file = tmp_path / "password"
    file.write_text("first")
    connections = Connections(
        kafka_security_protocol="SASL_PLAINTEXT",
        kafka_username="stream",
        kafka_password_file=file,
    )
    known_by = broker_credentials(connections)["broker_credentials"]

    async def client() -> Any:  # noqa: ANN401 - the library has no types
        return cast("Any", aiokafka.client).AIOKafkaClient(
            security_protocol="SASL_PLAINTEXT",
            sasl_mechanism="SCRAM-SHA-512",
            sasl_plain_username=known_by.username,
            sasl_plain_password=known_by.password,
        )

    made = asyncio.run(client())
    read = [made._sasl_plain_password]
    file.write_text("second")
    read.append(made._sasl_plain_password)

    assert read == ["first", "second"]
    assert "first" not in repr(known_by)
