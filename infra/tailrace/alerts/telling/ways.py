"""How each kind of channel is told: by a POST, by a mail, by apprise."""

from __future__ import annotations

import contextlib
import logging
import smtplib
import ssl
from collections.abc import Callable, Generator
from typing import Any, Protocol, TypeAlias

from tailrace.alerts.config import ChannelSettings
from tailrace.alerts.telling.http_post import TIMEOUT_S, SendFailed, post
from tailrace.alerts.telling.notes import Note, mail_of, slack_body, webhook_body

Send: TypeAlias = Callable[[ChannelSettings, Note], None]
"""Tells a channel; raises `SendFailed` where it was not taken."""


class Post(Protocol):
    """Sends a body to a URL, as `http_post.post` does."""

    def __call__(
        self,
        url: str,
        body: bytes,
        *,
        allowed: tuple[str, ...],
        headers: dict[str, str],
    ) -> None:
        """Return once it was taken."""
        ...


def send(channel: ChannelSettings, note: Note, *, by_post: Post = post) -> None:
    """Tell a channel of an alert.

    Raises:
        SendFailed: it was not taken; the reason names no secret.
    """
    if channel.kind == "email":
        _mail(channel, note)
    elif channel.kind == "apprise":
        _apprise(channel, note)
    else:
        body = slack_body(note) if channel.kind == "slack" else webhook_body(note)
        by_post(
            channel.url.get_secret_value(),
            body,
            allowed=channel.hosts_allowed,
            headers={"Idempotency-Key": note.note_id},
        )


def _mail(channel: ChannelSettings, note: Note) -> None:
    context = ssl.create_default_context()
    try:
        with _server(channel, context) as server:
            if channel.smtp_tls == "starttls":
                server.starttls(context=context)
            password = channel.smtp_password.get_secret_value()
            if channel.smtp_username:
                server.login(channel.smtp_username, password)
            refused = server.send_message(mail_of(note, channel))
    except (OSError, smtplib.SMTPException) as error:
        raise SendFailed(f"the mail was not taken: {type(error).__name__}") from None
    if refused:
        # The others have it: to send it again would tell them twice.
        logging.getLogger(__name__).warning(
            "a mail was taken for all but %d recipients", len(refused)
        )


def _server(channel: ChannelSettings, context: ssl.SSLContext) -> smtplib.SMTP:
    host, port = channel.smtp_host, channel.smtp_port
    if channel.smtp_tls == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_S, context=context)
    return smtplib.SMTP(host, port, timeout=TIMEOUT_S)


def _apprise(channel: ChannelSettings, note: Note) -> None:
    try:
        import apprise
    except ImportError:
        reason = "apprise is not installed: `pip install 'tailrace[alerts]'`"
        raise SendFailed(reason) from None
    library: Any = apprise
    url = channel.url.get_secret_value()
    with _muted("apprise"):
        told = library.Apprise()
        if not told.add(url):
            raise SendFailed("apprise does not know a url of this kind")
        kinds = {"info": "info", "warning": "warning", "critical": "failure"}
        kind = "success" if note.what == "over" else kinds[note.alert.severity]
        try:
            is_taken = told.notify(body=note.text, title=note.title, notify_type=kind)
        except Exception as error:  # noqa: BLE001 - its plugins raise many kinds
            reason = f"apprise failed: {type(error).__name__}"
            raise SendFailed(reason) from None
    if not is_taken:
        raise SendFailed("apprise was refused")


class _Nothing(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        del record
        return False


@contextlib.contextmanager
def _muted(name: str) -> Generator[None]:
    """Keep a library from writing what it sends, and to where, into our log."""
    library, nothing = logging.getLogger(name), _Nothing()
    library.addFilter(nothing)
    try:
        yield
    finally:
        library.removeFilter(nothing)
