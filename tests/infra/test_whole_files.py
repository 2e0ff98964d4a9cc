"""A file is replaced whole or not at all, however often and by whomever."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tailrace.whole_files import PRIVATE, READABLE, replace_file

FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from tailrace.whole_files import PRIVATE, replace_file
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10, 10))
try:
    replace_file(Path(sys.argv[1]), b"x" * 100, mode=PRIVATE, is_durable=True)
except OSError:
    sys.exit(3)
"""

REPLACING = """
import sys
from pathlib import Path
from tailrace.whole_files import READABLE, replace_file
for n in range(500):
    content = (b"b", b"a")[n % 2] * 100_000
    replace_file(Path(sys.argv[1]), content, mode=READABLE, is_durable=False)
"""


@pytest.mark.parametrize("is_durable", [True, False])
def test_new_content_takes_the_place_of_the_old(
    tmp_path: Path, is_durable: bool
) -> None:
    path = tmp_path / "status.json"
    for content in (b"old and longer", b"new"):
        replace_file(path, content, mode=READABLE, is_durable=is_durable)

    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_for_its_owner_alone_is_so_from_its_first_byte_on(
    tmp_path: Path,
) -> None:
    path = tmp_path / "config.toml"
    path.write_text("anybody could read this")
    path.chmod(0o644)

    replace_file(path, b"password", mode=PRIVATE, is_durable=False)

    assert stat.S_IMODE(path.stat().st_mode) == PRIVATE


def test_a_disk_that_takes_only_a_part_leaves_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "agent-id"
    path.write_bytes(b"old")

    ended = subprocess.run([sys.executable, "-c", FULL_DISK, str(path)], check=False)

    assert ended.returncode == 3
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_a_part(tmp_path: Path) -> None:
    """A second process replaces the file as fast as it can while this one reads."""
    path = tmp_path / "servers.json"
    contents = {bytes([letter]) * 100_000 for letter in b"ab"}
    replace_file(path, min(contents), mode=READABLE, is_durable=False)
    writer = subprocess.Popen([sys.executable, "-c", REPLACING, str(path)])
    seen: set[bytes] = set()
    while writer.poll() is None:
        seen.add(path.read_bytes())

    assert writer.returncode == 0
    assert seen <= contents
