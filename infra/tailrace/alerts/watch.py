"""One look at all rules: what is due is judged, and what changes is recorded.

1. Where nothing is known yet, or something went wrong, the index of alerts is read.
2. Each rule that counts is judged up to the watermark: the moment up to which all that
   agents saw is stored. What is more than a limit waits `MORE_WAIT_MS_MAX` for it, what is
   less, or absent, longer: of a time of which lines are on their way nobody can say that
   there were none.
3. New templates are looked for among what arrived.
4. What is so now (`facts.py`) is compared with what is on.
5. What is to be told is told (`Teller`).
6. Up to when rules were judged is recorded now and then, and always before what was decided
   at the next moment is: whoever takes over judges that moment again, comes to the same
   alerts, and to none that began or ended later.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from tailrace.alerts.aside import Aside
from tailrace.alerts.book import Book, Require
from tailrace.alerts.builtin import FactRule
from tailrace.alerts.config import AlertSettings, fact_rules_of, rules_of
from tailrace.alerts.fact_watch import FactWatch, Lags
from tailrace.alerts.judging import Decision, Group, judge, points_between
from tailrace.alerts.news_watch import NewsWatch
from tailrace.alerts.questions import Questions, RuleFault
from tailrace.alerts.records import Alert, new_alert
from tailrace.alerts.rule_settings import RuleSettings
from tailrace.alerts.silences import is_silenced
from tailrace.alerts.store import AlertStore
from tailrace.alerts.watermark import Watermark
from tailrace.alerts.wording import decision_text, fields_of
from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable, TailraceError
from tailrace.log import FilteringBoundLogger

CATCH_UP_MS_MAX = 86_400_000
"""Of a longer time in which nobody led, the last day is judged."""
POINTS_AT_ONCE = 240
SAVE_MS = 300_000
OLD_LOOK_MS = 3_600_000


class Teller(Protocol):
    """Who tells people of alerts."""

    def tell(self, book: Book, *, now_ms: int) -> None:
        """Tell what is to be told, as far as it goes within a few seconds."""
        ...


class Watch:
    """Judges the rules of one lead."""

    def __init__(
        self,
        settings: AlertSettings,
        *,
        questions: Questions,
        store: AlertStore,
        lags: Callable[[], Lags],
        teller: Teller,
        require: Require,
        clock: Clock,
        log: FilteringBoundLogger,
    ) -> None:
        self._settings = settings
        self._store = store
        self._questions = questions
        self._teller = teller
        self._require = require
        self._clock = clock
        self._log = log
        self._rules = rules_of(settings)
        self._fact_rules = fact_rules_of(settings)
        self._aside = Aside()
        self._book: Book | None = None
        self._watermark = Watermark(questions)
        self._news = NewsWatch(questions)
        self._facts = FactWatch(
            questions, watermark=self._watermark, lags=lags, aside=self._aside
        )
        self._save_at_ms = 0
        self._old_at_ms = 0

    def look(self) -> None:
        """Do what is due; safe to call again after any failure.

        Raises:
            LeadLost: another leads now.
            ServiceUnavailable: a server does not answer, or refuses.
        """
        unanswered = self._look(self._clock.now_ms())
        if unanswered is not None:
            raise unanswered

    def _look(self, now_ms: int) -> ServiceUnavailable | None:
        """Look at everything; return the first question that found no answer."""
        # 1. Read what is on.
        book = self._book
        if book is None or book.is_stale:
            book = self._book = Book(self._store, require=self._require)
            self._end_strays(book, now_ms=now_ms)
        has_news = False
        unanswered: ServiceUnavailable | None = None
        # 2. to 4. Each rule by itself: one that fails hinders no other.
        for rule in (*self._rules, *self._fact_rules):
            try:
                if isinstance(rule, FactRule):
                    has_news |= self._judge_facts(rule, book, now_ms=now_ms)
                elif not self._aside.is_waiting(rule.name, now_ms=now_ms):
                    has_news |= self._try(rule, book, now_ms=now_ms)
            except ServiceUnavailable as error:
                if book.is_stale:
                    raise
                unanswered = unanswered or error
        # 5. Tell.
        self._teller.tell(book, now_ms=now_ms)
        # 6. Record how far it went.
        if has_news or now_ms >= self._save_at_ms:
            book.save(rules=[rule.name for rule in self._rules])
            self._save_at_ms = now_ms + SAVE_MS
        if now_ms >= self._old_at_ms:
            keep_ms = self._settings.keep_days_max * 86_400_000
            book.remove_old(before_ms=now_ms - keep_ms)
            self._old_at_ms = now_ms + OLD_LOOK_MS
        return unanswered

    def _try(self, rule: RuleSettings, book: Book, *, now_ms: int) -> bool:
        """Judge a rule if it is due; True where something changed."""
        try:
            if rule.kind == "new_template":
                has_news = self._look_for_news(rule, book, now_ms=now_ms)
            else:
                has_news = self._judge(rule, book, now_ms=now_ms)
        except RuleFault as fault:
            self._put_aside(rule, fault.reason, now_ms=now_ms)
            return False
        except TailraceError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever is wrong with one rule
            self._put_aside(rule, repr(error), now_ms=now_ms)
            return False
        return has_news

    def _put_aside(self, rule: RuleSettings, reason: str, *, now_ms: int) -> None:
        if self._aside.failed(rule.name, reason, now_ms=now_ms):
            self._log.warning("rule_put_aside", rule=rule.name, reason=reason[:300])

    def _judge(self, rule: RuleSettings, book: Book, *, now_ms: int) -> bool:
        """Judge the moments of a rule that are due, up to the watermark."""
        after_ms = book.judged_to_ms(rule.name)
        settled_ms = self._watermark.settled_ms(now_ms)
        if after_ms is not None and not points_between(
            rule, after_ms=after_ms, to_ms=settled_ms
        ):
            return False
        to_ms = self._watermark.limit_ms(rule, now_ms=now_ms)
        if after_ms is None:
            # A rule that is new begins with the present, and so does whoever takes over.
            after_ms = to_ms - rule.every_ms
            self._reached(rule, book, to_ms=after_ms)
        after_ms = max(after_ms, to_ms - CATCH_UP_MS_MAX)
        points = points_between(rule, after_ms=after_ms, to_ms=to_ms)
        has_news = False
        for first in range(0, len(points), POINTS_AT_ONCE):
            part = points[first : first + POINTS_AT_ONCE]
            observed = self._questions.observe(
                rule, after_ms=part[0] - rule.every_ms, to_ms=part[-1]
            )
            on = book.on(rule.name, names=rule.group_by)
            starts: dict[Group, int] = {one: on[one].start_ms for one in on}
            for decision in judge(rule, observed, points=part, on=starts):
                # Else who takes over would judge moments that lie before what is recorded.
                self._reached(rule, book, to_ms=decision.at_ms - rule.every_ms)
                has_news |= self._act(rule, decision, book, now_ms=now_ms)
            book.judged(rule.name, to_ms=part[-1])
        if points and self._aside.succeeded(rule.name):
            self._log.info("rule_judged_again", rule=rule.name)
        return has_news

    def _reached(self, rule: RuleSettings, book: Book, *, to_ms: int) -> None:
        """Record that a rule was judged up to a moment, before more is recorded of it."""
        book.judged(rule.name, to_ms=to_ms)
        book.save(rules=[one.name for one in self._rules])

    def _act(
        self, rule: RuleSettings, decision: Decision, book: Book, *, now_ms: int
    ) -> bool:
        fields = fields_of(rule, decision)
        if decision.kind == "over":
            on = book.on(rule.name, names=rule.group_by).get(decision.group)
            # One that was over before was judged once more after a restart.
            if on is None or on.start_ms != decision.start_ms:
                return False
            return self._end(
                on, book, at_ms=decision.at_ms, value=decision.value, now_ms=now_ms
            )
        return self._begin(
            new_alert(
                rule=rule.name,
                severity=rule.severity,
                fields=fields,
                key=str(decision.start_ms),
                status="on",
                start_ms=decision.start_ms,
                raised_at_ms=decision.at_ms,
                value=decision.value,
                message=decision_text(rule, decision),
                channels=self._channels(rule.channels),
            ),
            book,
        )

    def _look_for_news(self, rule: RuleSettings, book: Book, *, now_ms: int) -> bool:
        found = self._news.look(
            rule,
            judged_to_ms=book.judged_to_ms(rule.name),
            watermark_ms=self._watermark.limit_ms(rule, now_ms=now_ms),
            now_ms=now_ms,
        )
        if found is None:
            return False
        has_news = False
        for sighting, message in found.sightings:
            has_news |= self._begin(
                new_alert(
                    rule=rule.name,
                    severity=rule.severity,
                    fields={"tailrace.template.id": sighting.template_id},
                    # Of a template there is one such alert, whenever it is found.
                    key="",
                    status="happened",
                    start_ms=sighting.first_seen_ms,
                    raised_at_ms=now_ms,
                    value=sighting.count,
                    message=message,
                    channels=self._channels(rule.channels),
                ),
                book,
            )
        book.judged(rule.name, to_ms=found.judged_to_ms)
        self._news.known(rule, found)
        if self._aside.succeeded(rule.name):
            self._log.info("rule_judged_again", rule=rule.name)
        return has_news

    def _judge_facts(self, rule: FactRule, book: Book, *, now_ms: int) -> bool:
        seen = self._facts.due(rule, now_ms=now_ms)
        if seen is None:
            return False
        has_news = False
        on = book.on(rule.name, names=rule.group_by)
        # What an earlier life of this process found need not last once more.
        keys = {(fact.group, fact.key) for fact in seen.facts}
        for group, alert in on.items():
            if not {(group, alert.key), (group, "")} & keys:
                has_news |= self._end(
                    alert, book, at_ms=now_ms, value=None, now_ms=now_ms
                )
        for fact in seen.lasting:
            if fact.group in on and fact.key in {"", on[fact.group].key}:
                continue
            has_news |= self._begin(
                new_alert(
                    rule=rule.name,
                    severity=rule.severity,
                    fields=dict(zip(rule.group_by, fact.group, strict=True)),
                    key=fact.key or str(now_ms),
                    status="happened" if rule.is_event else "on",
                    start_ms=now_ms,
                    raised_at_ms=now_ms,
                    value=fact.value,
                    message=fact.text,
                    channels=self._channels(rule.channels),
                ),
                book,
            )
        return has_news

    def _begin(self, alert: Alert, book: Book) -> bool:
        if not book.begin(alert):
            return False
        self._log.info(
            "alert_raised",
            rule=alert.rule,
            alert_id=alert.alert_id,
            severity=alert.severity,
            group=alert.fields,
        )
        return True

    def _end(
        self, alert: Alert, book: Book, *, at_ms: int, value: float | None, now_ms: int
    ) -> bool:
        silenced = is_silenced(
            self._settings.silences, rule=alert.rule, fields=alert.fields, at_ms=now_ms
        )
        book.change(alert.is_over(at_ms=at_ms, value=value, is_silenced=silenced))
        self._log.info("alert_over", rule=alert.rule, alert_id=alert.alert_id)
        return True

    def _end_strays(self, book: Book, *, now_ms: int) -> None:
        """End what nobody judges any more, as its rule is gone or asks otherwise."""
        rules = {rule.name: rule.group_by for rule in self._rules}
        rules |= {rule.name: rule.group_by for rule in self._fact_rules}
        for alert in book.strays(rules):
            self._end(alert, book, at_ms=now_ms, value=None, now_ms=now_ms)

    def _channels(self, named: Iterable[str] | None) -> tuple[str, ...]:
        if named is not None:
            return tuple(named)
        return tuple(channel.name for channel in self._settings.channels)
