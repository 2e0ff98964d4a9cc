"""How settings become what enriches: files are opened, nothing else is begun."""

from __future__ import annotations

from functools import partial

from tailrace.clock import Clock
from tailrace_stream.enrich import severity
from tailrace_stream.enrich.addresses import Addresses
from tailrace_stream.enrich.config import (
    EnrichmentSettings,
    ReverseDnsSettings,
    TableSettings,
)
from tailrace_stream.enrich.databases import (
    Database,
    read_database,
    registered_country,
)
from tailrace_stream.enrich.enrichment import Enrichment
from tailrace_stream.enrich.live_file import LiveFile
from tailrace_stream.enrich.reverse_dns import Limits, ReverseNames, name_of
from tailrace_stream.enrich.tables import Rows, Shape, Table, read_table
from tailrace_stream.enrich.user_agents import UserAgents


def enrichment_of(settings: EnrichmentSettings, *, clock: Clock) -> Enrichment:
    """Return what enriches by these settings."""
    nothing: Database | None = None
    databases = [
        LiveFile(path, read=read_database, nothing=nothing, clock=clock)
        for path in settings.geo_databases
    ]
    addresses = None
    if settings.geo:
        addresses = Addresses(databases, registered=registered_country())
    asked = settings.reverse_dns
    tables = tuple(_table(one, clock=clock) for one in settings.tables)
    return Enrichment(
        tables=tables,
        names=None if asked is None else _names(asked, clock=clock),
        addresses=addresses,
        user_agents=UserAgents() if settings.user_agent else None,
        severity_numbers=severity.numbers() if settings.severity else None,
        has_templates=settings.templates,
        has_trace_ids=settings.trace_ids,
        has_origin_fields=settings.origin_fields,
    )


def _names(settings: ReverseDnsSettings, *, clock: Clock) -> ReverseNames:
    limits = Limits(
        threads_max=settings.threads_max,
        waiting_max=settings.waiting_max,
        names_max=settings.names_max,
        keep_ms=settings.keep_s * 1_000,
        keep_unknown_ms=settings.keep_unknown_s * 1_000,
    )
    return ReverseNames(name_of, limits=limits, clock=clock)


def _table(settings: TableSettings, *, clock: Clock) -> Table:
    targets = {column: target for column, (target, _) in settings.targets().items()}
    shape = Shape(column=settings.column, targets=targets)
    nothing: Rows = {}
    return Table(
        key=settings.key,
        file=LiveFile(
            settings.file,
            read=partial(read_table, shape=shape),
            nothing=nothing,
            clock=clock,
        ),
        names=tuple(one.name for one in targets.values() if not isinstance(one, str)),
    )
