"""A whole agent with rules: nothing of a secret leaves, and identity is as without them."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import msgspec
import pytest

from tailrace.errors import CommandFailed, ConfigError
from tailrace.holes import HoleRequest
from tailrace.kafka_producer import FailureKind
from tailrace.key_files import chosen_key
from tailrace.ledger import HoleAnswer
from tailrace.redaction.tokens import KEY_NAME, Tokens, kept_key
from tailrace.wire import DeadLetter, decode
from tailrace_agent.config import AgentSettings, SourceSettings
from tailrace_agent.observed import figures_of
from tests.agent.harness import (
    AgentHarness,
    Event,
    FailingSink,
    RecordingSink,
    events_of,
    ledger_records_of,
)
from tests.agent.test_observed import STATUS

CANARIES = (b"hunter2hunter", b"4111111111111111", b"bob@example.com", b"Q" * 20)
LINES = [
    b"started",
    b"password=hunter2hunter",
    b"card 4111111111111111 of bob@example.com",
    b"-----BEGIN EC PRIVATE KEY-----",
    b"Q" * 64,
    b"QQ==",
    b"-----END EC PRIVATE KEY-----",
    b"done",
]
CONTENT = b"\n".join(LINES) + b"\n"
RULES = {"redact": ["secrets", "cards", "email"]}


def agent_with(folder: Path, **more: object) -> AgentHarness:
    return AgentHarness(folder, source=RULES, **more)  # type: ignore[arg-type]


def all_bytes(sink: RecordingSink) -> bytes:
    headers = b"".join(value for r in sink.stored for _, value in r.headers)
    return headers + b"".join(r.key + r.value for r in sink.stored)


def assert_nothing_leaks(agent: AgentHarness) -> None:
    sent, said = all_bytes(agent.sink), repr(agent.logged.entries).encode()
    assert [c for c in CANARIES if c in sent or c in said] == []


def places(events: list[Event]) -> list[tuple[int, int]]:
    return [(event.offset, event.number) for event in events]


def test_x11_what_leaves_has_the_places_of_the_file_and_no_secret(
    tmp_path: Path,
) -> None:
    hiding = tmp_path / "hiding"
    hiding.mkdir()
    plain = AgentHarness(tmp_path)
    agent = agent_with(hiding)
    for one in (plain, agent):
        one.write("a.log", CONTENT)
        one.pass_ms()

    sent = events_of(agent.sink)

    assert places(sent) == places(events_of(plain.sink))
    assert sent[0].stored == b"started"
    assert sent[1].stored.startswith(b"password=[secret:")
    assert_nothing_leaks(agent)
    assert dict(agent.delivery.redacted) == {"cards": 1, "email": 1, "secrets": 3}


def test_x11_what_is_read_again_after_a_crash_has_the_same_words(
    tmp_path: Path,
) -> None:
    agent = agent_with(tmp_path)
    agent.write("a.log", CONTENT)
    agent.sink.holding_topic = "t.raw"
    agent.pass_ms()
    held = [record for _, record in agent.sink.held]
    agent.crash()

    again = agent_with(tmp_path, ledger=agent.sink)
    again.pass_ms()

    raw = [r for r in again.sink.stored if r.topic == "t.raw"]
    assert [r.value for r in raw] == [r.value for r in held]
    assert_nothing_leaks(again)


def test_x11_a_hole_is_filled_with_the_words_of_the_first_time(tmp_path: Path) -> None:
    agent = agent_with(tmp_path)
    agent.write("a.log", CONTENT)
    agent.pass_ms()
    sent = events_of(agent.sink)
    ask(agent, sent[4:], end=len(CONTENT))

    agent.pass_ms()

    assert events_of(agent.sink)[len(sent) :] == sent[4:]
    assert_nothing_leaks(agent)
    assert agent.delivery.redacted["secrets"] == 3


def test_x11_a_hole_of_a_source_that_is_gone_is_not_read(tmp_path: Path) -> None:
    """Nobody knows any more what its rules were."""
    agent = agent_with(tmp_path)
    agent.write("a.log", CONTENT)
    agent.pass_ms()
    sent = events_of(agent.sink)
    agent.stop()
    other = AgentHarness(
        tmp_path, glob="other*.log", source={"name": "other"}, ledger=agent.sink
    )
    other.pass_ms()
    ask(other, sent[1:3], end=sent[3].offset)

    other.pass_ms()

    assert events_of(other.sink) == []
    (answer,) = [r for r in ledger_records_of(other.sink) if isinstance(r, HoleAnswer)]
    assert "not configured any more" in answer.refusal


def ask(agent: AgentHarness, events: list[Event], *, end: int) -> None:
    agent.requests.asked.append(
        HoleRequest(
            generation=events[0].generation,
            path=events[0].path,
            first_offset=events[0].offset,
            next_offset=end,
            first_event_number=events[0].number,
            event_count=len(events),
        )
    )


def test_x11_a_chunk_that_dies_at_the_agent_shows_no_secret(tmp_path: Path) -> None:
    sink = FailingSink()
    agent = agent_with(tmp_path, sink=sink)
    agent.write("a.log", b"started\n")
    agent.pass_ms()
    agent.write("a.log", CONTENT)
    sink.fail_next = FailureKind.TOO_LARGE

    agent.pass_ms()

    (dead,) = [r for r in sink.stored if r.topic.endswith(".dead")]
    assert b"password=[secret:" in decode(dead.value, as_type=DeadLetter).original
    assert_nothing_leaks(agent)


def test_x11_archives_and_copies_are_redacted_as_their_originals(
    tmp_path: Path,
) -> None:
    agent = agent_with(tmp_path, glob="*")
    agent.write("old.log.gz", gzip.compress(b"x\n" * 50_000 + CONTENT))
    agent.write("a.log", CONTENT)
    agent.pass_ms(20_000)

    archived = [e for e in events_of(agent.sink) if e.path.endswith(".gz")]

    assert len(archived) == 50_000 + len(LINES)
    assert archived[-3].stored.startswith(b"[secret:")
    assert_nothing_leaks(agent)


def test_x11_first_letters_of_a_key_that_are_flushed_alone_leak_nothing(
    tmp_path: Path,
) -> None:
    """Its writer stops within the first line; what it writes later is the same line."""
    agent = agent_with(tmp_path)
    agent.write("a.log", b"-----BEGIN EC PRIVATE KEY-----\n" + b"Q" * 25)
    agent.pass_ms(10_000)
    agent.write("a.log", b"Q" * 39 + b"\n-----END EC PRIVATE KEY-----\n")
    agent.pass_ms(10_000)
    assert len(events_of(agent.sink)) == 4
    assert_nothing_leaks(agent)


def test_x11_lines_that_come_one_by_one_are_known_by_those_before(
    tmp_path: Path,
) -> None:
    """Each is a chunk of its own: a key's lines are told by the file alone."""
    agent = agent_with(tmp_path)
    for line in LINES:
        agent.write("a.log", line + b"\n")
        agent.pass_ms(1_000)

    assert len([r for r in agent.sink.stored if r.topic == "t.raw"]) == len(LINES)
    assert_nothing_leaks(agent)


def test_x11_other_rules_change_words_and_no_place(tmp_path: Path) -> None:
    agent = agent_with(tmp_path)
    agent.write("a.log", CONTENT)
    agent.pass_ms()
    agent.stop()

    later = AgentHarness(tmp_path, source={"redact": ["cards"]}, ledger=agent.sink)
    later.write("a.log", CONTENT)
    later.pass_ms()

    sent = events_of(agent.sink)
    found = events_of(later.sink)
    assert places(found) == [
        (len(CONTENT) + e.offset, len(sent) + e.number) for e in sent
    ]
    assert found[1].stored == LINES[1]
    before, after = sent[2].stored.split(), found[2].stored.split()
    assert before[1] == after[1]


def test_x11_a_key_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    key = kept_key(tmp_path)
    path = tmp_path / KEY_NAME
    path.chmod(0o644)

    assert kept_key(tmp_path) == key
    assert path.stat().st_mode & 0o777 == 0o600
    assert key.hex() not in repr(Tokens(key))


def test_x11_a_damaged_key_is_not_replaced_in_silence(tmp_path: Path) -> None:
    (tmp_path / KEY_NAME).write_text("abc")

    with pytest.raises(CommandFailed, match="damaged"):
        kept_key(tmp_path)


def test_x11_a_key_may_be_given_by_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("a secret of this site\n")
    assert chosen_key(path, name="redact_key_file") == b"a secret of this site"

    path.write_text("short\n")
    with pytest.raises(CommandFailed, match="at least 16"):
        chosen_key(path, name="redact_key_file")
    with pytest.raises(CommandFailed, match="cannot be read"):
        chosen_key(tmp_path / "none", name="redact_key_file")


def test_x11_an_agent_without_rules_makes_no_key(tmp_path: Path) -> None:
    AgentHarness(tmp_path)
    assert not (tmp_path / "state" / KEY_NAME).exists()
    (tmp_path / "more").mkdir()
    agent_with(tmp_path / "more")
    assert (tmp_path / "more" / "state" / KEY_NAME).exists()


def test_x11_a_key_that_is_given_is_shown_nowhere() -> None:
    settings = AgentSettings(redact_key="a secret of this site")  # type: ignore[arg-type]
    assert "secret of this" not in repr(settings) + str(settings.model_dump())


def test_x11_every_problem_of_the_rules_is_told_at_once(tmp_path: Path) -> None:
    from tailrace.settings import read_role_settings

    config = tmp_path / "c.toml"
    config.write_text(
        """[agent]
redact_key = "short one"
[[agent.sources]]
name = "a"
paths = ["/a/*.log"]
redact = ["secrets", "kards", {name = "ticket", pattern = "("}]
[[agent.sources]]
name = "b"
paths = ["/b/*.log"]
redact = [{name = "email", pattern = "x"}, "cards", "cards"]
"""
    )

    with pytest.raises(ConfigError) as caught:
        read_role_settings(AgentSettings, config_file=config)

    problems = "\n".join(caught.value.problems)
    assert "agent.redact_key: must have at least 16" in problems
    assert "short one" not in problems
    assert "agent.sources.0.redact.1: no rule is named 'kards'" in problems
    assert "agent.sources.0.redact.2.pattern: '(' is no pattern" in problems
    assert "agent.sources.1.redact.0: 'email' names a rule" in problems


def test_x11_a_rule_is_named_once() -> None:
    values = {"name": "a", "paths": ["/a"], "redact": ["cards", "cards"]}
    with pytest.raises(ValueError, match="more than one rule cards"):
        SourceSettings.model_validate(values)


def test_x11_only_one_key_is_given(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="both given"):
        AgentSettings(redact_key="0123456789abcdef", redact_key_file=tmp_path / "key")  # type: ignore[arg-type]


def test_x11_what_was_taken_out_is_counted_by_rule() -> None:
    told = msgspec.structs.replace(STATUS, redacted={"cards": 3, "ticket": 1})
    out = io.StringIO()
    for metric in figures_of(told, now_ms=0):
        for sample in metric.samples:
            out.write(f"{sample.name}{sample.labels} {sample.value}\n")

    assert "tailrace_agent_redacted_total{'rule': 'cards'} 3" in out.getvalue()
    assert "tailrace_agent_redacted_total{'rule': 'ticket'} 1" in out.getvalue()
