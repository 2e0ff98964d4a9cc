"""Which rules, silences and channels a person may write: `[indexer.alerts]` of the settings."""

from __future__ import annotations

import re
from datetime import datetime, time, tzinfo
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, SecretStr, model_validator

from tailrace.alerts.builtin import (
    BUILT_IN_NAMES,
    DEAD_LETTERS_RISING,
    FACT_RULES,
    FactRule,
)
from tailrace.alerts.rule_settings import (
    CHANNELS_MAX,
    NAME_PATTERN,
    RuleSettings,
    Table,
)
from tailrace.extras import missing_modules

RULES_MAX = 200
SILENCES_MAX = 200
DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


class SilenceSettings(Table):
    """When nobody is to be told of some alerts; they are recorded all the same."""

    rules: tuple[str, ...] = Field(default=("*",), min_length=1, max_length=RULES_MAX)
    """Names of rules, or globs of some."""
    groups: dict[str, str] = Field(default={}, max_length=10)
    """By field, the value or glob that the alert's group must have."""
    since: datetime | None = None
    until: datetime | None = None
    """From and to which moment, once."""
    days: tuple[str, ...] = Field(default=(), max_length=7)
    """On which days of the week; all where there is a time and no day."""
    from_time: time | None = None
    to_time: time | None = None
    """Within these times of day; over midnight where the second is the lesser."""
    timezone: str = "UTC"

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        problems = [
            f"days: {day!r} is none of {', '.join(DAYS)}"
            for day in self.days
            if day not in DAYS
        ]
        try:
            zone_of(self.timezone)
        except ValueError as error:
            problems.append(str(error))
        if (self.from_time is None) != (self.to_time is None):
            problems.append("from_time and to_time belong together")
        if (
            self.since
            and self.until
            and self._moment(self.until) <= self._moment(self.since)
        ):
            problems.append("until must be after since")
        if not (self.since or self.until or self.days or self.from_time):
            problems.append(
                "it needs since, until, days or from_time: when is it silent?"
            )
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _moment(self, moment: datetime) -> float:
        return moment_in(moment, timezone="UTC").timestamp()


def zone_of(name: str) -> tzinfo:
    """Return a time zone by its name in the database of zones.

    Raises:
        ValueError: there is none of that name.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"timezone: {name!r} is not known") from None


def moment_in(moment: datetime, *, timezone: str) -> datetime:
    """Return a moment with a zone: its own, or else that of its table."""
    return moment if moment.tzinfo else moment.replace(tzinfo=zone_of(timezone))


class ChannelSettings(Table):
    """One way to tell somebody."""

    name: str = Field(pattern=NAME_PATTERN)
    kind: Literal["webhook", "slack", "email", "apprise"]
    url: SecretStr = SecretStr("")
    """Of a webhook, in Slack's shape or ours, or any that apprise knows: tokens in it."""
    hosts_allowed: tuple[str, ...] = Field(default=(), max_length=20)
    """Names or addresses of the URL's host that may lie in a private network."""
    smtp_host: str = ""
    smtp_port: int = Field(default=587, ge=1, le=65_535)
    smtp_tls: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    sender: str = Field(default="", max_length=320)
    recipients: tuple[str, ...] = Field(default=(), max_length=100)

    @model_validator(mode="after")
    def _means_something(self) -> Self:
        if problems := channel_problems(self):
            raise ValueError("; ".join(problems))
        return self


def channel_problems(channel: ChannelSettings) -> list[str]:
    """Return what is missing or too much in a channel; never what is secret in it."""
    url = channel.url.get_secret_value()
    problems: list[str] = []
    if channel.kind == "email":
        needed = ("smtp_host", "sender", "recipients")
        problems += [
            f"{one} is required" for one in needed if not getattr(channel, one)
        ]
        addresses = (channel.sender, *channel.recipients)
        if any(
            re.search(r"[\r\n\0]", one) or "@" not in one for one in addresses if one
        ):
            problems.append("sender and recipients must be addresses with an @")
        if url:
            problems.append("an e-mail has no url, but smtp_host")
        return problems
    if not url:
        problems.append("url is required")
    elif channel.kind in {"webhook", "slack"} and not re.match(
        r"https?://[^\s/@?#]+(?:[/?#]|\Z)", url
    ):
        problems.append("url must be http:// or https:// and a host, without a user")
    elif channel.kind == "apprise" and missing_modules("alerts"):
        problems.append("apprise needs more: `pip install 'tailrace[alerts]'`")
    elif channel.kind == "apprise" and re.match(r"(?i)(json|xml|form)s?://", url):
        problems.append("a plain webhook is of kind webhook, which is guarded")
    if channel.smtp_host or channel.sender or channel.recipients:
        problems.append("smtp_host, sender and recipients are for an e-mail alone")
    return problems


class AlertSettings(Table):
    """What is watched, and who is told."""

    is_on: bool = True
    built_in_off: tuple[str, ...] = Field(default=(), max_length=50)
    """Names of built-in rules that are not to be judged."""
    rules: tuple[RuleSettings, ...] = Field(default=(), max_length=RULES_MAX)
    channels: tuple[ChannelSettings, ...] = Field(default=(), max_length=CHANNELS_MAX)
    silences: tuple[SilenceSettings, ...] = Field(default=(), max_length=SILENCES_MAX)
    keep_days_max: int = Field(default=90, ge=1, le=3_650)
    """How long an alert that is over stays in the index."""

    @model_validator(mode="after")
    def _names_fit(self) -> Self:
        if problems := name_problems(self):
            raise ValueError("; ".join(problems))
        return self


def name_problems(settings: AlertSettings) -> list[str]:
    """Return which names are there twice, or mean nothing."""
    problems: list[str] = []
    for what, names in (
        ("rule", [rule.name for rule in settings.rules]),
        ("channel", [channel.name for channel in settings.channels]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        problems += [f"there are two of the {what} {name!r}" for name in twice]
    problems += [
        f"the name {rule.name!r} is that of a built-in rule"
        for rule in settings.rules
        if rule.name in BUILT_IN_NAMES
    ]
    channels = {channel.name for channel in settings.channels}
    problems += [
        f"the rule {rule.name!r} names the channel {name!r}, which is not there"
        for rule in settings.rules
        for name in rule.channels or ()
        if name not in channels
    ]
    problems += [
        f"built_in_off names {name!r}; there are {', '.join(BUILT_IN_NAMES)}"
        for name in settings.built_in_off
        if name not in BUILT_IN_NAMES
    ]
    return problems


def rules_of(settings: AlertSettings) -> tuple[RuleSettings, ...]:
    """Return the rules that count something, the built-in ones first."""
    is_off = DEAD_LETTERS_RISING.name in settings.built_in_off
    return (*(() if is_off else (DEAD_LETTERS_RISING,)), *settings.rules)


def fact_rules_of(settings: AlertSettings) -> tuple[FactRule, ...]:
    """Return the built-in rules about what is so now."""
    return tuple(one for one in FACT_RULES if one.name not in settings.built_in_off)
