"""How long a line takes to be found while lines come at a moderate, steady rate."""

from __future__ import annotations

import threading

from tailrace.bench.corpus import Corpus
from tailrace.bench.draws import LINES_PER_S
from tailrace.bench.freshness import Mark, Percentiles, percentiles
from tailrace.bench.progress import SEED, found_now, require_all, running
from tailrace.bench.stand import Round, Stand
from tailrace.elasticsearch import Elastic
from tailrace.errors import CommandFailed
from tailrace.query import events_alias

LENGTH_S = 30
BATCH_MS = 20
LOOK_MS = 20
FOUND_WAIT_MS_MAX = 60_000


def measure_freshness(stand: Stand) -> Percentiles:
    """Write for a while at a steady rate, and look all the time for how many are found.

    Raises:
        CommandFailed: lines are not found in time.
    """
    with running(stand.round("live"), "agent", "stream", "indexer") as one:
        found: list[Mark] = []
        lines = LENGTH_S * LINES_PER_S
        reader = threading.Thread(target=_look, args=(one, lines, found))
        reader.start()
        written = _write(one, lines=lines)
        reader.join()
    if not found or found[-1].lines < lines:
        raise CommandFailed(
            f"Of {lines:,} lines {found[-1].lines if found else 0:,} were found within"
            f" {FOUND_WAIT_MS_MAX // 1_000} s of the last.",
            remedy="measure on a machine that is idle",
        )
    require_all(found[-1].lines, lines=lines, what="indexed")
    return percentiles(written=written, found=found)


def _write(one: Round, *, lines: int) -> list[Mark]:
    """Append the lines in small batches, each at its time, and note when it was there."""
    clock = one.stand.clock
    corpus = Corpus(lines=lines, seed=SEED, start_ms=clock.now_ms())
    whole = b"".join(corpus.blocks()).splitlines(keepends=True)
    batch_lines = LINES_PER_S * BATCH_MS // 1_000
    began_ms = clock.monotonic_ms()
    written: list[Mark] = []
    with (one.watched / "live.log").open("ab", buffering=0) as file:
        for number, first in enumerate(range(0, lines, batch_lines)):
            wait_ms = began_ms + number * BATCH_MS - clock.monotonic_ms()
            if wait_ms > 0:
                clock.sleep_ms(wait_ms)
            file.write(b"".join(whole[first : first + batch_lines]))
            at_ms = float(clock.monotonic_ms())
            written.append(Mark(at_ms, min(first + batch_lines, lines)))
    return written


def _look(one: Round, lines: int, found: list[Mark]) -> None:
    """Note at each look how many are found; end with the last, or when it is too late."""
    clock = one.stand.clock
    alias = events_alias(one.connections.namespace)
    deadline_ms = clock.monotonic_ms() + LENGTH_S * 1_000 + FOUND_WAIT_MS_MAX
    with Elastic(one.connections) as elastic:
        while clock.monotonic_ms() < deadline_ms:
            count = found_now(elastic, alias)
            found.append(Mark(float(clock.monotonic_ms()), count))
            if count >= lines:
                return
            clock.sleep_ms(LOOK_MS)
