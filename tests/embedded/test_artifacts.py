"""What runs is what the manifest names, whatever the network or the disk did."""

from __future__ import annotations

import hashlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tailrace.errors import CommandFailed
from tailrace_embedded.artifacts import Artifact, ensure, read_manifest
from tailrace_embedded.progress import Advance, SilentProgress
from tailrace_embedded.trees import SEAL_FILE, ensure_tree, is_intact


def artifact(name: str) -> Artifact:
    content = name.encode() * 100
    return Artifact(
        group="org.example",
        name=name,
        version="1.0",
        packaging="jar",
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
    )


class CountingFetcher:
    """Brings the right bytes, the first `broken_count` times with one of them wrong."""

    def __init__(self, *, broken_count: int = 0) -> None:
        self.fetched: Counter[str] = Counter()
        self._broken_count = broken_count

    def fetch(self, artifact: Artifact, *, into: Path, advance: Advance) -> Path:
        self.fetched[artifact.name] += 1
        content = bytearray(artifact.name.encode() * 100)
        if self.fetched[artifact.name] <= self._broken_count:
            content[50] ^= 1
        into.mkdir(parents=True, exist_ok=True)
        path = into / artifact.file_name
        path.write_bytes(content)
        advance(len(content))
        return path


class NoNetwork:
    """Fails as a machine without network does."""

    def fetch(self, artifact: Artifact, *, into: Path, advance: Advance) -> Path:
        del artifact, into, advance
        raise OSError("the package registry cannot be reached")


def paths_of(
    artifacts: list[Artifact], cache_dir: Path, fetcher: CountingFetcher | NoNetwork
) -> list[Path]:
    return ensure(
        artifacts, cache_dir=cache_dir, fetcher=fetcher, progress=SilentProgress()
    )


def test_what_is_cached_needs_no_network(tmp_path: Path) -> None:
    wanted = [artifact("a"), artifact("b")]
    first = paths_of(wanted, tmp_path, CountingFetcher())
    assert paths_of(wanted, tmp_path, NoNetwork()) == first
    assert [path.read_bytes() for path in first] == [b"a" * 100, b"b" * 100]


def test_a_file_altered_in_the_cache_is_fetched_anew_and_the_others_are_not(
    tmp_path: Path,
) -> None:
    wanted = [artifact("a"), artifact("b")]
    altered, _ = paths_of(wanted, tmp_path, CountingFetcher())
    altered.write_bytes(b"x" * 100)
    fetcher = CountingFetcher()
    paths_of(wanted, tmp_path, fetcher)
    assert fetcher.fetched == {"a": 1}
    assert altered.read_bytes() == b"a" * 100


def test_a_download_that_arrives_broken_is_asked_for_again(tmp_path: Path) -> None:
    (path,) = paths_of([artifact("a")], tmp_path, CountingFetcher(broken_count=1))
    assert path.read_bytes() == b"a" * 100


def test_a_download_that_stays_broken_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(CommandFailed, match="arrived broken 2 times"):
        paths_of([artifact("a")], tmp_path, CountingFetcher(broken_count=9))
    assert not list(tmp_path.rglob("*.jar"))


def test_without_network_the_message_names_file_reason_and_remedy(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        CommandFailed, match=r"a-1\.0\.jar .* cannot be reach"
    ) as caught:
        paths_of([artifact("a")], tmp_path, NoNetwork())
    assert "check the network" in caught.value.remedy


def test_a_file_that_two_servers_need_is_fetched_once(tmp_path: Path) -> None:
    fetcher = CountingFetcher()
    paths = paths_of([artifact("a"), artifact("b"), artifact("a")], tmp_path, fetcher)
    assert paths[0] == paths[2]
    assert fetcher.fetched == {"a": 1, "b": 1}


def test_of_several_at_once_one_downloads_and_the_others_wait(tmp_path: Path) -> None:
    fetcher = CountingFetcher()
    wanted = [artifact("a"), artifact("b")]
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            pool.submit(paths_of, wanted, tmp_path, fetcher) for _process in range(4)
        ]
        results = [future.result() for future in waiting]
    assert fetcher.fetched == {"a": 1, "b": 1}
    assert all(result == results[0] for result in results)


def test_what_a_killed_download_left_is_removed(tmp_path: Path) -> None:
    leftover = tmp_path / "staging-1"
    leftover.mkdir()
    (leftover / "half.jar").write_bytes(b"half")
    paths_of([artifact("a")], tmp_path, CountingFetcher())
    assert not leftover.exists()


def test_the_manifest_names_each_servers_main_file_and_no_file_twice() -> None:
    manifest = read_manifest()
    assert "kafka_2.13" in {item.name for item in manifest.kafka}
    assert "zookeeper" in {item.name for item in manifest.zookeeper}
    for group in (manifest.kafka, manifest.zookeeper, manifest.elasticsearch):
        names = [(item.group, item.name) for item in group]
        assert len(names) == len(set(names))
        assert all(len(item.sha256) == 64 for item in group)


def test_an_altered_tree_is_built_anew(tmp_path: Path) -> None:
    built: list[Path] = []

    def build(folder: Path) -> None:
        built.append(folder)
        (folder / "bin").mkdir()
        (folder / "bin" / "run").write_bytes(b"program")
        (folder / "bin" / "run").chmod(0o700)

    tree = ensure_tree(tmp_path / "tree", cache_dir=tmp_path, build=build)
    assert ensure_tree(tree, cache_dir=tmp_path, build=build) == tree
    assert len(built) == 1
    assert (tree / "bin" / "run").stat().st_mode & 0o777 == 0o755

    (tree / "bin" / "run").write_bytes(b"malware")
    assert not is_intact(tree)
    ensure_tree(tree, cache_dir=tmp_path, build=build)
    assert (tree / "bin" / "run").read_bytes() == b"program"
    assert len(built) == 2


def test_a_tree_whose_building_was_cut_short_is_not_there(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "half").write_bytes(b"half")
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        ensure_tree(tmp_path / "tree", cache_dir=tmp_path, build=fail)
    assert not (tmp_path / "tree").exists()
    assert not list(tmp_path.glob("*/half"))
    assert not list(tmp_path.rglob(SEAL_FILE))
