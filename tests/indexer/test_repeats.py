"""Records that stand in the topic twice: a producer that was unsure sent them again."""

from __future__ import annotations

from tests.indexer.builders import DOCS, Bench, documents


def test_k15_records_that_stand_in_the_topic_twice_are_stored_once() -> None:
    bench = Bench()
    lines = [f"line {number:02}" for number in range(8)]
    first, second = documents(lines[:4]), documents(lines[4:], first=4)
    for value in (first, second, first, second, second):
        bench.kafka.write(DOCS, value)
    bench.run()
    assert bench.stored() == lines
    assert bench.delivery.figures.already_there == 12
    assert bench.kafka.commits[DOCS] == 5
    assert not bench.dead_letters.letters
