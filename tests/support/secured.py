"""A real Elasticsearch that knows users: from files, which a test may change as it runs."""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import os
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
from pydantic import SecretStr

from tailrace.elasticsearch import Elastic
from tailrace.settings import Connections
from tailrace.whole_files import READABLE, replace_file
from tailrace_embedded.server import Server
from tests.support.own_elasticsearch import prepared_elasticsearch
from tests.support.own_server import own_server
from tests.support.waiting import eventually

ADMIN = "admin"
PROBE = "probe"
"""Whose only right is another one each time, so that it tells which roles are known."""
EFFECT_S_MAX = 30.0
PBKDF2_ROUNDS = 1_000
"""The fewest that the server takes; these passwords guard nothing."""
Roles = Mapping[str, Mapping[str, Any]]


class SecuredElasticsearch:
    """Its users are named like their role, with `password-of-` before it as password."""

    def __init__(self, server: Server, *, conf: Path, url: str) -> None:
        self.url = url
        self.server = server
        self._conf = conf
        self._set_count = self._users_count = 0

    def set_roles(self, roles: Roles) -> None:
        """Give each role its rights, of which the server learns within a second."""
        self._set_count += 1
        every = {
            PROBE: {
                "indices": [{"names": [self._probed], "privileges": ["read"]}],
            },
            ADMIN: {
                "cluster": ["all"],
                "indices": [{"names": ["*"], "privileges": ["all"]}],
            },
            **roles,
        }
        # A role in a line: what JSON is, is YAML too.
        lines = [f"{name}: {json.dumps(rights)}\n" for name, rights in every.items()]
        self._write("roles.yml", lines)

    def set_users(self, passwords: Mapping[str, str]) -> None:
        """Let these users in, each in the role of its name, and nobody else."""
        self._users_count += 1
        own = {ADMIN: password_of(ADMIN), PROBE: self._probes_password}
        every = own | {**passwords}
        hashed = {name: _hashed(password) for name, password in every.items()}
        self._write("users", [f"{name}:{text}\n" for name, text in hashed.items()])
        self._write("users_roles", [f"{name}:{name}\n" for name in every])

    def await_roles(self) -> None:
        """Return once the server goes by the roles and the users that were set last."""
        eventually(self._has_roles, EFFECT_S_MAX, what="the roles that were set")

    @property
    def _probes_password(self) -> str:
        """Another one each time, so that who comes in with it is of the newest users."""
        return f"{password_of(PROBE)}-{self._users_count}"

    @property
    def _probed(self) -> str:
        return f"probed-{self._set_count}"

    def _has_roles(self) -> bool:
        connections = Connections(
            elasticsearch_url=self.url,
            elasticsearch_username=PROBE,
            elasticsearch_password=SecretStr(self._probes_password),
        )
        asked = {"index": [{"names": [self._probed], "privileges": ["read"]}]}
        with Elastic(connections) as probe:
            answer = probe.request(
                "POST", "/_security/user/_has_privileges", body=orjson.dumps(asked)
            )
            return answer.is_success and orjson.loads(answer.body)["has_all_requested"]

    def _write(self, name: str, lines: list[str]) -> None:
        replace_file(
            self._conf / name, "".join(lines).encode(), mode=READABLE, is_durable=False
        )


def password_of(user: str) -> str:
    """Return the password that a user has at first."""
    return f"password-of-{user}"


@contextmanager
def secured_elasticsearch(roles: Roles) -> Generator[SecuredElasticsearch]:
    """Yield a server of its own with a user for each role, and take it down."""
    settings = {
        "xpack.security.enabled": "true",
        "resource.reload.interval.high": "500ms",
    }
    with prepared_elasticsearch(settings) as prepared:
        node, ground = prepared.node, prepared.ground
        secured = replace(prepared.spec, is_ready=_asks_for_a_name(node.http_port))
        with own_server(secured, user=ground.user) as server:
            made = SecuredElasticsearch(server, conf=ground.folders.conf, url=node.url)
            made.set_roles(roles)
            made.set_users({name: password_of(name) for name in roles})
            server.start()
            server.wait_until_ready()
            yield made


def _asks_for_a_name(port: int) -> Callable[[], bool]:
    pair = f"{ADMIN}:{password_of(ADMIN)}".encode()
    header = {"authorization": f"Basic {base64.b64encode(pair).decode()}"}

    def is_ready() -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/_cluster/health", headers=header)
            answer = connection.getresponse()
            health = answer.read()
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        return answer.status == 200 and b'"status":"red"' not in health

    return is_ready


def _hashed(password: str) -> str:
    salt = os.urandom(32)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, PBKDF2_ROUNDS, 32)
    parts = (base64.b64encode(salt).decode(), base64.b64encode(digest).decode())
    return f"{{PBKDF2}}{PBKDF2_ROUNDS}${'$'.join(parts)}"
