"""`tailrace audit`: whether every event of every file is where it should be, once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    write_json,
)

if TYPE_CHECKING:
    from tailrace.audit.index import ElasticIndex
    from tailrace.audit.kafka import KafkaLedger
    from tailrace.audit.repair import Repairing
    from tailrace.audit.verdict import AuditReport
    from tailrace.clock import Clock
    from tailrace.elasticsearch import Elastic
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.settings import Connections

SEARCH_TIMEOUT_S = 300.0
"""Sums over tens of millions of documents take a while, and are asked for page by page."""


def audit(
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every document with its digest.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(
            min=0,
            max=86_400,
            metavar="SECONDS",
            help="Wait so long for what is in flight, for agents that are silent, and for"
            " servers that are away; fail where some is left.",
        ),
    ] = 0.0,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair",
            help="Have agents read again what is missing, then look again.",
        ),
    ] = False,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Prove that of what was sent nothing is missing or there twice; exit 0 only then.

    Events after the indexer's last word are in flight, and no contradiction; what was
    written since an agent is silent, nobody has seen. Exit 0 without --wait excuses what is
    in flight or still to be found, and the report says how much that is: while the indexer
    stands still, a document that was deleted may be among it. With --wait both are waited
    for, and servers that are away; an agent that has been silent for a day is named only.
    With --repair the agents read again, from the files as far as they still exist, what
    the index is missing.
    """
    from tailrace.audit.shown import overdue, show
    from tailrace.audit.verdict import report_json
    from tailrace.text import printable

    told = console()
    with told.status("Reading the ledger and the index") as status:
        report = run_audit(
            config,
            data_dir,
            is_deep=deep,
            is_repairing=repair,
            wait_ms_max=round(wait * 1_000),
            tell=lambda text: status.update(printable(text)),
        )
    if as_json:
        write_json(report_json(report))
    else:
        show(report)
    if not report.is_sound:
        raise typer.Exit(1)
    if report.is_overdue:
        raise overdue(report)


def run_audit(
    config: Path | None,
    data_dir: Path | None,
    *,
    is_deep: bool,
    wait_ms_max: int,
    tell: Callable[[str], None],
    is_repairing: bool = False,
) -> AuditReport:
    """Audit the servers that the settings name.

    Raises:
        TailraceError: a setting is wrong, or a server cannot be asked.
    """
    from tailrace.extras import require

    require("indexer")
    from tailrace.audit.index import ElasticIndex
    from tailrace.audit.kafka import CLIENT_ID, KafkaLedger, progress_of
    from tailrace.audit.look import Looker
    from tailrace.audit.patience import Patience
    from tailrace.audit.run import audit as audit_with
    from tailrace.clock import SystemClock
    from tailrace.elasticsearch import Elastic
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.ledger import WINDOW_EVENTS
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    clock = SystemClock()
    patience = Patience.from_now(clock, wait_ms_max=wait_ms_max, tell=tell)
    with (
        names_own_stack(connections),
        patience(lambda: KafkaAdmin(connections, client_id=CLIENT_ID)) as admin,
        Elastic(connections, timeout_s=SEARCH_TIMEOUT_S) as elastic,
    ):
        patience(lambda: _require_answer(elastic))
        namespace, ledger = connections.namespace, KafkaLedger(connections)
        index = ElasticIndex(
            elastic, namespace=namespace, window_events=WINDOW_EVENTS, clock=clock
        )
        looker = Looker(
            ledger=ledger,
            progress=progress_of(admin, connections=connections, clock=clock),
            index=index,
            window_events=WINDOW_EVENTS,
        )
        look = partial(
            audit_with,
            looker,
            clock=clock,
            is_deep=is_deep,
            wait_ms_max=wait_ms_max,
            tell=tell,
        )
        report = look(begun_at_ms=patience.begun_at_ms)
        if not is_repairing or not any(each.missing for each in report.verdicts):
            return report
        return _repairing(
            connections,
            index=index,
            ledger=ledger,
            admin=admin,
            elastic=elastic,
            clock=clock,
            tell=tell,
        ).until_sound(report, look=look, tell=tell)


def _require_answer(elastic: Elastic) -> None:
    """Ask for any answer: one that stands still is told soon, and not after minutes.

    Raises:
        ServiceUnavailable: none came.
    """
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S

    elastic.request(
        "GET", "/_cluster/health?timeout=0s", timeout_s=INTERACTIVE_TIMEOUT_S
    )


def _repairing(
    connections: Connections,
    *,
    index: ElasticIndex,
    ledger: KafkaLedger,
    admin: KafkaAdmin,
    elastic: Elastic,
    clock: Clock,
    tell: Callable[[str], None],
) -> Repairing:
    from tailrace.audit.repair import STORED_WAIT_MS_MAX, Repairing
    from tailrace.dead.index import LetterIndex
    from tailrace.dead.lost import Redelivering
    from tailrace.dead.retry import Retrying
    from tailrace.dead.topic import KafkaDocuments
    from tailrace.zookeeper_rights import login_of

    namespace = connections.namespace
    letters = LetterIndex(elastic, namespace=namespace, clock=clock)
    return Repairing(
        index=index,
        ledger=ledger.records,
        redelivering=Redelivering(
            letters=letters,
            retrying=Retrying(
                stored=letters,
                documents=KafkaDocuments(connections, admin=admin, clock=clock),
                clock=clock,
                namespace=namespace,
                wait_ms_max=STORED_WAIT_MS_MAX,
                tell=tell,
            ),
        ),
        zookeeper_hosts=connections.zookeeper_hosts,
        zookeeper_login=login_of(connections),
        namespace=namespace,
        clock=clock,
    )
