"""What names a host and a file: facts that no restart, rename or reboot changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from tailrace.identity import generation_of
from tailrace.wire import AgentLedger
from tailrace_agent.facts import filesystem_id
from tailrace_agent.heads import head_of
from tailrace_agent.host import host_id_of, time_zone_of
from tailrace_agent.known import KnownGenerations, identity_of
from tailrace_agent.open_file import open_file
from tests.agent.harness import DEFAULT_RULES
from tests.agent.test_delivery import record


def test_facts_stay_while_a_file_grows_and_moves(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"one\n")
    file = open_file(path, rules=DEFAULT_RULES)
    before, name = file.facts, filesystem_id(file.descriptor, device=file.facts.device)
    file.close()
    with path.open("ab") as writer:
        writer.write(b"two\n")
    moved = path.rename(tmp_path / "b.log")
    again = open_file(moved, rules=DEFAULT_RULES)
    assert again.facts == before
    assert filesystem_id(again.descriptor, device=again.facts.device) == name
    again.close()


def test_f8_two_files_have_two_births_or_two_inodes(tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a", "b")]
    generations: set[str] = set()
    for path in files:
        path.write_bytes(b"")
        file = open_file(path, rules=DEFAULT_RULES)
        identity = identity_of(
            file.facts, host_id="h", filesystem_id="f", first_seen_at_ms=1
        )
        generations.add(generation_of(identity))
        file.close()
    assert len(generations) == 2


def known_of(path: Path, *, is_birth_known: bool) -> AgentLedger:
    """Return a record as the agent would have left it for the file at `path`."""
    file = open_file(path, rules=DEFAULT_RULES)
    facts = file.facts if is_birth_known else replace(file.facts, born_at_ns=None)
    size, head_hash = head_of(file)
    identity = identity_of(
        facts, host_id="h", filesystem_id="f", first_seen_at_ms=1_000
    )
    file.close()
    return msgspec.structs.replace(
        record(generation_of(identity)),
        identity=identity,
        head_size_bytes=size,
        head_hash=head_hash,
    )


def test_f14_filesystem_with_another_name_is_recognised_by_content(
    tmp_path: Path,
) -> None:
    """A reboot numbers devices anew: the file is not read again for that."""
    path = tmp_path / "a.log"
    path.write_bytes(b"the head\n")
    known = KnownGenerations([known_of(path, is_birth_known=True)])
    file = open_file(path, rules=DEFAULT_RULES)
    assert known.match(file.facts, filesystem_id="other", source=file) is not None
    path.write_bytes(b"not that\n")
    assert known.match(file.facts, filesystem_id="other", source=file) is None
    # Where the name is the same, the position tells what became of the content.
    assert known.match(file.facts, filesystem_id="f", source=file) is not None
    file.close()


def test_f7_without_birth_times_the_head_tells_a_used_inode(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"the head\n")
    known = KnownGenerations([known_of(path, is_birth_known=False)])
    file = open_file(path, rules=DEFAULT_RULES)
    facts = replace(file.facts, born_at_ns=None)
    assert known.match(facts, filesystem_id="f", source=file) is not None
    path.write_bytes(b"another file\n")
    assert known.match(facts, filesystem_id="f", source=file) is None
    file.close()


def test_p10_host_is_named_by_configuration_then_machine_then_state(
    tmp_path: Path,
) -> None:
    machine_id = tmp_path / "machine-id"
    machine_id.write_text("0123456789abcdef0123456789abcdef\n")
    ids = (tmp_path / "absent", machine_id)
    assert host_id_of("mine", state_folder=tmp_path, machine_id_paths=ids) == "mine"
    found = host_id_of("", state_folder=tmp_path, machine_id_paths=ids)
    assert found == "0123456789abcdef0123456789abcdef"
    machine_id.write_text("uninitialized\n")
    kept = host_id_of("", state_folder=tmp_path, machine_id_paths=ids)
    assert kept == host_id_of("", state_folder=tmp_path, machine_id_paths=ids)
    assert len(kept) == 32


def test_f7_same_inode_with_another_birth_is_another_file(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_bytes(b"the head\n")
    known = KnownGenerations([known_of(path, is_birth_known=True)])
    file = open_file(path, rules=DEFAULT_RULES)
    assert file.facts.born_at_ns is not None, "this test needs birth times"
    later = replace(file.facts, born_at_ns=file.facts.born_at_ns + 1)
    assert known.match(later, filesystem_id="f", source=file) is None
    file.close()


def test_f3_file_that_came_to_hold_a_life_is_known_by_that(tmp_path: Path) -> None:
    """The ledger also tells of the name that it had before it was known to be a copy."""
    path = tmp_path / "a.log.1"
    path.write_bytes(b"the head\n")
    own = known_of(path, is_birth_known=True)
    original = msgspec.structs.replace(own.identity, inode=own.identity.inode + 1)
    held = msgspec.structs.replace(
        own, generation="held", identity=original, held_by=own.identity
    )
    file = open_file(path, rules=DEFAULT_RULES)
    for records in ([own, held], [held, own]):
        match = KnownGenerations(records).match(
            file.facts, filesystem_id="f", source=file
        )
        assert match is not None
        assert match.record.generation == "held"
    file.close()


@pytest.mark.parametrize(
    ("named", "zone"),
    [("Asia/Kolkata", "Asia/Kolkata"), (":Japan", "Japan"), ("EST5EDT", "EST5EDT")],
)
def test_a_zone_that_is_named_by_the_environment_counts(
    named: str, zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", named)
    assert time_zone_of() == zone


@pytest.mark.parametrize(
    "named", ["", "CET-1CEST,M3.5.0", "../passwd", "/etc/x", "Mars"]
)
def test_what_is_no_name_of_a_zone_leaves_it_to_the_machine(
    named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TZ", raising=False)
    machines = time_zone_of()
    monkeypatch.setenv("TZ", named)
    assert time_zone_of() == machines
