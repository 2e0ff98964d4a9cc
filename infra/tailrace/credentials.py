"""How we are known to Elasticsearch and Kafka, and whom we trust: as it is at this moment.

Values come from the settings or from the files that these name; what is in files is looked
at with each request to Elasticsearch and each new connection to a broker.
"""

from __future__ import annotations

import base64
from typing import Self

from pydantic import SecretStr

from tailrace.clock import Clock
from tailrace.key_files import SecretFile, api_key_header
from tailrace.settings import Connections
from tailrace.tls import LiveContext, TlsFiles

ELASTICSEARCH = "Elasticsearch"
KAFKA = "Kafka"
ZOOKEEPER = "ZooKeeper"
HIDDEN = "***"


class Secret:
    """A password or key: the value that the settings give, or what their file holds."""

    def __init__(self, value: SecretStr, file: SecretFile | None) -> None:
        self._value = value
        self._file = file

    def __bool__(self) -> bool:
        return self._file is not None or bool(self._value.get_secret_value())

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def read(self) -> str:
        """Return it as it is now.

        Raises:
            KeyFileUnread: its file was never in good order.
        """
        if self._file is None:
            return self._value.get_secret_value()
        return self._file.read()

    def forget(self) -> None:
        """Have it read anew next time, though its file seems not to have changed."""
        if self._file is not None:
            self._file.forget()


class ElasticsearchKeys:
    """By what header Elasticsearch knows us; safe to share between threads."""

    def __init__(self, connections: Connections, *, clock: Clock | None = None) -> None:
        self._username = connections.elasticsearch_username
        self._key = _elasticsearch_secret(connections, "api_key", clock=clock)
        self._password = _elasticsearch_secret(connections, "password", clock=clock)

    def header(self) -> dict[str, str]:
        """Return the header; none where nobody asks who we are.

        Raises:
            KeyFileUnread: the file of the secret was never in good order.
        """
        if self._key:
            return {"authorization": api_key_header(self._key.read())}
        if self._username:
            pair = f"{self._username}:{self._password.read()}".encode()
            return {"authorization": f"Basic {base64.b64encode(pair).decode()}"}
        return {}

    def header_instead_of(self, sent: dict[str, str]) -> dict[str, str] | None:
        """Return another header than the one that was refused; None where it is the same.

        Raises:
            KeyFileUnread: the file of the secret was never in good order.
        """
        self._key.forget()
        self._password.forget()
        found = self.header()
        return None if found == sent else found


class LivePassword(str):
    """A password that is read at each connection, for libraries that keep a string.

    As a string it hides itself; `read` gives what it stands for.
    """

    __slots__ = ("_secret",)
    _secret: Secret

    def __new__(cls, secret: Secret) -> Self:
        """Make one that reads as stars wherever it is shown."""
        made = super().__new__(cls, HIDDEN)
        made._secret = secret
        return made

    def read(self) -> str:
        """Return the password as it is now.

        Raises:
            KeyFileUnread: its file was never in good order.
        """
        return self._secret.read()


def kafka_password(
    connections: Connections, *, clock: Clock | None = None
) -> LivePassword:
    """Return the password by which brokers know us."""
    path = connections.kafka_password_file
    address = connections.kafka_bootstrap
    file = path and SecretFile(path, service=KAFKA, address=address, clock=clock)
    return LivePassword(Secret(connections.kafka_password, file))


def zookeeper_password(
    connections: Connections, *, clock: Clock | None = None
) -> LivePassword:
    """Return the password by which ZooKeeper knows us."""
    path = connections.zookeeper_password_file
    address = connections.zookeeper_hosts
    file = path and SecretFile(path, service=ZOOKEEPER, address=address, clock=clock)
    return LivePassword(Secret(connections.zookeeper_password, file))


def kafka_tls(
    connections: Connections, *, clock: Clock | None = None
) -> LiveContext | None:
    """Return the context of connections to brokers; None where they are plain."""
    if not connections.kafka_security_protocol.endswith("SSL"):
        return None
    files = TlsFiles(
        service=KAFKA,
        address=connections.kafka_bootstrap,
        ca_file=connections.kafka_ca_file,
        certificate_file=connections.kafka_certificate_file,
        key_file=connections.kafka_key_file,
    )
    return LiveContext(files, clock=clock)


def elasticsearch_tls(
    connections: Connections, *, clock: Clock | None = None
) -> LiveContext | None:
    """Return the context of connections to Elasticsearch; None where they are plain."""
    urls = connections.elasticsearch_urls
    if not any(url.startswith("https:") for url in urls):
        return None
    files = TlsFiles(
        service=ELASTICSEARCH,
        address=connections.elasticsearch_url,
        ca_file=connections.elasticsearch_ca_file,
    )
    return LiveContext(files, clock=clock)


def _elasticsearch_secret(
    connections: Connections, name: str, *, clock: Clock | None
) -> Secret:
    path = getattr(connections, f"elasticsearch_{name}_file")
    address = connections.elasticsearch_url
    file = path and SecretFile(
        path, service=ELASTICSEARCH, address=address, clock=clock
    )
    return Secret(getattr(connections, f"elasticsearch_{name}"), file)
