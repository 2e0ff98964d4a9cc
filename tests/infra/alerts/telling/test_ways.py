from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tailrace.alerts.config import ChannelSettings
from tailrace.alerts.telling.http_post import SendFailed
from tailrace.alerts.telling.notes import Note, mail_of, slack_body
from tailrace.alerts.telling.ways import send
from tests.infra.alerts.telling.hooks import hook_server
from tests.infra.alerts.test_records import alert

HOSTILE = "<!channel> <https://evil.example|x> *b* `c` & ${jndi} {{7*7}} {0.__class__}"


def channel(**given: object) -> ChannelSettings:
    return ChannelSettings.model_validate({"name": "ops", **given})


def note(**changed: object) -> Note:
    return Note(what="raised", alert=alert(**changed))


def test_a_webhook_is_sent_the_alert_with_its_id_in_body_and_header() -> None:
    with hook_server() as hook:
        told = note()
        send(channel(kind="webhook", url=hook.url, hosts_allowed=["127.0.0.1"]), told)
        ((path, headers, body),) = hook.posts
    assert path == "/hook?token=s3cr3t"
    assert headers["Idempotency-Key"] == told.note_id
    sent = json.loads(body)
    assert sent["id"] == told.alert.alert_id
    assert sent["group"] == {"host.name": "web-1"}
    assert (sent["rule"], sent["what"], sent["value"]) == ("many", "raised", 11)


def test_x14_test_and_real_sending_go_the_same_guarded_way() -> None:
    with hook_server() as hook:
        for kind in ("webhook", "slack"):
            with pytest.raises(SendFailed, match="inside"):
                send(channel(kind=kind, url=hook.url), note())
        assert hook.posts == []


def test_x16_nothing_that_stood_in_a_line_is_markup_or_is_run_in_slack() -> None:
    told = note(message=HOSTILE, fields={"host.name": HOSTILE})
    body = json.loads(slack_body(told))
    text = body["attachments"][0]["text"]
    assert "<" not in text
    assert ">" not in text
    assert "&lt;!channel&gt;" in text
    assert "{{7*7}} {0.__class__}" in text
    assert body["attachments"][0]["mrkdwn_in"] == []


def test_x16_nothing_that_stood_in_a_line_is_a_header_of_a_mail() -> None:
    told = note(message="x\r\nBcc: evil@example.com\r\n\r\n<b>", rule="many")
    mail = mail_of(
        told,
        channel(kind="email", smtp_host="m", sender="a@b.c", recipients=["d@e.f"]),
    )
    assert set(mail.keys()) >= {"Subject", "From", "To", "Message-ID"}
    assert "Bcc" not in mail
    assert mail.get_content_type() == "text/plain"
    assert mail["Message-ID"] == f"<{told.note_id}@tailrace>"
    assert "\\x0d\\x0aBcc" in mail.get_content()


@contextmanager
def mail_server() -> Generator[tuple[int, list[str]]]:
    """Take mails by the least of SMTP; yield the port, and what was sent line by line."""
    lines: list[str] = []
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, connection.makefile("rwb") as stream:

            def say(text: bytes) -> None:
                stream.write(text + b"\r\n")
                stream.flush()

            say(b"220 ready")
            is_data = False
            for raw in stream:
                line = raw.decode().rstrip("\r\n")
                lines.append(line)
                if is_data:
                    if line == ".":
                        is_data = False
                        say(b"250 taken")
                elif line.upper() == "DATA":
                    is_data = True
                    say(b"354 go on")
                elif line.upper() == "QUIT":
                    say(b"221 bye")
                    return
                else:
                    say(b"250 well")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], lines
    finally:
        thread.join(10)
        listener.close()


def test_a_mail_is_sent_to_each_recipient() -> None:
    with mail_server() as (port, lines):
        send(
            channel(
                kind="email",
                smtp_host="127.0.0.1",
                smtp_port=port,
                smtp_tls="none",
                sender="tailrace@example.com",
                recipients=["a@example.com", "b@example.com"],
            ),
            note(),
        )
    assert "rcpt TO:<a@example.com>" in lines
    assert "rcpt TO:<b@example.com>" in lines
    assert "Subject: [warning] many" in lines
    assert "11 events" in lines


def test_a_mail_that_is_not_taken_names_no_secret() -> None:
    with pytest.raises(SendFailed) as caught:
        send(
            channel(
                kind="email",
                smtp_host="127.0.0.1",
                smtp_port=1,
                smtp_password="s3cr3t",
                sender="a@b.c",
                recipients=["d@e.f"],
            ),
            note(),
        )
    assert "s3cr3t" not in repr(caught.value)


def test_apprise_tells_by_whatever_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    import apprise

    told: list[dict[str, Any]] = []

    def notify(_self: object, **given: object) -> bool:
        told.append(given)
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    send(channel(kind="apprise", url="ntfy://s3cr3t-topic"), note())
    assert told == [
        {
            "title": "[warning] many",
            "body": note().text,
            "notify_type": "warning",
        }
    ]


@pytest.mark.parametrize("url", ["nosuch://s3cr3t", "s3cr3t"])
def test_x14_what_apprise_does_not_know_is_told_without_the_url(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(SendFailed) as caught:
        send(channel(kind="apprise", url=url), note())
    assert "does not know a url of this kind" in caught.value.reason
    assert "s3cr3t" not in f"{caught.value!r} {caplog.text}"


def test_x14_a_plain_webhook_is_not_sent_by_apprise_which_would_not_guard_it() -> None:
    with pytest.raises(ValueError, match="of kind webhook"):
        channel(kind="apprise", url="json://127.0.0.1:9200/")
