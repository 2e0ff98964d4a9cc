"""`tailrace templates`: what all that is indexed says, and how often."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import AsJson, ConfigFile, DataDir, write_line
from tailrace.extras import require

if TYPE_CHECKING:
    from tailrace.template_list import ListedTemplate

COUNT_WIDTH = 9
NONE_YET = (
    "no template is known yet; lines that are indexed have one unless `templates = false`"
    " below [stream.enrichment]"
)


def templates(
    dataset: Annotated[str, typer.Option(help="Of this dataset alone.")] = "",
    size: Annotated[
        int, typer.Option(min=1, max=10_000, help="Those of the most events.")
    ] = 50,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Print the templates of what is indexed, with <*> for what varies.

    Each with its count of events, its id and how many other ids it has: any of them finds
    all of its lines.
    """
    require("indexer")
    from tailrace.elasticsearch import INTERACTIVE_TIMEOUT_S, Elastic
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections
    from tailrace.template_alias_index import all_aliases, asking
    from tailrace.template_aliases import TemplateGroups
    from tailrace.template_list import list_templates

    connections = read_connections(config, data_dir=data_dir)
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=INTERACTIVE_TIMEOUT_S) as elastic,
    ):
        ask = asking(elastic, namespace=connections.namespace)
        groups = TemplateGroups(all_aliases(ask))
        found = list_templates(ask, groups, dataset=dataset, size_max=size)
    for one in found:
        write_line(_json(one) if as_json else _text(one))
    if not found:
        typer.echo(NONE_YET, err=True)


def _text(one: ListedTemplate) -> str:
    from tailrace.moments import moment_text
    from tailrace.text import printable

    last = moment_text(one.last_seen_ms)
    more = f"  (and {len(one.ids) - 1:,} ids more)" if len(one.ids) > 1 else ""
    text = printable(one.text)
    return f"{one.count:>{COUNT_WIDTH}}  {one.template_id}  {last}  {text}{more}"


def _json(one: ListedTemplate) -> str:
    import orjson

    from tailrace.shown import harmless_json

    told = {
        "id": one.template_id,
        "text": one.text,
        "count": one.count,
        "first_seen_ms": one.first_seen_ms,
        "last_seen_ms": one.last_seen_ms,
        "datasets": one.datasets,
        "ids": one.ids,
    }
    return harmless_json(orjson.dumps({"template": told}).decode())
