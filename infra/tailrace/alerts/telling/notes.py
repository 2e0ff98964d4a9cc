"""What is told of an alert, in each shape: JSON of ours, Slack's, a mail. Pure.

Words are ours alone and values are text: nothing that stood in a line is a link, a mention
or a header anywhere, and no template is run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import formatdate

import orjson

from tailrace.alerts.config import ChannelSettings
from tailrace.alerts.records import Alert, What

SUBJECT_CHARACTERS_MAX = 150
COLOURS = {"info": "#439fe0", "warning": "#daa038", "critical": "#d00000"}
OVER_COLOUR = "#2eb886"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing to tell of one alert."""

    what: What
    alert: Alert

    @property
    def note_id(self) -> str:
        """By which who hears it twice knows that it is the same."""
        return f"{self.alert.alert_id}-{self.what}"

    @property
    def title(self) -> str:
        """One line: how grave it is, and which rule says so."""
        grade = "over" if self.what == "over" else self.alert.severity
        return f"[{grade}] {self.alert.rule}"

    @property
    def text(self) -> str:
        """What is so, and since when."""
        alert = self.alert
        since = _moment(alert.start_ms)
        if self.what == "over" and alert.over_at_ms is not None:
            until = _moment(alert.over_at_ms)
            return f"It was so from {since} to {until}: {alert.message}"
        return f"{alert.message}\nSince {since}."


def webhook_body(note: Note) -> bytes:
    """Return it as JSON of ours."""
    alert = note.alert
    return orjson.dumps(
        {
            "id": alert.alert_id,
            "note_id": note.note_id,
            "what": note.what,
            "rule": alert.rule,
            "severity": alert.severity,
            "status": alert.status,
            "group": alert.fields,
            "value": alert.value,
            "message": alert.message,
            "start": _moment(alert.start_ms),
            "over": None if alert.over_at_ms is None else _moment(alert.over_at_ms),
        }
    )


def slack_body(note: Note) -> bytes:
    """Return it in the shape of Slack's incoming webhooks, which others take as well."""
    alert = note.alert
    colour = OVER_COLOUR if note.what == "over" else COLOURS[alert.severity]
    # `<!channel>` and links begin with one of these; so does all markup that acts.
    return orjson.dumps(
        {
            "text": _slack_text(note.title),
            "attachments": [
                {
                    "color": colour,
                    "text": _slack_text(note.text),
                    # Stars and backticks of a line are no markup either.
                    "mrkdwn_in": [],
                    "footer": note.note_id,
                }
            ],
        }
    )


def mail_of(note: Note, channel: ChannelSettings) -> EmailMessage:
    """Return it as a mail; its id is the note's, so that one sent twice is shown once."""
    message = EmailMessage()
    message["Subject"] = " ".join(note.title.split())[:SUBJECT_CHARACTERS_MAX]
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    at_ms = note.alert.over_at_ms if note.what == "over" else note.alert.raised_at_ms
    message["Date"] = formatdate((at_ms or note.alert.raised_at_ms) / 1_000)
    message["Message-ID"] = f"<{note.note_id}@tailrace>"
    message.set_content(f"{note.text}\n\n{note.note_id}\n")
    return message


def _slack_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _moment(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, tz=UTC)
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
