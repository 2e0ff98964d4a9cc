"""Which generation a file holds is told by all its facts and its content, for each host."""

from __future__ import annotations

import errno
import gzip
import shutil
from pathlib import Path
from typing import NoReturn

import pytest
from msgspec.structs import replace

from tailrace.commands import why_place
from tailrace.commands.why_place import places_of
from tailrace.errors import CommandFailed
from tailrace.why.hops import LinePlace
from tailrace.wire import AgentLedger
from tailrace_agent.amendments import TRUNCATED
from tests.infra.why_words import HoldingLookup, Told, identity_here, keys_of, word_of

CONTENT = b"one\ntwo\nthree\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "app.log"
    file.write_bytes(CONTENT)
    return file


def asked(
    line: str, *words: AgentLedger, lookup: HoldingLookup | None = None, glob: str = ""
) -> tuple[LinePlace, ...]:
    return places_of(line, places=Told(words).places(lookup, glob=glob)).places


def reborn(word: AgentLedger) -> AgentLedger:
    """Return the word of a file that had the inode before, and is gone."""
    before = replace(word.identity, born_at_ns=word.identity.born_at_ns - 10**9)
    return replace(
        word,
        generation="dead" * 8,
        identity=before,
        updated_at_ms=word.updated_at_ms + 1,
    )


def test_f7_a_file_on_a_reused_inode_is_not_the_one_that_is_gone(path: Path) -> None:
    word = word_of(path)
    dead = reborn(word)

    found = asked(f"{path}:2", word, dead)

    assert keys_of(found) == [(word.generation, 4)]


def test_f7_an_unwatched_file_on_a_dead_files_inode_is_not_watched(path: Path) -> None:
    dead = reborn(replace(word_of(path), path="/srv/gone.log"))

    with pytest.raises(CommandFailed, match="is not watched"):
        asked(f"{path}:2", dead)
    with pytest.raises(CommandFailed, match="nor in a watched file"):
        asked("two", dead)


def test_f7_a_file_of_another_filesystem_is_told_by_how_it_begins(path: Path) -> None:
    word = word_of(path)
    elsewhere = replace(word.identity, filesystem_id="fsid-other")
    renamed = replace(word, identity=elsewhere)
    stranger = replace(renamed, generation="f" * 32, head_hash="0" * 32)

    assert keys_of(asked(f"{path}:2", renamed, stranger)) == [(word.generation, 4)]
    with pytest.raises(CommandFailed, match="is not watched"):
        asked(f"{path}:2", stranger)


def test_a_file_that_was_written_anew_is_not_judged_as_what_it_was(path: Path) -> None:
    word = word_of(path)
    path.write_bytes(b"other\nlines\n")

    with pytest.raises(CommandFailed, match="written anew"):
        asked(f"{path}:2", word)


def test_each_host_that_reads_a_file_is_answered_for(path: Path) -> None:
    words = [word_of(path, host=host) for host in ("web-3", "vm")]
    places = {(word.generation, 8) for word in words}

    assert set(keys_of(asked(f"{path}:3", *words))) == places
    assert set(keys_of(asked("three", *words))) == places


def test_a_clone_whose_file_went_its_own_way_is_not_this_one(path: Path) -> None:
    """Cloned from one image, it has the same facts, and begins alike."""
    word, clone = word_of(path, host="vm"), word_of(path, host="web-3")
    clone = replace(clone, next_offset=900, tail_size_bytes=892, tail_hash="0" * 16)

    assert keys_of(asked(f"{path}:3", word, clone)) == [(word.generation, 8)]


def test_f3_a_line_of_a_copy_is_one_of_the_life_that_it_holds(path: Path) -> None:
    """As the audit names it: `cp app.log app.log.1; : > app.log`."""
    copy = path.with_name("app.log.1")
    word = word_of(path, lost_bytes={TRUNCATED: 0}, is_closed=True)
    shutil.copy(path, copy)
    held = replace(word, path=str(copy), held_by=identity_here(copy))
    path.write_bytes(b"")
    next_life = word_of(path, life=1)

    assert keys_of(asked(f"{copy}:3", held, next_life)) == [(word.generation, 8)]
    assert keys_of(asked("three", held, next_life)) == [(word.generation, 8)]
    with pytest.raises(CommandFailed, match="has 0 complete lines"):
        asked(f"{path}:1", held, next_life)


@pytest.mark.parametrize("is_own", [False, True])
def test_f20_a_line_of_an_archive_that_the_ledger_knows_is_told(
    path: Path, *, is_own: bool
) -> None:
    word = word_of(path)
    archive = path.with_name("app.log.1.gz")
    archive.write_bytes(gzip.compress(CONTENT))
    path.unlink()
    held = replace(word, path=str(archive), held_by=identity_here(archive))
    known = word_of(archive) if is_own else held

    assert keys_of(asked(f"{archive}:3", known)) == [(known.generation, 8)]
    assert keys_of(asked("three", known)) == [(known.generation, 8)]


def test_f1_a_line_of_a_file_that_was_renamed_is_found_by_its_words(path: Path) -> None:
    """No glob means its new name, so the ledger has the old one."""
    word = word_of(path)
    path.rename(path.with_name("app.log.1"))
    path.write_bytes(b"")

    assert keys_of(asked("three", word)) == [(word.generation, 8)]


def test_f3_a_line_of_a_copy_that_was_passed_over_is_its_originals(path: Path) -> None:
    """Nothing of it was read, so no word names it."""
    word = word_of(path)
    copy = path.with_name("app.log.1")
    shutil.copy(path, copy)
    path.write_bytes(CONTENT + b"four\n")

    (place,) = asked(f"{copy}:3", word, glob="/srv/*.log*")

    assert keys_of([place]) == [(word.generation, 8)]
    assert place.copy_path == str(copy)


def test_f3_a_copy_over_an_older_copy_is_its_originals_too(path: Path) -> None:
    """The file has a word of what it held before, and none of what it holds now."""
    copy = path.with_name("app.log.1")
    copy.write_bytes(b"of last week\n")
    older, word = word_of(copy), word_of(path)
    copy.write_bytes(CONTENT)

    assert keys_of(asked(f"{copy}:3", older, word)) == [(word.generation, 8)]


def test_f3_a_line_behind_what_a_copy_has_in_common_is_not_its_originals(
    path: Path,
) -> None:
    word = word_of(path)
    copy = path.with_name("app.log.1")
    copy.write_bytes(CONTENT + b"four\n")

    with pytest.raises(CommandFailed, match="its line 4 is not known to stand there"):
        asked(f"{copy}:4", word, glob="/srv/*.log*")


def test_an_archive_of_what_was_read_is_a_copy_of_it(path: Path) -> None:
    """It was compressed once all was read, so no agent looked into it."""
    word = word_of(path)
    archive = path.with_name("app.log.2.gz")
    archive.write_bytes(gzip.compress(CONTENT))
    path.unlink()

    (place,) = asked(f"{archive}:3", word)

    assert (place.offset, place.copy_path) == (8, str(archive))


def test_f3_a_file_that_was_emptied_and_not_looked_at_since_is_no_more_what_it_was(
    path: Path,
) -> None:
    """It was restored to what it held, as a copy back over it does."""
    word = word_of(path, lost_bytes={TRUNCATED: 0}, is_closed=True)

    with pytest.raises(CommandFailed, match="written anew"):
        asked(f"{path}:1", word)


def test_a_file_that_cannot_be_read_is_said_in_words(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(path: Path) -> NoReturn:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(path))

    monkeypatch.setattr(why_place, "opened", gone)

    with pytest.raises(CommandFailed, match="cannot be read: No such file"):
        asked(f"{path}:1")
