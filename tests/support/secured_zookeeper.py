"""A real ZooKeeper that asks who comes: by SASL, with the users that a test names."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from dataclasses import replace

from pydantic import SecretStr

from tailrace.settings import Connections
from tailrace_embedded.config import Place
from tailrace_embedded.jvm import properties
from tailrace_embedded.zookeeper import zookeeper_settings, zookeeper_spec
from tests.support.own_server import ground_for, own_server
from tests.support.stack import temporary_data_dir

HEAP_MB = 96
ADMIN = "admin"


def password_of(user: str) -> str:
    """Return the password that a user has."""
    return f"password-of-{user}"


def known_as(connections: Connections, user: str) -> Connections:
    """Return how this user connects."""
    return connections.model_copy(
        update={
            "zookeeper_username": user,
            "zookeeper_password": SecretStr(password_of(user)),
        }
    )


@contextmanager
def secured_zookeeper(users: Iterable[str]) -> Generator[str]:
    """Yield the address of a server that refuses whoever names no user of these."""
    with temporary_data_dir() as data_dir:
        ground = ground_for("zookeeper", data_dir=data_dir)
        folders, (port,) = ground.folders, ground.ports
        spec = zookeeper_spec(
            port=port,
            folders=folders,
            jars=ground.runtime.zookeeper_jars,
            java_home=ground.runtime.java_home,
            heap_mb=HEAP_MB,
            user=ground.user,
            place=Place(),
        )
        lines = "".join(
            f' user_{user}="{password_of(user)}"' for user in (ADMIN, *users)
        )
        module = "org.apache.zookeeper.server.auth.DigestLoginModule required"
        settings = {
            **zookeeper_settings(port=port, data_dir=folders.data),
            "authProvider.sasl": (
                "org.apache.zookeeper.server.auth.SASLAuthenticationProvider"
            ),
            "enforce.auth.enabled": "true",
            "enforce.auth.schemes": "sasl",
        }
        files = {
            "zoo.cfg": properties(settings),
            "jaas.conf": f"Server {{ {module}{lines}; }};\n",
        }
        folders.create(files, user=ground.user)
        jaas = f"-Djava.security.auth.login.config={folders.conf / 'jaas.conf'}"
        java, *rest = spec.command
        secured = replace(spec, command=(java, jaas, *rest))
        with own_server(secured, user=ground.user) as server:
            server.start()
            server.wait_until_ready()
            yield f"127.0.0.1:{port}"
