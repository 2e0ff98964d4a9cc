"""What the checker takes for expired, and which of it may have been two events."""

from __future__ import annotations

import pytest

from tailrace.floors import Floors
from tailrace.ledger import FloorLedger
from tests.simulation.expired import DATASET, Expired
from tests.simulation.filesystem import Files, Volume
from tests.simulation.world import EPOCH_MS, HostClock, World

LINE = b"2026-11-22 01:02:03 WARN L4.20 something happened\n"


def life_of(*written: bytes) -> tuple[Files, Expired]:
    """Return a life that was written in these pieces, of which all has expired."""
    files = Files()
    files.volumes["one"] = Volume("one", HostClock(World(0)))
    node = files.create("/one/logs/app.log", files.new_life("one", "app"))
    for piece in written:
        files.append(node, piece)
    floor = FloorLedger(
        dataset=DATASET, period="day", floor_ms=EPOCH_MS * 2, updated_at_ms=1
    )
    return files, Expired(Floors([floor]))


@pytest.mark.parametrize(
    ("written", "are_one"),
    [
        ((LINE, LINE), [True, True]),
        ((LINE, LINE[:40], b"the end\n", LINE), [True, False, True]),
        ((LINE[:40], LINE), [False]),
    ],
)
def test_an_expired_line_that_was_written_in_two_parts_may_have_been_two_events(
    written: tuple[bytes, ...], are_one: list[bool]
) -> None:
    files, expired = life_of(*written)
    (life,) = files.lives
    found = expired.events([(0, len(life.content))], life)
    assert [event.is_one for event in found] == are_one
