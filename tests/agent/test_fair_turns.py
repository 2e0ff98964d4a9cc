"""Nothing that one folder or one file holds keeps the others from being read."""

from __future__ import annotations

from pathlib import Path

from tailrace_agent.chunking import SCAN_BYTES_MAX
from tailrace_agent.fair_turns import FOLDERS_MAX, FairTurns, Round
from tailrace_agent.records import Outgoing
from tests.agent.harness import AgentHarness

CHUNK_BYTES = 64 * 1_024
ROOM_BYTES = 1 << 20
LINE = b"x" * 1_000 + b"\n"


def taken(round_: Round, *, turns: int, again: frozenset[int] = frozenset()) -> str:
    """Return the files of so many turns; those in `again` always want one more."""
    names = ""
    for _ in range(turns):
        key = round_.next()
        if key is None:
            return names
        names += chr(key[1])
        if key[1] in again:
            round_.again(key)
    return names


def ready(*names: str) -> list[tuple[str, tuple[int, int]]]:
    """Return files named by their folder and a letter, such as `1a`."""
    return [(name[0], (0, ord(name[1]))) for name in names]


def test_folders_take_turns_and_in_each_its_files() -> None:
    round_ = FairTurns().round(ready("1a", "1b", "1c", "2d", "3e", "3f"))
    assert taken(round_, turns=9) == "adebfc"


def test_who_wants_more_stands_behind_the_others_of_its_folder() -> None:
    busy = frozenset(map(ord, "abcde"))
    round_ = FairTurns().round(ready("1a", "1b", "1c", "1d", "2e"))
    assert taken(round_, turns=10, again=busy) == "aebecedeae"


def test_folder_that_had_no_turn_is_the_first_in_the_next_round() -> None:
    turns = FairTurns()
    files = ready("1a", "2b", "3c", "4d")
    assert taken(turns.round(files), turns=2) == "ab"
    assert taken(turns.round(files), turns=3) == "cda"
    assert taken(turns.round(files), turns=4) == "bcda"


def test_memory_of_the_turns_is_bounded() -> None:
    turns = FairTurns()
    files = [(str(n), (0, n)) for n in range(FOLDERS_MAX + 5)]
    round_ = turns.round(files)
    for _ in files:
        round_.next()
    # Those that were served first are forgotten, and so come first.
    round_ = turns.round(files)
    assert [round_.next() for _ in range(6)] == [(0, n) for n in range(6)]


def agent_of_little_room(folder: Path) -> AgentHarness:
    return AgentHarness(
        folder,
        glob="**/*.log",
        in_flight_bytes_max=ROOM_BYTES,
        chunk_bytes=CHUNK_BYTES,
        event_bytes_max=CHUNK_BYTES,
        sweep_ms=60_000,
    )


def step_slowly(agent: AgentHarness, *, steps: int) -> None:
    """Let Kafka take no more at a time than there is room for."""
    for _ in range(steps):
        agent.sink.is_holding = True
        agent.loop.step()
        agent.clock.sleep_ms(200)
        agent.sink.is_holding = False
        agent.sink.release()


def read_bytes(agent: AgentHarness) -> dict[str, int]:
    """Return how much of each file was read, by its path below the logs."""
    return {
        str(Path(tracked.path).relative_to(agent.logs)): tracked.position.offset
        for tracked in agent.table.files.values()
    }


def test_x4_no_file_of_many_is_left_out_while_there_is_room_for_a_few(
    tmp_path: Path,
) -> None:
    """There are more files with much to read than chunks that may be on their way."""
    agent = agent_of_little_room(tmp_path)
    names = [f"{number:02}.log" for number in range(3 * ROOM_BYTES // CHUNK_BYTES)]
    for name in names:
        agent.write(name, LINE * 1_000)
    step_slowly(agent, steps=20)
    read = read_bytes(agent).values()
    assert len(read) == len(names)
    assert min(read) >= 2 * CHUNK_BYTES - 2 * len(LINE)
    assert max(read) - min(read) <= 2 * CHUNK_BYTES


def test_x4_folder_of_many_busy_files_gets_no_more_than_one_of_a_single_file(
    tmp_path: Path,
) -> None:
    agent = agent_of_little_room(tmp_path)
    for name in ("flood", "quiet"):
        (agent.logs / name).mkdir()
    for number in range(200):
        agent.write(f"flood/{number:03}.log", LINE * 100)
    agent.write("quiet/app.log", LINE * 20_000)
    step_slowly(agent, steps=10)
    read = read_bytes(agent)
    quiet_bytes = read.pop("quiet/app.log")
    flood_bytes = sum(read.values())
    assert flood_bytes > 10 * CHUNK_BYTES
    assert quiet_bytes >= 0.8 * flood_bytes


def test_x4_endless_line_of_one_file_does_not_hold_the_others_up(
    tmp_path: Path,
) -> None:
    """It is passed over a bounded piece at a time, and the others are read between."""
    agent = agent_of_little_room(tmp_path)
    for name in ("long", "app"):
        (agent.logs / name).mkdir()
    agent.write("long/a.log", b"x" * (64 << 20))
    agent.write("app/b.log", LINE * 1_000)
    passed: list[int] = []
    send = agent.sink.send

    def noting_send(record: Outgoing, *, ticket: int) -> None:
        """Note how far the endless line was passed when a chunk of another is sent."""
        if record.topic.endswith(".raw"):
            files = agent.table.files.values()
            events = [tracked.long_event for tracked in files if tracked.long_event]
            passed.append(sum(event.next_offset for event in events))
        send(record, ticket=ticket)

    agent.sink.send = noting_send
    step_slowly(agent, steps=5)
    assert read_bytes(agent)["app/b.log"] == 1_000 * len(LINE)
    assert len(passed) >= 1_000 * len(LINE) // CHUNK_BYTES
    # Its last chunk is no whole one, and waits for company.
    assert 0 < passed[-2] <= len(passed) * SCAN_BYTES_MAX < 64 << 20
    assert passed == sorted(passed)
