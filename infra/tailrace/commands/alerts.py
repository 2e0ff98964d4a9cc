"""`tailrace alerts`: what is on, what the rules are, and what one would have said."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from tailrace.commands.common import AsJson, ConfigFile, DataDir, write_json, write_line
from tailrace.errors import CommandFailed

if TYPE_CHECKING:
    from tailrace.alerts.config import AlertSettings, ChannelSettings
    from tailrace.alerts.rule_settings import RuleSettings
    from tailrace.elasticsearch import Elastic
    from tailrace.settings import Connections

SEARCH_TIMEOUT_S = 30.0
SIZE_MAX = 10_000


def list_(
    every: Annotated[
        bool, typer.Option("--all", help="Also what is over, and what happened.")
    ] = False,
    size: Annotated[
        int, typer.Option(min=1, max=SIZE_MAX, help="The newest so many.")
    ] = 100,
    rules: Annotated[
        bool, typer.Option("--rules", help="The rules, and up to when each was judged.")
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show the alerts that are on, the newest first."""
    from tailrace.alerts.shown import alert_json, alert_lines, rule_lines
    from tailrace.alerts.store import ElasticAlerts

    with _asking(config, data_dir) as (connections, settings, elastic):
        store = ElasticAlerts(elastic, namespace=connections.namespace)
        if rules:
            judged = store.judged_to_ms()
            kinds = _kinds(settings)
            if as_json:
                for name, kind in kinds:
                    row = {"name": name, "kind": kind, "judged_to_ms": judged.get(name)}
                    write_json(row)
                return
            for line in rule_lines(kinds, judged):
                write_line(line)
            return
        alerts = store.newest(size_max=size, is_on=not every)
    if as_json:
        for alert in alerts:
            write_json(alert_json(alert))
        return
    for line in alert_lines(alerts):
        write_line(line)
    if not alerts:
        write_line("no alerts" if every else "no alert is on")


def rehearse_rule(
    rule: Annotated[str, typer.Argument(metavar="RULE", help="Its name.")],
    since: Annotated[
        str, typer.Option(help="From when on: an age such as 24h, or a time.")
    ] = "24h",
    until: Annotated[str, typer.Option(help="Up to when.")] = "now",
    send: Annotated[
        str,
        typer.Option(metavar="CHANNEL", help="Also send this channel a test."),
    ] = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show what a rule would have said of the past; nothing is recorded."""
    from tailrace.alerts.questions import ElasticQuestions
    from tailrace.alerts.rehearsal import rehearse, rehearse_news
    from tailrace.alerts.shown import decision_json, decision_line
    from tailrace.alerts.wording import sighting_text
    from tailrace.clock import SystemClock
    from tailrace.moments import moment_text, parse_moment
    from tailrace.query import TimeRange
    from tailrace.text import printable

    now_ms = SystemClock().now_ms()
    span = TimeRange(
        parse_moment(since, now_ms=now_ms), parse_moment(until, now_ms=now_ms)
    )
    with _asking(config, data_dir) as (connections, settings, elastic):
        found = _rule(rule, settings)
        if send:
            _send_test(send, settings, rule=found)
        questions = ElasticQuestions(elastic, namespace=connections.namespace)
        count = 0
        if found.kind == "new_template":
            for one in rehearse_news(
                found, questions, since_ms=span.since_ms, until_ms=span.until_ms
            ):
                count += 1
                if as_json:
                    write_json({"template_id": one.template_id, "message": one.message})
                    continue
                at = moment_text(one.first_seen_ms)[:19]
                write_line(printable(f"{at} would be raised: {sighting_text(one)}"))
        else:
            for decision in rehearse(
                found, questions, since_ms=span.since_ms, until_ms=span.until_ms
            ):
                count += decision.kind == "raised"
                if as_json:
                    write_json(decision_json(found, decision))
                else:
                    write_line(decision_line(found, decision))
    if not as_json:
        alerts = "1 alert" if count == 1 else f"{count:,} alerts"
        write_line(f"{alerts} by {rule} since {moment_text(span.since_ms)[:19]}")


@contextmanager
def _asking(
    config: Path | None, data_dir: Path | None
) -> Generator[tuple[Connections, AlertSettings, Elastic]]:
    from tailrace.extras import require

    require("indexer")
    from tailrace.commands.roles import settings_model
    from tailrace.elasticsearch import Elastic
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_settings

    connections, settings = read_settings(
        settings_model("indexer"), config_file=config, data_dir=data_dir
    )
    alerts = cast("AlertSettings", getattr(settings, "alerts"))  # noqa: B009 - the role's own
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=SEARCH_TIMEOUT_S) as elastic,
    ):
        yield connections, alerts, elastic


def _kinds(settings: AlertSettings) -> list[tuple[str, str]]:
    from tailrace.alerts.config import fact_rules_of, rules_of

    rules = (*fact_rules_of(settings), *rules_of(settings))
    return [(rule.name, rule.kind) for rule in rules]


def _rule(name: str, settings: AlertSettings) -> RuleSettings:
    from tailrace.alerts.config import fact_rules_of, rules_of
    from tailrace.setting_names import nearest

    for rule in rules_of(settings):
        if rule.name == name:
            return rule
    if name in {rule.name for rule in fact_rules_of(settings)}:
        raise CommandFailed(
            f"The rule {name} is about what is so now, and has no past.",
            remedy="see with `tailrace alerts list --all` what it has said",
        )
    names = [rule.name for rule in rules_of(settings)]
    raise CommandFailed(
        f"There is no rule {name!r}{nearest(name, names)}.",
        remedy="`tailrace alerts list --rules` names them; --config says where they are",
    )


def _send_test(name: str, settings: AlertSettings, *, rule: RuleSettings) -> None:
    """Send a channel a test by the way that a real alert goes."""
    from tailrace.alerts.records import new_alert
    from tailrace.alerts.telling.http_post import SendFailed
    from tailrace.alerts.telling.notes import Note
    from tailrace.alerts.telling.ways import send
    from tailrace.clock import SystemClock

    now_ms = SystemClock().now_ms()
    alert = new_alert(
        rule=rule.name,
        severity="info",
        fields={},
        key=f"test|{now_ms}",
        status="happened",
        start_ms=now_ms,
        raised_at_ms=now_ms,
        value=None,
        message="a test: nothing happened",
        channels=(),
    )
    try:
        send(_channel(name, settings), Note(what="raised", alert=alert))
    except SendFailed as failed:
        raise CommandFailed(
            f"The channel {name} did not take the test: {failed.reason}.",
            remedy="correct its settings, or what takes it, and try again",
        ) from None


def _channel(name: str, settings: AlertSettings) -> ChannelSettings:
    for channel in settings.channels:
        if channel.name == name:
            return channel
    raise CommandFailed(
        f"There is no channel {name!r}.",
        remedy="name one of indexer.alerts.channels in the settings",
    )
