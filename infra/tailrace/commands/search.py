"""`tailrace search`: what Elasticsearch holds, from a terminal."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    stop_on_signals,
    write_line,
)
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.answers import Row
    from tailrace.elasticsearch import Elastic
    from tailrace.errors import ServiceUnavailable
    from tailrace.ledger_asked import LedgerAsked
    from tailrace.query import SearchRequest
    from tailrace.search import Searcher
    from tailrace.settings import Connections

FOLLOW_POLL_S = 0.5
NOTHING_MATCHES = (
    "nothing matches; try a longer --since, fewer words, or '*', which is everything"
)


def search(
    query: Annotated[
        str, typer.Argument(help="Words, or Lucene syntax; * is everything.")
    ],
    since: Annotated[
        str, typer.Option(help="An age such as 15m, or a time.", show_default="always")
    ] = "",
    until: Annotated[
        str, typer.Option(help="An age or a time.", show_default="always")
    ] = "",
    size: Annotated[int, typer.Option(min=1, help="The newest so many.")] = 100,
    as_json: AsJson = False,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what arrives.")
    ] = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print what matches QUERY, the newest last."""
    require("indexer")
    from tailrace.clock import SystemClock
    from tailrace.elasticsearch import (
        INTERACTIVE_TIMEOUT_S,
        REQUEST_TIMEOUT_S,
        Elastic,
    )
    from tailrace.moments import LATEST_MS
    from tailrace.own_stack import names_own_stack
    from tailrace.query import SearchRequest, parse_moment
    from tailrace.search import AsksElastic, Searcher
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    now_ms = SystemClock().now_ms()
    request = SearchRequest(
        query=query,
        since_ms=parse_moment(since, now_ms=now_ms) if since else 0,
        until_ms=parse_moment(until, now_ms=now_ms) if until else LATEST_MS,
        size_max=size,
    )
    timeout_s = REQUEST_TIMEOUT_S if follow else INTERACTIVE_TIMEOUT_S
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=timeout_s) as elastic,
    ):
        request = _with_groups(request, elastic, namespace=connections.namespace)
        searcher = Searcher(AsksElastic(elastic), namespace=connections.namespace)
        if follow:
            _follow(searcher, request, as_json=as_json)
            return
        # Asked first: what is stored between both questions is then found, not promised.
        asked = _ledger_words(elastic, connections.namespace)
        rows = searcher.newest(request)
        for row in reversed(rows):
            write_line(_shown(row, as_json=as_json))
        if not rows:
            typer.echo(NOTHING_MATCHES, err=True)
        typer.echo(
            _completeness(asked, elastic, connections=connections, request=request),
            err=True,
        )


def _with_groups(
    request: SearchRequest, elastic: Elastic, *, namespace: str
) -> SearchRequest:
    """Return a request that asks for all ids of each template it names.

    Raises:
        QueryInvalid: a template has too many for the place where it stands.
        ServiceUnavailable: Elasticsearch does not answer, or refuses.
    """
    from tailrace.template_alias_index import all_aliases, asking
    from tailrace.template_aliases import TemplateGroups
    from tailrace.template_query import named_templates, with_groups

    if not named_templates(request):
        return request
    aliases = all_aliases(asking(elastic, namespace=namespace))
    return with_groups(request, TemplateGroups(aliases))


def _ledger_words(elastic: Elastic, namespace: str) -> LedgerAsked | ServiceUnavailable:
    """Return what each hop said last; an answer that tells why not is a value, too.

    Raises:
        RequestTimedOut: no answer came; the search itself would wait for one in vain.
    """
    from tailrace.clock import SystemClock
    from tailrace.elasticsearch import RequestTimedOut
    from tailrace.errors import ServiceUnavailable
    from tailrace.ledger_asked import ask_index

    try:
        return ask_index(elastic, namespace, clock=SystemClock())
    except RequestTimedOut:
        raise
    except ServiceUnavailable as error:
        return error


def _completeness(
    asked: LedgerAsked | ServiceUnavailable,
    elastic: Elastic,
    *,
    connections: Connections,
    request: SearchRequest,
) -> str:
    """Return up to when what was found is all; whatever is in the way, in words."""
    from tailrace.clock import SystemClock
    from tailrace.completeness_text import statement
    from tailrace.errors import ServiceUnavailable
    from tailrace.ledger_asked import stated
    from tailrace.text import printable

    if isinstance(asked, ServiceUnavailable):
        return f"how complete this is cannot be said: {printable(str(asked))}"
    clock = SystemClock()
    said = stated(asked, elastic, connections, until_ms=request.until_ms, clock=clock)
    return statement(said)


def _follow(searcher: Searcher, request: SearchRequest, *, as_json: bool) -> None:
    """Print the newest rows, then each that arrives, until Ctrl-C."""
    with stop_on_signals() as stop:
        for row in _arriving(searcher, request, stop=stop):
            write_line(_shown(row, as_json=as_json))


def _arriving(
    searcher: Searcher, request: SearchRequest, *, stop: threading.Event
) -> Iterator[Row]:
    from tailrace.clock import SystemClock

    clock = SystemClock()
    # The place first: what arrives between these two looks is seen by the next.
    arrivals = searcher.arrivals(request, now_ms=clock.now_ms())
    newest = searcher.newest(request)
    arrivals.shown_before.update((row.index, row.document_id) for row in newest)
    yield from reversed(newest)
    while not stop.wait(FOLLOW_POLL_S):
        yield from searcher.arrived(request, arrivals=arrivals, now_ms=clock.now_ms())


def _shown(row: Row, *, as_json: bool) -> str:
    from tailrace.shown import document_json, document_line

    if as_json:
        document: Mapping[str, Any] = row.document
        return document_json(
            document,
            document_id=row.document_id,
            index=row.index,
            ignored=row.ignored,
        )
    return document_line(row.document)
