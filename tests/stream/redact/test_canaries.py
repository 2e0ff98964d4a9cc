"""X11: what was planted in lines is in nothing that the stream sends, writes or says."""

from __future__ import annotations

import re
from base64 import b64decode
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tailrace.audit.line import alteration
from tailrace.framing import FLAG_CUT, MappedEvent, encode_mapped
from tailrace.topics import DEAD, DOCS
from tailrace.wire import DeadLetter, Placement, decode
from tailrace_stream.records import Outgoing, RawRecord
from tailrace_stream.redact.build import redaction_of
from tailrace_stream.redact.config import RedactionSettings
from tailrace_stream.redact.redaction import Redaction
from tailrace_stream.status import StatusFile
from tests.stream.builders import (
    ACCESS_LINE,
    BORN_AT_MS,
    NAMESPACE,
    chunk_record,
    origin,
    placement,
    raw_record,
    stored_of,
)
from tests.stream.poison import POISON, poison_at
from tests.stream.publishers import RecordingPublisher
from tests.stream.running import to_end
from tests.stream.test_worker import PARTITION, MemoryPartition, worker_on

KEY = "0123456789abcdef0123456789abcdef"
PASSWORD = b"Canary-7f3a9c"
CARD = b"4111111111111111"
EMAIL = b"canary.bird@example.com"
CUSTOMER = b"cust-31415926"
KEY_LINES = [b"%02dCanaryKey" % n + b"Ab3/" * 13 for n in range(6)]
CANARIES = [PASSWORD, CARD, EMAIL, b"31415926", b"CanaryKey"]
RULES = ["secrets", "cards", "email", {"name": "customer", "pattern": r"cust-(\d{8})"}]
SECRET_TEXT = b"password=%s card %s mail %s of %s" % (PASSWORD, CARD, EMAIL, CUSTOMER)
BASE64 = re.compile(rb"[A-Za-z0-9+/]{8,}={0,2}")


def redaction(**given: object) -> Redaction:
    settings = {"rules": RULES, "key": KEY, **given}
    return redaction_of(RedactionSettings.model_validate(settings))


class Said:
    """All that came out of a worker: what it sent, its status, and its log."""

    def __init__(
        self, records: list[RawRecord], *, by: Redaction, folder: Path
    ) -> None:
        publisher = RecordingPublisher()
        partition = MemoryPartition(records)
        worker = worker_on(partition, publisher, redaction=by)

        async def run() -> None:
            worker.assign([PARTITION])
            for record in records:
                await worker.take(record)
            await worker.drain(wait_ms_max=10_000)
            await worker.commit()
            await worker.stop(wait_ms_max=10_000)

        with capture_logs() as logs:
            to_end(run())
        self.sent: list[Outgoing] = publisher.durable
        self.counts = worker.counts
        status = StatusFile(folder, started_at_ms=1)
        status.write(worker.counts, acked={}, now_ms=2)
        self.texts = [
            repr(logs).encode(),
            repr(by).encode(),
            repr(worker.counts).encode(),
        ]
        self.texts += [
            path.read_bytes() for path in folder.rglob("*") if path.is_file()
        ]
        for record in self.sent:
            self.texts += [record.value, record.header, record.key]

    def all_bytes(self) -> bytes:
        """Return it all, and what stands in base64 in it as it is."""
        whole = b"\n".join(self.texts)
        return whole + b"".join(
            b64decode(found[: len(found) // 4 * 4])
            for found in BASE64.findall(whole.replace(b"\\n", b" "))
        )

    def documents(self) -> list[dict[str, object]]:
        return [
            one.document
            for record in self.sent
            if record.topic == DOCS.name(NAMESPACE) and record.value
            for one in stored_of(record.value)
        ]

    def letters(self) -> list[DeadLetter]:
        return [
            decode(record.value, as_type=DeadLetter)
            for record in self.sent
            if record.topic == DEAD.name(NAMESPACE)
        ]


def record_of(*lines: bytes, placed: Placement, offset: int = 0) -> RawRecord:
    value = b"\n".join(lines) + b"\n"
    return chunk_record(value, made=origin(value, placed=placed), offset=offset)


def assert_no_canary(said: Said) -> None:
    whole = said.all_bytes()
    assert [canary for canary in CANARIES if canary in whole] == []


LINES = {
    "plain": b"login " + SECRET_TEXT,
    "json": b'{"message":"%s","customer":"%s"}' % (SECRET_TEXT, CUSTOMER),
    "logfmt": b'level=info msg="x" password=%s to=%s card="%s" c=%s'
    % (PASSWORD, EMAIL, CARD, CUSTOMER),
    "access": ACCESS_LINE.replace(
        b"/a/b?c=d",
        b"/a?password=%s&m=%s&c=%s&k=%s" % (PASSWORD, EMAIL, CARD, CUSTOMER),
    ),
    "syslog": b"Nov 24 01:02:03 web1 app[7]: " + SECRET_TEXT,
    "cri": b"2026-11-24T01:02:03.123456789Z stdout F " + SECRET_TEXT,
    "docker": (
        b'{"log":"%s\\n","stream":"stdout","time":"2026-11-24T01:02:03Z"}' % SECRET_TEXT
    ),
}


@pytest.mark.parametrize("parser", LINES)
def test_x11_no_canary_leaves_the_stream_in_any_shape(
    parser: str, tmp_path: Path
) -> None:
    line = LINES[parser]
    harmless = line.replace(SECRET_TEXT, b"nothing of note")
    record = record_of(harmless, line, harmless, placed=placement(parser, dataset="x"))
    said = Said([record], by=redaction(), folder=tmp_path)
    assert_no_canary(said)
    assert len(said.documents()) == 3
    assert b"[secret:" in b"".join(said.texts)
    assert said.counts["redacted.cards"] == (3 if harmless == line else 1)
    assert not any(reason.startswith("dead_letters") for reason in said.counts)


@pytest.mark.parametrize(
    "shape",
    [
        b"GET /to?u=amqp%%3A%%2F%%2Fbob%%3A%s%%40mq%%2Fx",
        b'<password type="x">%s</password>',
        b"ALTER USER bob IDENTIFIED BY '%s'",
        b"GET /o?X-Amz-Signature=%s&x=1",
        b'{"name":"password","value":"%s"}',
        b'{"value":"%s","name":"password"}',
    ],
)
@pytest.mark.parametrize("parser", ["plain", "json"])
def test_x11_canary_behind_a_name_of_many_shapes_does_not_leave_the_stream(
    shape: bytes, parser: str, tmp_path: Path
) -> None:
    line = shape % PASSWORD
    if parser == "json" and not line.startswith(b"{"):
        line = b'{"message":"%s"}' % line.replace(b'"', b'\\"')
    record = record_of(line, placed=placement(parser, dataset="x"))
    said = Said([record], by=redaction(), folder=tmp_path)
    assert_no_canary(said)
    assert len(said.documents()) == 1
    assert b"[secret:" in b"".join(said.texts)


def test_x11_canary_leaves_the_stream_where_nothing_is_asked_for(
    tmp_path: Path,
) -> None:
    """So that the test above can fail."""
    record = record_of(LINES["plain"], placed=placement("plain", dataset="x"))
    whole = Said([record], by=Redaction(), folder=tmp_path).all_bytes()
    assert [canary in whole for canary in CANARIES[:4]] == [True] * 4


def test_x11_bytes_that_are_no_text_are_hidden_in_base64_too(tmp_path: Path) -> None:
    record = record_of(b"\xff " + SECRET_TEXT, placed=placement("plain", dataset="x"))
    said = Said([record], by=redaction(), folder=tmp_path)
    assert_no_canary(said)
    assert "tailrace.original_base64" in said.documents()[0]


def test_x11_private_key_is_hidden_where_a_chunk_begins_and_ends_within_it(
    tmp_path: Path,
) -> None:
    lines = [b"-----BEGIN PRIVATE KEY-----", *KEY_LINES, b"-----END PRIVATE KEY-----"]
    placed = placement("plain", dataset="x")
    for cut in range(1, len(lines)):
        first = b"".join(line + b"\n" for line in lines[:cut])
        rest = b"".join(line + b"\n" for line in [*lines[cut:], b"the next line"])
        records = [
            chunk_record(first, made=origin(first, placed=placed)),
            chunk_record(
                rest,
                made=origin(
                    rest, placed=placed, first_offset=len(first), first_event_number=cut
                ),
                offset=1,
            ),
        ]
        said = Said(records, by=redaction(), folder=tmp_path)
        assert_no_canary(said)
        assert said.documents()[-1]["message"] == "the next line"


def test_x11_dead_letters_of_all_reasons_hold_no_canary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison_at(monkeypatch)
    placed = placement("plain", dataset="x")
    value = b"framing " + SECRET_TEXT
    broken = origin(value, placed=placed, framing="mapped")
    records = [
        record_of(b"fine", b"POISON " + SECRET_TEXT, placed=placed),
        chunk_record(value, made=broken, offset=1),
        raw_record(b"origin " + SECRET_TEXT, offset=2, header=b"{"),
    ]
    said = Said(records, by=redaction(), folder=tmp_path)
    assert POISON in said.all_bytes()
    assert_no_canary(said)
    assert sorted(letter.reason for letter in said.letters()) == [
        "framing_unreadable",
        "origin_unreadable",
        "parser_raised",
    ]
    assert all(b"[secret:" in letter.original for letter in said.letters())


def test_x11_event_that_was_cut_shows_no_half_of_a_secret(tmp_path: Path) -> None:
    # Of an address that was cut before its @ nobody can tell that it is one.
    stored = b"x" * 3_000 + b" password=" + PASSWORD[:9] + b" mail canary.bird"
    event = MappedEvent(0, 9_000, 1, stored, FLAG_CUT)
    value = encode_mapped([event])
    made = origin(value, placed=placement("plain", dataset="x"), framing="mapped")
    said = Said([chunk_record(value, made=made)], by=redaction(), folder=tmp_path)
    assert PASSWORD[:9] not in said.all_bytes()
    assert b"canary.bird" not in said.all_bytes()
    assert said.documents()[0]["tailrace.original_size_bytes"] == 9_000


def made_with(by: Redaction, folder: Path, line: bytes) -> tuple[bytes, bytes]:
    record = record_of(line, placed=placement("plain", dataset="x"))
    sent = Said([record], by=by, folder=folder).sent
    body = next(one.value for one in sent if one.topic == DOCS.name(NAMESPACE))
    action, _, rest = body.partition(b"\n")
    return action, rest.removesuffix(b"\n")


def test_x11_identity_stays_that_of_the_line_and_a_deep_audit_believes_it(
    tmp_path: Path,
) -> None:
    import json

    plain_action, _ = made_with(Redaction(), tmp_path, LINES["plain"])
    action, document = made_with(redaction(), tmp_path, LINES["plain"])
    assert action == plain_action
    decoded = json.loads(document)
    assert decoded["tailrace.original_size_bytes"] == len(LINES["plain"])
    found = alteration(
        document,
        decoded,
        document_id=json.loads(action)["create"]["_id"],
        born_at_ms=BORN_AT_MS,
    )
    assert found is None


def test_x11_token_is_the_agents_for_the_same_key(tmp_path: Path) -> None:
    from tailrace.redaction.config import RedactRule
    from tailrace.redaction.redactor import replaced
    from tailrace.redaction.rules import redactor_of
    from tailrace.redaction.tokens import Tokens

    rules = RedactionSettings.model_validate({"rules": RULES, "key": KEY}).rules
    assert all(isinstance(rule, RedactRule) for rule in rules)
    agents = redactor_of(rules, tokens=Tokens(KEY.encode()))
    line = LINES["plain"]
    _, document = made_with(redaction(), tmp_path, line)
    assert replaced(line, agents.find(line), offset=0) in document


@pytest.mark.parametrize("shape", LINES)
@pytest.mark.parametrize("key", [KEY, KEY[::-1]])
def test_x11_what_the_agent_has_hidden_stays_as_it_is(
    shape: str, key: str, tmp_path: Path
) -> None:
    """A token of a token would be another one than the same secret has elsewhere."""
    from tailrace.redaction.redactor import replaced
    from tailrace.redaction.rules import redactor_of
    from tailrace.redaction.tokens import Tokens

    rules = RedactionSettings.model_validate({"rules": RULES, "key": key}).rules
    line = LINES[shape]
    found = redactor_of(rules, tokens=Tokens(key.encode())).find(line)
    assert len(found) >= 4
    hidden = replaced(line, found, offset=0)
    by = redaction(fields=["user.name", "attributes.customer", "attributes.password"])
    assert made_with(by, tmp_path / "by", hidden) == made_with(
        Redaction(), tmp_path / "as it is", hidden
    )


def test_what_has_no_secret_is_byte_for_byte_what_it_was(tmp_path: Path) -> None:
    line = b"nothing of note at all"
    assert made_with(redaction(), tmp_path, line) == made_with(
        Redaction(), tmp_path, line
    )


def test_x11_last_line_that_has_not_ended_shows_no_half_of_a_secret(
    tmp_path: Path,
) -> None:
    value = b"Authorization: none\nfetch https://bird:" + PASSWORD[:9]
    made = origin(value, placed=placement("plain", dataset="x"))
    said = Said([chunk_record(value, made=made)], by=redaction(), folder=tmp_path)
    assert PASSWORD[:9] not in said.all_bytes()
