"""How a folder of many files comes into the cache whole: built aside, sealed, renamed.

A tree is there completely or not at all, and its seal (size and SHA-256 of each file)
tells later whether anybody altered it. A tree that is not intact is built anew.
"""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from tailrace_embedded.artifacts import sha256_of
from tailrace_embedded.lock import hold_waiting

SEAL_FILE = ".sealed.json"

_EXECUTABLE_BITS = 0o111


class _Seal(msgspec.Struct, frozen=True):
    """Size and SHA-256 of each regular file, by its path below the tree."""

    files: dict[str, tuple[int, str]]


def ensure_tree(
    target: Path, *, cache_dir: Path, build: Callable[[Path], None]
) -> Path:
    """Return `target` intact, built by `build(folder)` when it is missing or altered.

    `target` lies below `cache_dir`. Whatever the umask, everybody may read the result:
    it holds public files, and a server may run as another user.
    """
    if is_intact(target):
        return target
    lock = hold_waiting(cache_dir)
    try:
        if is_intact(target):
            return target
        staging = target.with_name(f"{target.name}.building-{os.getpid()}")
        for leftover in target.parent.glob(f"{target.name}.building-*"):
            shutil.rmtree(leftover)
        staging.mkdir(parents=True)
        try:
            build(staging)
            _seal(staging)
            _make_readable(staging)
            if target.exists():
                shutil.rmtree(target)
            staging.rename(target)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    finally:
        lock.release()
    return target


def is_intact(tree: Path) -> bool:
    """Tell whether the tree is there and each of its files is as it was when sealed."""
    try:
        seal = msgspec.json.decode((tree / SEAL_FILE).read_bytes(), type=_Seal)
    except (OSError, msgspec.DecodeError):
        return False

    def is_same(item: tuple[str, tuple[int, str]]) -> bool:
        path, (size_bytes, sha256) = item
        try:
            file = tree / path
            return file.stat().st_size == size_bytes and sha256_of(file) == sha256
        except OSError:
            return False

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return all(pool.map(is_same, seal.files.items()))


def unpack_zip(archive: Path, *, into: Path) -> None:
    """Unpack an archive that holds one top folder, whose content goes into `into`.

    The archive has been checked against its SHA-256; names are still confined to `into`
    by the zip module.
    """
    with zipfile.ZipFile(archive) as bundle:
        bundle.extractall(into)
        modes = {info.filename: info.external_attr >> 16 for info in bundle.infolist()}
    for name, mode in modes.items():
        path = into / name
        if mode & _EXECUTABLE_BITS and path.is_file():
            path.chmod(0o755)
    (top,) = list(into.iterdir())
    for child in list(top.iterdir()):
        child.rename(into / child.name)
    top.rmdir()


def copy_tree(source: Path, *, into: Path) -> None:
    """Copy what is below `source` into `into`, following links."""
    shutil.copytree(source, into, dirs_exist_ok=True)


def _seal(tree: Path) -> None:
    files = sorted(path for path in tree.rglob("*") if path.is_file())
    seal = _Seal(
        {
            str(path.relative_to(tree)): (path.stat().st_size, sha256_of(path))
            for path in files
        }
    )
    (tree / SEAL_FILE).write_bytes(msgspec.json.encode(seal))


def _make_readable(tree: Path) -> None:
    for path in [tree, *tree.rglob("*")]:
        is_program = path.is_dir() or path.stat().st_mode & _EXECUTABLE_BITS
        path.chmod(0o755 if is_program else 0o644)
