"""How an audit is shown: every contradiction with its place, and no text that steers."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import orjson
import pytest
from typer.testing import CliRunner

from tailrace.audit.lagging import Lagging
from tailrace.audit.shown import overdue, report_lines, show
from tailrace.audit.sources import Drained
from tailrace.audit.verdict import AuditReport, Problem, ProblemKind, report_json
from tailrace.cli import app
from tailrace.commands import audit as audit_command
from tests.infra.audit.builders import (
    LINE_BYTES,
    agent_word,
    facts_at_rest,
    held,
    report_of,
)

HOSTILE = "/srv/\x1b]0;owned\x07.log"


def test_what_adds_up_is_said_in_one_sentence() -> None:
    lines = list(report_lines(report_of(held(*range(5)), facts_at_rest(5))))

    assert lines == ["Everything adds up: 5 events, each exactly once."]


def test_where_no_agent_ever_spoke_nothing_is_called_whole() -> None:
    (line,) = report_lines(report_of(held(), {}))

    assert line.startswith("There is nothing to add up: no agent has ever said a word")


def test_what_is_missing_is_shown_with_file_number_and_offset() -> None:
    report = report_of(held(0, 1, 3, 4), facts_at_rest(5))
    text = "\n".join(report_lines(report))

    assert "WRONG  web-1:/srv/app.log" in text
    assert f"missing: event 2 at offset {2 * LINE_BYTES}" in text
    assert text.endswith("It does NOT add up: 1 contradiction, as shown above.")
    text = "\n".join(report_lines(report_of(held(0, 1, 4), facts_at_rest(5))))
    assert text.endswith("It does NOT add up: 2 contradictions, as shown above.")


def test_of_an_altered_document_it_is_said_how_it_comes_back() -> None:
    report = report_of(held(*range(5)), facts_at_rest(5))
    (verdict,) = report.verdicts
    problem = Problem(kind=ProblemKind.ALTERED, text="its message is another")
    altered = replace(report, verdicts=(replace(verdict, problems=(problem,)),))
    assert "`tailrace audit --repair`" in "\n".join(report_lines(altered))
    assert "delete it" not in "\n".join(report_lines(report))


def test_what_is_in_flight_lost_or_rebuilt_is_shown() -> None:
    facts = replace(
        facts_at_rest(5),
        agent=agent_word(
            number=9,
            lost_bytes={"truncated": 1_000},
            identity_rebuilt=True,
            unwatched_since_ms=1,
        ),
    )
    drained = Drained(
        dead_lag={7: 3}, lagging=Lagging(unplaced_count=1, unread_count=2)
    )
    report = report_of(held(*range(5)), facts, drained=drained)
    text = "\n".join(report_lines(report))

    assert "4 events sent and not yet stored" in text
    assert "1,000 bytes truncated" in text
    assert "may be stored a second time" in text
    assert "truncated or deleted while no agent looked" in text
    assert "beside 1,000 bytes that were seen, what was written last" in text
    assert "3 dead letters are not indexed yet" in text
    assert "1 of them name no event" in text
    assert "2 of them were not read" in text


def test_the_help_says_what_success_without_waiting_excuses() -> None:
    said = " ".join(CliRunner().invoke(app, ["audit", "--help"]).stdout.split())

    assert "Exit 0 without --wait excuses what is in flight" in said
    assert "while the indexer stands still, a document that was deleted may be" in said


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (1, "1 dead letter names no event and is held to no count"),
        (1_200, "1,200 dead letters name no event and are held to no count"),
    ],
)
def test_letters_that_are_held_to_no_count_are_noted(count: int, said: str) -> None:
    """Also where an audit looks again at some generations, whose letters are others."""
    index = held(0, 1, 3, 4)
    index.unnamed_letter_count = count
    report = report_of(index, facts_at_rest(5))

    assert f"NOTE   {said}: " in "\n".join(report_lines(report))
    assert report_json(report)["dead_letters_without_number"] == count
    sound = report_of(held(*range(5)), facts_at_rest(5))
    assert "held to no count" not in "\n".join(report_lines(sound))
    assert report_json(sound)["dead_letters_without_number"] == 0


def test_a_loss_of_which_nothing_was_seen_is_not_told_beside_a_count() -> None:
    agent = agent_word(number=5, unwatched_since_ms=1)
    report = report_of(held(*range(5)), replace(facts_at_rest(5), agent=agent))
    text = "\n".join(report_lines(report))
    assert "no copy of it was found: what was written last may be lost" in text


@pytest.mark.parametrize(
    ("sent", "said"),
    [(6, "1 event is"), (7, "2 events are")],
    ids=["one", "several"],
)
def test_what_was_waited_for_in_vain_is_no_success(sent: int, said: str) -> None:
    """Standard output does not end with the words of success; the error has a remedy."""
    facts = replace(facts_at_rest(5), agent=agent_word(number=sent))
    report = report_of(held(*range(5)), facts, wait_ms_max=3_000)

    failure = overdue(report)

    assert report.is_overdue
    *_, last = report_lines(report)
    assert last == (
        f"NOT all has come: {said} still in flight; 5 events before add up, each"
        " exactly once."
    )
    assert str(failure) == f"{said} still in flight after 3 s."
    assert "wait longer" in failure.remedy


def test_bytes_that_nobody_has_read_are_waited_for_in_vain_too() -> None:
    word = agent_word(number=5)
    unread = msgspec.structs.replace(word, seen_size_bytes=word.seen_size_bytes + 1)
    facts = replace(facts_at_rest(5), agent=unread)

    failure = overdue(report_of(held(*range(5)), facts, wait_ms_max=3_000))

    assert str(failure) == "Something of 1 file is still in flight after 3 s."


def test_what_is_in_flight_is_no_failure_where_nobody_waits() -> None:
    facts = replace(facts_at_rest(5), agent=agent_word(number=6))
    report = report_of(held(*range(5)), facts)

    assert not report.is_overdue
    *_, last = report_lines(report)
    assert last == "Everything adds up: 5 events, each exactly once; 1 in flight."


@pytest.mark.parametrize("options", [[], ["--json"]], ids=["shown", "json"])
def test_an_audit_that_waits_in_vain_says_so_on_standard_error(
    options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = replace(facts_at_rest(5), agent=agent_word(number=6))
    report = report_of(held(*range(5)), facts, wait_ms_max=3_000)

    def audited(*_: object, **__: object) -> AuditReport:
        return report

    monkeypatch.setattr(audit_command, "run_audit", audited)

    result = CliRunner().invoke(app, ["audit", "--wait", "3", *options])

    assert result.exit_code == 1
    assert "1 event is still in flight after 3 s.\n-> wait longer" in result.stderr
    assert "adds up" not in result.stdout


def test_a_hostile_path_cannot_steer_a_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    facts = replace(facts_at_rest(5), agent=agent_word(number=9, path=HOSTILE))

    show(report_of(held(*range(5)), facts))

    shown = capsys.readouterr().out
    assert "\x1b]" not in shown
    assert "\\x1b]0;owned" in shown


@pytest.mark.parametrize(
    "dataset", ["elasticsearch.server", "a.much_longer_name.than_there_is_room_for"]
)
def test_a_dataset_is_named_in_full_where_there_are_80_columns(
    dataset: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line where it finds room, in several otherwise."""
    monkeypatch.setenv("COLUMNS", "80")
    word = agent_word(number=9)
    placement = msgspec.structs.replace(word.placement, dataset=dataset)
    word = msgspec.structs.replace(word, placement=placement)

    show(report_of(held(*range(5)), replace(facts_at_rest(5), agent=word)))

    table, _all, _sentences = capsys.readouterr().out.partition("\n all ")
    lines = table.splitlines()
    assert max(map(len, lines)) <= 80
    assert "…" not in "".join(lines)
    starts = [
        line.partition(" web-1")[0] if "web-1" in line else line for line in lines
    ]
    if len(dataset) <= 20:
        assert dataset in "\n".join(lines)
    assert dataset in "".join("".join(starts).split())


def test_the_report_for_programs_is_json() -> None:
    report = report_of(held(0, 1, 3, 4), facts_at_rest(5))

    told = orjson.loads(orjson.dumps(report_json(report)))

    assert told["verdict"] == "unsound"
    assert told["totals"]["read"] == 5
    assert told["generations"][0]["problems"][0]["event_number"] == 2
