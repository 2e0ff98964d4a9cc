"""How files come from the package registry: jgo's resolver, wrapped in this one place.

Imported only when something must be fetched, so that a start from the cache needs
neither jgo nor a network.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import requests
from jgo.maven import MavenContext, PythonResolver

from tailrace_embedded.artifacts import Artifact, sha256_of
from tailrace_embedded.progress import Advance

# A registry that does not answer for so long is down; jgo applies it to each read.
TIMEOUT_S = 60


class MavenFetcher:
    """Brings artifacts with jgo from the registry that jgo uses by default."""

    def fetch(self, artifact: Artifact, *, into: Path, advance: Advance) -> Path:
        """Return the path, below `into`, of the file as it came.

        Raises:
            OSError: the registry does not answer, or does not have it.
        """
        context = _context(into, advance=advance)
        component = context.project(artifact.group, artifact.name).at_version(
            artifact.version
        )
        wanted = component.artifact(packaging=artifact.packaging)
        if wanted.cached_path is not None:
            wanted.cached_path.unlink(missing_ok=True)
        try:
            return wanted.resolve()
        except requests.RequestException as error:
            raise OSError(_short(error)) from error
        except RuntimeError as error:
            raise OSError("the package registry does not have it") from error


def resolve_jars(
    coordinates: Sequence[str], *, into: Path, excluded_names: frozenset[str]
) -> list[Artifact]:
    """Return the jars that these coordinates need at run time, in class path order.

    Where two of them need one jar in two versions, the earlier coordinate's is taken.
    For writing the manifest: every jar is downloaded into `into` to be measured.
    """
    context = _context(into, advance=lambda _received_bytes: None)
    found: dict[tuple[str, str], Artifact] = {}
    for coordinate in coordinates:
        # Each alone: jgo lets what one root manages decide the versions of another's.
        root = context.create_dependency(coordinate)
        inputs, transitive = context.resolver.resolve([root])
        for dependency in [*inputs, *transitive]:
            artifact = dependency.artifact
            key = (artifact.groupId, artifact.artifactId)
            is_plain_jar = artifact.packaging == "jar" and not artifact.classifier
            if not is_plain_jar or key[1] in excluded_names or key in found:
                continue
            found[key] = measure(
                artifact.resolve(),
                group=artifact.groupId,
                name=artifact.artifactId,
                version=artifact.version,
                packaging="jar",
            )
    return list(found.values())


def resolve_zip(*, group: str, name: str, version: str, into: Path) -> Artifact:
    """Return one zip, downloaded into `into` to be measured."""
    context = _context(into, advance=lambda _received_bytes: None)
    component = context.project(group, name).at_version(version)
    path = component.artifact(packaging="zip").resolve()
    return measure(path, group=group, name=name, version=version, packaging="zip")


def measure(
    path: Path, *, group: str, name: str, version: str, packaging: str
) -> Artifact:
    """Return the manifest's entry for a downloaded file."""
    return Artifact(
        group=group,
        name=name,
        version=version,
        packaging=packaging,
        sha256=sha256_of(path),
        size_bytes=path.stat().st_size,
    )


def _context(into: Path, *, advance: Advance) -> MavenContext:
    @contextmanager
    def report(
        _name: str, _size_bytes: int
    ) -> Generator[Callable[[int], None], None, None]:
        yield advance

    resolver = PythonResolver(progress_callback=report)
    return MavenContext(resolver=resolver, repo_cache=into, timeout=TIMEOUT_S)


def _short(error: requests.RequestException) -> str:
    """Say what failed without the address, which is the registry's own affair."""
    if isinstance(error, requests.Timeout):
        return f"the package registry did not answer within {TIMEOUT_S} s"
    if isinstance(error, requests.exceptions.SSLError):
        return "the package registry's certificate is not trusted on this machine"
    if isinstance(error, requests.ConnectionError):
        return "the package registry cannot be reached"
    return type(error).__name__
