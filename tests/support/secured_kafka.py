"""A real broker that speaks TLS alone and asks who comes; its certificate can be changed."""

from __future__ import annotations

import socket
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import kafka
from kafka import admin as kafka_admin
from pydantic import SecretStr

from tailrace.kafka_options import kafka_options
from tailrace.settings import Connections
from tailrace_embedded.config import config_from_environment
from tailrace_embedded.kafka import Broker, kafka_spec
from tailrace_embedded.server import Server
from tests.support.certificates import Pair
from tests.support.own_server import ground_for, own_server
from tests.support.stack import temporary_data_dir

HEAP_MB = 256
ADMIN = "admin"
ADMIN_PASSWORD = "password-of-admin"
_JAAS = (
    "org.apache.kafka.common.security.plain.PlainLoginModule required"
    f' username="{ADMIN}" password="{ADMIN_PASSWORD}" user_{ADMIN}="{ADMIN_PASSWORD}";'
)
_SCRAM = "org.apache.kafka.common.security.scram.ScramLoginModule required;"


@dataclass(frozen=True, slots=True)
class Right:
    """One thing that one user may do."""

    user: str
    kind: str
    """`TOPIC`, `GROUP` or `CLUSTER`."""
    name: str
    operation: str
    """As Kafka has it, such as `READ`."""


@dataclass
class SecuredKafka:
    """One broker, for whoever names a user and trusts its authority."""

    server: Server
    address: str
    conf: Path

    def admin(self, ca_file: Path) -> Connections:
        """Return how its administrator connects."""
        return Connections(
            kafka_bootstrap=self.address,
            kafka_security_protocol="SASL_SSL",
            kafka_sasl_mechanism="PLAIN",
            kafka_username=ADMIN,
            kafka_password=SecretStr(ADMIN_PASSWORD),
            kafka_ca_file=ca_file,
        )

    def show(self, pair: Pair) -> None:
        """Be known by this certificate from the next start on."""
        path = self.conf / "server.pem"
        path.write_bytes(pair.key + pair.certificate)
        path.chmod(0o644)

    def set_password(self, user: str, password: str, *, ca_file: Path) -> None:
        """Let a user in by this password, and by no other from now on."""
        with self._client(ca_file) as client:
            change = cast("Any", kafka_admin)._users.UserScramCredentialUpsertion(
                user, "SCRAM-SHA-512", password
            )
            assert client.alter_user_scram_credentials([change]) == {user: None}

    def allow(self, rights: Iterable[Right], *, ca_file: Path) -> None:
        """Let users do these things, of a broker with an authorizer nothing else."""
        library = cast("Any", kafka_admin)
        entries = [
            library.ACL(
                principal=f"User:{right.user}",
                host="*",
                operation=library.ACLOperation[right.operation],
                permission_type=library.ACLPermissionType.ALLOW,
                resource_pattern=library.ResourcePattern(
                    library.ResourceType[right.kind], right.name
                ),
            )
            for right in rights
        ]
        with self._client(ca_file) as client:
            assert client.create_acls(entries)["failed"] == []

    @contextmanager
    def _client(self, ca_file: Path) -> Generator[Any]:
        options = kafka_options(self.admin(ca_file), client_id="tests")
        client = cast("Any", kafka).KafkaAdminClient(**options)
        try:
            yield client
        finally:
            client.close()


@contextmanager
def secured_kafka(
    pair: Pair, *, trusted: bytes, has_authorizer: bool = False
) -> Generator[SecuredKafka]:
    """Yield a broker of its own, known by a certificate, and take it down.

    `trusted` are the authorities of all certificates that it will ever be known by. One
    with an authorizer lets users do what they are allowed, the administrator all.
    """
    with temporary_data_dir() as data_dir:
        ground = ground_for("kafka-1", "controller", data_dir=data_dir)
        folders = ground.folders
        broker = Broker(
            number=1, client_port=ground.ports[0], controller_port=ground.ports[1]
        )
        spec = kafka_spec(
            broker,
            brokers=[broker],
            folders=folders,
            jars=ground.runtime.kafka_jars,
            java_home=ground.runtime.java_home,
            heap_mb=HEAP_MB,
            java_flags=config_from_environment().java_flags,
            user=ground.user,
        )
        _secure(folders.conf, broker=broker)
        if has_authorizer:
            _authorize(folders.conf)
        spec = replace(spec, is_ready=lambda: _listens(broker.client_port))
        with own_server(spec, user=ground.user) as server:
            secured = SecuredKafka(server, broker.address, folders.conf)
            secured.show(pair)
            (folders.conf / "trusted.pem").write_bytes(trusted)
            (folders.conf / "trusted.pem").chmod(0o644)
            server.start()
            server.wait_until_ready()
            yield secured


def _secure(conf: Path, *, broker: Broker) -> None:
    """Write over what the broker's settings say of who may come; the last of a key wins."""
    settings = {
        "listeners": f"SASL_SSL://{broker.address},CONTROLLER://{broker.controller}",
        "advertised.listeners": f"SASL_SSL://{broker.address}",
        "listener.security.protocol.map": "SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "SASL_SSL",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        "listener.name.sasl_ssl.plain.sasl.jaas.config": _JAAS,
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": _SCRAM,
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(conf / "server.pem"),
        # Of itself: a broker talks to itself as to any other.
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(conf / "trusted.pem"),
        "ssl.client.auth": "none",
        "ssl.endpoint.identification.algorithm": "",
    }
    with (conf / "server.properties").open("a", encoding="utf-8") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())


def _authorize(conf: Path) -> None:
    settings = {
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        # Without a name only the broker itself comes, on the controller's own listener.
        "super.users": f"User:{ADMIN};User:ANONYMOUS",
        "allow.everyone.if.no.acl.found": "false",
        "auto.create.topics.enable": "false",
    }
    with (conf / "server.properties").open("a", encoding="utf-8") as file:
        file.writelines(f"{key}={value}\n" for key, value in settings.items())


def _listens(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False
