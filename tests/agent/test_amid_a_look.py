"""A file changes between two calls of one look at it, wherever that is.

A disk does not stand still while an agent looks: what one call said of a file need not be
so at the next. Each test lets the same happen before each call that its agent makes.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tailrace_agent import discovery, door, facts, open_file, whereabouts
from tests.agent.harness import AgentHarness, events_of

pytestmark = pytest.mark.timeout(240)
CALLS = ("stat", "fstat", "open", "preadv", "scandir")
FIRST = b"the first line of a life\nand its second\nand the third\n"
NEXT = b"the next life begins\n"
OTHER = b"lines of a file that nothing is known of\nand one of that more\n"
CALLS_MAX = 400
WAIT_MS = 13_000


class AmidCalls:
    """Stands in for the module `os`: does something before one of its calls."""

    def __init__(self) -> None:
        self.calls_left = 0
        self.act: Callable[[], None] | None = None

    def plan(self, act: Callable[[], None], *, after: int) -> None:
        """Do it before the call after so many."""
        self.act, self.calls_left = act, after

    def __getattr__(self, name: str) -> object:
        found = getattr(os, name)
        if name not in CALLS:
            return found

        def called(*arguments: object, **named: object) -> object:
            self._count()
            return found(*arguments, **named)

        return called

    def _count(self) -> None:
        self.calls_left -= 1
        if self.act is not None and self.calls_left < 0:
            act, self.act = self.act, None
            act()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> AmidCalls:
    stand_in = AmidCalls()
    for module in (discovery, door, facts, open_file, whereabouts):
        monkeypatch.setattr(module, "os", stand_in)
    return stand_in


@dataclass(frozen=True)
class Log:
    """A log of one small life, and what may befall it."""

    path: Path

    @property
    def copy(self) -> Path:
        return self.path.with_name("a.log.1")

    def copy_and_empty(self) -> None:
        shutil.copyfile(self.path, self.copy)
        os.truncate(self.path, 0)

    def make_copy(self) -> None:
        """Begin to copy it: its copy is there, and empty."""
        self.copy.touch()

    def fill_copy(self) -> None:
        self.copy.write_bytes(self.path.read_bytes())

    def copy_and_begin_anew(self, *, content: bytes) -> None:
        self.copy_and_empty()
        with self.path.open("ab") as file:
            file.write(content)


def _rename(path: Path, name: str) -> None:
    path.rename(path.with_name(name))


def each_folder(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """Yield folders for a life each, with how many calls are to go by in it."""
    for number in range(CALLS_MAX):
        folder = tmp_path / str(number)
        folder.mkdir()
        yield folder, number


def each_call(
    tmp_path: Path,
    calls: AmidCalls,
    act: Callable[[Log], None],
    *,
    before: Callable[[AgentHarness, Log], None] = lambda _, __: None,
    first: bytes = FIRST,
) -> Iterator[tuple[AgentHarness, Log, int]]:
    """Let something happen before each call of an agent that meets a log, one a life.

    Yields the agent when it has struck, with that life's log and how many calls went by.
    """
    for folder, number in each_folder(tmp_path):
        agent = AgentHarness(folder, glob="*.log*", sweep_ms=400)
        agent.pass_ms(200)
        log = Log(agent.write("a.log", first))
        before(agent, log)
        calls.plan(partial(act, log), after=number)
        agent.pass_ms(1_500)
        if calls.act is not None:
            assert number > 10, "the witness: it was amid looks"
            return
        yield agent, log, number
        agent.crash()
    pytest.fail(f"more than {CALLS_MAX} calls")


def assert_once(agent: AgentHarness, content: bytes, *, when: str) -> None:
    agent.pass_ms(WAIT_MS, step_ms=400)
    stored = sorted(event.stored for event in events_of(agent.sink))
    assert stored == sorted(content.splitlines()), when


def test_f3_f4_small_log_that_is_copied_and_emptied_amid_a_look_is_sent_once(
    tmp_path: Path, calls: AmidCalls
) -> None:
    """Else its record told of no head any more, and its copy was known by nothing."""
    for agent, _, number in each_call(tmp_path, calls, Log.copy_and_empty):
        assert_once(agent, FIRST, when=f"before call {number}")


@pytest.mark.parametrize("times", [1, 60], ids=["small", "larger"])
def test_f3_f4_log_that_is_copied_emptied_and_begun_anew_amid_a_look_is_sent_once(
    tmp_path: Path, calls: AmidCalls, times: int
) -> None:
    """Else its record told of its next life's head, or that was sent under its name."""
    first, following = FIRST * times, NEXT * times
    begin_anew = partial(Log.copy_and_begin_anew, content=following)
    for agent, _, number in each_call(tmp_path, calls, begin_anew, first=first):
        assert_once(agent, first + following, when=f"before call {number}")


@pytest.mark.parametrize("known_ms", [0, 3_000])
def test_f3_copy_that_is_met_empty_and_filled_amid_a_look_is_not_sent_again(
    tmp_path: Path, calls: AmidCalls, known_ms: int
) -> None:
    """Who copies makes a file first and writes it then: asked what it was, it was empty."""

    def make_copy(agent: AgentHarness, log: Log) -> None:
        agent.pass_ms(known_ms)
        log.make_copy()

    for agent, log, number in each_call(
        tmp_path, calls, Log.fill_copy, before=make_copy
    ):
        os.truncate(log.path, 0)
        assert_once(agent, FIRST, when=f"before call {number}")


def test_f3_copy_that_is_made_over_another_file_amid_a_look_is_not_sent_again(
    tmp_path: Path, calls: AmidCalls
) -> None:
    """What stood there was asked what it is, and not what stands there now."""

    def make_other(agent: AgentHarness, log: Log) -> None:
        agent.pass_ms(3_000)
        log.copy.write_bytes(OTHER)

    for agent, log, number in each_call(
        tmp_path, calls, Log.fill_copy, before=make_other
    ):
        os.truncate(log.path, 0)
        agent.pass_ms(WAIT_MS, step_ms=400)
        stored = [event.stored for event in events_of(agent.sink)]
        stored = sorted(one for one in stored if one not in OTHER)
        assert stored == sorted(FIRST.splitlines()), f"before call {number}"


def test_f3_small_copy_of_a_log_that_grew_beyond_its_known_lines_is_not_sent_again(
    tmp_path: Path,
) -> None:
    """Of a head that has grown, the last lines alone are known, and not where this ends."""
    agent = AgentHarness(tmp_path, glob="*.log*", sweep_ms=400)
    lines = b"".join(b"a short line %d\n" % number for number in range(40))
    log = Log(agent.write("a.log", FIRST + lines))
    agent.pass_ms(3_000)
    log.copy.write_bytes(FIRST)
    agent.pass_ms(3_000)
    os.truncate(log.path, 0)
    assert_once(agent, FIRST + lines, when="with its copy passed over")


@pytest.mark.parametrize("is_restarted", [False, True])
def test_f3_small_copy_of_a_log_that_outgrew_it_before_it_had_a_record_is_not_sent_again(
    tmp_path: Path, *, is_restarted: bool
) -> None:
    """While a log waits for its name, its copy waits for it, and may be all that is left."""
    agent = AgentHarness(tmp_path, glob="*.log*", sweep_ms=100)
    agent.pass_ms(500)
    log = Log(agent.write("a.log", FIRST))
    shutil.copyfile(log.path, log.copy)
    agent.loop.step()  # Both are met, and the copy is asked what it is.
    agent.clock.sleep_ms(100)
    agent.loop.step()
    assert not any(
        agent.delivery.knows(tracked.generation)
        for tracked in agent.table.files.values()
    )
    lines = b"".join(b"a short line %d\n" % number for number in range(40))
    agent.write("a.log", lines)
    while not (started := agent.said("generation_started")):
        agent.clock.sleep_ms(20)
        agent.loop.step()
    copied = agent.delivery.record_of(str(started[0]["generation"])).copied
    assert copied is not None, "its copy may not be asked again in time"
    assert copied.offset == len(FIRST)
    agent.pass_ms(100, step_ms=20)
    os.truncate(log.path, 0)
    if is_restarted:
        agent.stop()
        agent = AgentHarness(
            tmp_path, glob="*.log*", sink=agent.sink, clock=agent.clock, sweep_ms=100
        )
    assert_once(agent, FIRST + lines, when="with its copy passed over")


def test_f3_f20_archive_waits_longer_than_the_file_that_it_is_made_of(
    tmp_path: Path,
) -> None:
    """Both may be copies of a log that has no name yet, and the archive be met before."""
    agent = AgentHarness(tmp_path, glob="*.log*", flush_after_ms=60_000)
    agent.pass_ms(500)
    agent.write("a.log", b"half a line")
    agent.write("a.log.1.gz", gzip.compress(FIRST))
    agent.pass_ms(1_500)
    agent.write("a.log.1", FIRST)
    assert_once(agent, FIRST, when="with the archive passed over")


def test_f7_file_of_a_used_inode_that_is_renamed_amid_a_look_is_read(
    tmp_path: Path, calls: AmidCalls
) -> None:
    """What its inode was before is gone, by whatever name the next one is found."""
    used_count = 0
    for folder, number in each_folder(tmp_path):
        agent = AgentHarness(folder, glob="*.log*", sweep_ms=400)
        gone = agent.write("gone.log", b"")
        agent.pass_ms(500)
        for tracked in agent.table.files.values():
            tracked.close()  # As the limit on descriptors does.
        inode = gone.stat().st_ino
        gone.unlink()
        path = agent.write("a.log", FIRST)
        used_count += path.stat().st_ino == inode
        calls.plan(partial(_rename, path, "b.log"), after=number)
        agent.pass_ms(1_500)
        if calls.act is not None:
            break
        assert_once(agent, FIRST, when=f"renamed before call {number}")
        agent.crash()
    if not used_count:
        pytest.skip("no inode is used again here")


def test_f7_file_that_takes_a_name_amid_a_look_is_told_by_its_own_name(
    tmp_path: Path, calls: AmidCalls
) -> None:
    """A look found another at that name, and its inode at the name of one that is gone."""
    used_count = 0
    for folder, number in each_folder(tmp_path):
        agent = AgentHarness(
            folder, glob="*.log*", sweep_ms=30_000, flush_after_ms=150, linger_ms_max=50
        )
        path = agent.write("a.log", FIRST)
        gone = agent.write("z.log", b"")
        inode = gone.stat().st_ino

        def rotate(path: Path = path, gone: Path = gone) -> None:
            gone.unlink()
            path.rename(path.with_name("a.log.1"))
            path.write_bytes(NEXT)

        calls.plan(rotate, after=number)
        agent.pass_ms(1_500)
        if calls.act is not None:
            break
        used_count += path.stat().st_ino == inode
        agent.pass_ms(60_000, step_ms=400)
        names = {e.path.rpartition("/")[2] for e in events_of(agent.sink)}
        assert names <= {"a.log", "a.log.1"}, f"before call {number}"
        agent.crash()
    if not used_count:
        pytest.skip("no inode is used again here")
