"""Which files make the servers, and how each user's cache comes to hold them, checked.

`artifacts.json` names every file by its coordinate with its size and SHA-256, as
`lockfile.py` wrote it; so what runs is what was tested, whoever answers the download.
Every start verifies what it is about to run; a broken or missing file is fetched anew,
and with everything in place no network is needed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

import msgspec

from tailrace.errors import CommandFailed
from tailrace_embedded.lock import hold_waiting
from tailrace_embedded.progress import Advance, Progress

MANIFEST_FILE = Path(__file__).with_name("artifacts.json")

# Most files are small, so waiting for answers dominates; more gives nothing here.
DOWNLOADS_AT_ONCE = 8

# A file that arrives broken is asked for once more; a second time is the registry's.
FETCH_ATTEMPTS_MAX = 2


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a package registry, and how to tell that it is that file."""

    group: str
    name: str
    version: str
    packaging: str
    sha256: str
    size_bytes: int

    @property
    def file_name(self) -> str:
        """Return the name the file has in the registry and in the cache."""
        return f"{self.name}-{self.version}.{self.packaging}"

    @property
    def cache_path(self) -> Path:
        """Return where it lies below the cache folder."""
        return Path("artifacts") / self.group / self.file_name


class Manifest(msgspec.Struct, frozen=True):
    """Every file of each server."""

    kafka: tuple[Artifact, ...]
    zookeeper: tuple[Artifact, ...]
    elasticsearch: tuple[Artifact, ...]


class Fetcher(Protocol):
    """Brings one file from where packages come from."""

    def fetch(self, artifact: Artifact, *, into: Path, advance: Advance) -> Path:
        """Return the path, below `into`, of the file as it came.

        Raises:
            OSError: it could not be brought.
        """
        ...


def read_manifest() -> Manifest:
    """Return the files that this version of the package runs."""
    return msgspec.json.decode(MANIFEST_FILE.read_bytes(), type=Manifest)


def ensure(
    artifacts: Sequence[Artifact],
    *,
    cache_dir: Path,
    fetcher: Fetcher,
    progress: Progress,
) -> list[Path]:
    """Return the checked path of each artifact, fetching what is missing or broken.

    The caller holds no lock: of several processes one downloads and the others wait.

    Raises:
        CommandFailed: a file could not be brought, or came broken twice.
    """
    paths = [cache_dir / artifact.cache_path for artifact in artifacts]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        sound = list(pool.map(is_sound, artifacts, paths))
    if all(sound):
        return paths
    lock = hold_waiting(
        cache_dir,
        on_wait=lambda: progress.step("Waiting for another process that downloads"),
    )
    try:
        # Another process may have brought them while this one waited for the lock.
        # Two servers may need the same file, which is then fetched once.
        missing = [
            artifact
            for artifact in dict.fromkeys(artifacts)
            if not is_sound(artifact, cache_dir / artifact.cache_path)
        ]
        if missing:
            _fetch_all(missing, cache_dir=cache_dir, fetcher=fetcher, progress=progress)
    finally:
        lock.release()
    return paths


def is_sound(artifact: Artifact, path: Path) -> bool:
    """Tell whether the file is there and is byte for byte what the manifest says."""
    try:
        if path.stat().st_size != artifact.size_bytes:
            return False
        return sha256_of(path) == artifact.sha256
    except OSError:
        return False


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_all(
    missing: Sequence[Artifact],
    *,
    cache_dir: Path,
    fetcher: Fetcher,
    progress: Progress,
) -> None:
    staging = cache_dir / f"staging-{os.getpid()}"
    # Left by a process that was killed; the lock says that nobody else uses them.
    for leftover in cache_dir.glob("staging-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    size_bytes = sum(artifact.size_bytes for artifact in missing)
    label = f"{len(missing)} server files" if len(missing) > 1 else missing[0].name

    def fetch(artifact: Artifact, advance: Callable[[int], None]) -> None:
        _fetch_one(
            artifact,
            cache_dir=cache_dir,
            staging=staging,
            fetcher=fetcher,
            advance=advance,
        )

    try:
        with (
            progress.downloading(label, size_bytes=size_bytes) as advance,
            ThreadPoolExecutor(DOWNLOADS_AT_ONCE) as pool,
        ):
            # The largest first: it then overlaps with all the small ones.
            ordered = sorted(missing, key=lambda artifact: -artifact.size_bytes)
            futures = [pool.submit(fetch, artifact, advance) for artifact in ordered]
            try:
                for future in futures:
                    future.result()
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _fetch_one(
    artifact: Artifact,
    *,
    cache_dir: Path,
    staging: Path,
    fetcher: Fetcher,
    advance: Advance,
) -> None:
    for attempt in range(FETCH_ATTEMPTS_MAX):
        try:
            arrived = fetcher.fetch(
                artifact, into=staging / str(attempt), advance=advance
            )
        except OSError as error:
            raise CommandFailed(
                f"{artifact.file_name} of {artifact.group} could not be downloaded:"
                f" {error}",
                remedy="check the network (and its proxy settings), then start again;"
                " what has arrived is kept",
            ) from error
        if is_sound(artifact, arrived):
            target = cache_dir / artifact.cache_path
            target.parent.mkdir(parents=True, exist_ok=True)
            arrived.chmod(0o644)
            arrived.replace(target)
            return
    raise CommandFailed(
        f"{artifact.file_name} of {artifact.group} arrived broken"
        f" {FETCH_ATTEMPTS_MAX} times: its SHA-256 is not {artifact.sha256}.",
        remedy="look for a proxy that alters downloads; the file was not used",
    )
