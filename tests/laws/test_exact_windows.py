"""Windows stay exact, however often workers die: seeded kills of real ones, on real Kafka.

Run by `TAILRACE_TEST_KILLS=20 TAILRACE_TEST_SEED=7` for more kills, or for those of a seed
that failed; the seed, and each blow before it strikes, is in the test's output. Which
records were in work when a worker died no seed can repeat, but all that is drawn is drawn
again: lines, chunks, and who dies how.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import pytest

from tailrace.topics import DEAD, DOCS, LEDGER, RATES
from tailrace_embedded.stack import Endpoints
from tests.laws.killed_workers import Fleet, blows_of, feeding
from tests.laws.shipped import words_in
from tests.laws.timed_lines import PATH, chunks_of, files_of, truth_of
from tests.laws.told_windows import assert_exact, sent_documents, told_windows
from tests.stream.harness import stream_on_kafka

pytestmark = [pytest.mark.stack, pytest.mark.timeout(1_800)]

KILLS = int(os.environ.get("TAILRACE_TEST_KILLS", "4"))
SEED = int(os.environ.get("TAILRACE_TEST_SEED", "11566229"))
"""A rebalance, chance moments, all at once, and a worker that leaves while it still begins."""
ENOUGH_KILLS = 10
"""With fewer it may be that none strikes a record in work."""
SETTINGS = {
    "TAILRACE_STREAM_WINDOWS": json.dumps({"top": [PATH]}),
    # As it is where nobody sets it: what was done since the last commit is done again.
    "TAILRACE_STREAM_COMMIT_INTERVAL_MS": "500",
}


def say(what: str) -> None:
    print(what, flush=True)  # noqa: T201 - shown by -s, and of a test that fails


def test_s2_s6_s9_windows_are_exact_though_workers_are_killed_amid_their_work(
    stack: Endpoints, namespace: str, tmp_path: Path
) -> None:
    """With late lines, with chunks sent again, and with all that a worker kept lost."""
    say(f"TAILRACE_TEST_SEED={SEED} TAILRACE_TEST_KILLS={KILLS}")
    files = files_of(SEED)
    with stream_on_kafka(stack, namespace=namespace, folder=tmp_path) as stream:
        fleet = Fleet(stream, SETTINGS)
        with feeding(stream, chunks_of(files, Random(SEED))) as feeder:
            fleet.run(2)
            for blow in blows_of(SEED, kills=KILLS):
                say(f"{feeder.sent_count} records sent: {blow}")
                fleet.strike(blow)
        stream.wait_until_all_is_committed(wait_s_max=240)
        fleet.stop()

        assert fleet.kill_count >= KILLS, "the witness"
        assert fleet.forgotten_count >= min(KILLS, 2)
        told, sent = told_windows(stream.read(RATES)), sent_documents(stream.read(DOCS))
        done_again = sent.repeat_count - sum(file.repeat_count for file in files)
        say(
            f"{len(sent.templates)} lines in {feeder.sent_count} records,"
            f" {done_again} of them worked again; {told.told_count} windows told"
        )
        told.assert_in_order()
        forms = sent.forms_by_template(files)
        assert_exact(told.stored, truth_of(files), forms=forms)
        assert not stream.read(DEAD)
        words = words_in(stream.read(LEDGER))
        for file in files:
            assert words[file.generation][-1].event_count == len(file.lines)
        if KILLS >= ENOUGH_KILLS:
            assert done_again > 0, "no work was done twice, so that no kill struck any"
