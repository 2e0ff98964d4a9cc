"""`tailrace dead`: the dead letters, grouped, mended in a preview, and sent again."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tailrace.commands.common import (
    AsJson,
    ConfigFile,
    DataDir,
    console,
    write_line,
)
from tailrace.errors import CommandFailed

if TYPE_CHECKING:
    from tailrace.dead.fixes import Fix
    from tailrace.dead.groups import Groups
    from tailrace.dead.index import LetterIndex, OpenLetters
    from tailrace.dead.letters import Letter
    from tailrace.dead.plan import FixOf
    from tailrace.dead.selection import Selection
    from tailrace.settings import Connections

SEARCH_TIMEOUT_S = 60.0
LISTED_MAX = 100_000
"""Letters that a list looks at, the oldest; a retry goes on to the last."""
PROPOSED = "proposed"

Named = Annotated[
    list[str],
    typer.Argument(
        metavar="GROUP|ID...", help="Groups of `dead list`, or letters by their ids."
    ),
]
MaybeNamed = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="GROUP|ID...", help="Groups of `dead list`, or letters by their ids."
    ),
]
FixText = Annotated[
    str,
    typer.Option(
        "--fix",
        metavar="FIX",
        help="coerce:FIELD=TYPE, rename:FIELD=NAME, move:FIELD, or `proposed`.",
        show_default="the document as it is",
    ),
]


def list_(
    as_json: AsJson = False, config: ConfigFile = None, data_dir: DataDir = None
) -> None:
    """Show what died and was not delivered since, grouped by cause, field and template."""
    from tailrace.dead.shown import group_lines, groups_json

    with _reading(config, data_dir) as (_, index), index.open_letters() as letters:
        total_count = letters.count()
        groups = _grouped(islice(letters, LISTED_MAX))
    unread_count = max(total_count - LISTED_MAX, 0)
    if as_json:
        write_line(groups_json(groups, unread_count=unread_count))
        return
    for line in group_lines(groups):
        write_line(line)
    if not total_count:
        write_line("no dead letters")
    if unread_count:
        typer.echo(f"{unread_count:,} newer letters were not looked at", err=True)


def show(
    named: Named,
    fix: FixText = PROPOSED,
    size: Annotated[int, typer.Option(min=1, help="The oldest so many.")] = 10,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Show letters with their documents, and what a fix would change in each of them."""
    from tailrace.dead.preview import preview_of
    from tailrace.dead.shown import preview_lines, previews_json

    selection = _selection(named)
    with (
        _reading(config, data_dir) as (connections, index),
        index.open_letters(selection.asked_ids) as letters,
    ):
        fix_of = _fix_of(fix, letters, selection=selection, is_needed=False)
        chosen = islice(selection.of(letters), size)
        shown = [
            (
                fix_of(letter),
                preview_of(letter, fix=fix_of(letter), namespace=connections.namespace),
            )
            for letter in chosen
        ]
    if not shown:
        raise _nothing(named)
    if as_json:
        write_line(previews_json(shown))
        return
    for one_fix, preview in shown:
        for line in preview_lines(preview, fix=one_fix):
            write_line(line)


def retry(
    named: MaybeNamed = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every letter that is not delivered.")
    ] = False,
    fix: FixText = "",
    limit: Annotated[
        int, typer.Option(min=0, help="The oldest so many, 0 for all.")
    ] = 0,
    wait: Annotated[
        float,
        typer.Option(
            min=0,
            max=86_400,
            metavar="SECONDS",
            help="How long the indexers are waited for.",
        ),
    ] = 60.0,
    as_json: AsJson = False,
    config: ConfigFile = None,
    data_dir: DataDir = None,
) -> None:
    """Send documents of dead letters again; exit 0 only where each is stored now.

    They keep their index and id, so that to run it twice stores nothing twice. One that
    is refused again stays a dead letter. Try a fix on a few letters first, with --limit.
    """
    from tailrace.clock import SystemClock
    from tailrace.dead.retry import Retrying
    from tailrace.dead.shown import retried_json, retried_lines
    from tailrace.dead.topic import CLIENT_ID, KafkaDocuments
    from tailrace.kafka_admin import KafkaAdmin
    from tailrace.text import printable

    if bool(named) == every:
        raise CommandFailed(
            "No letters are named, or both some and all.",
            remedy="name groups or ids of `tailrace dead list`, or say --all",
        )
    selection = _selection(named or [])
    told = console()
    with (
        _reading(config, data_dir) as (connections, index),
        KafkaAdmin(connections, client_id=CLIENT_ID) as admin,
        index.open_letters(selection.asked_ids) as letters,
        told.status("Reading the dead letters") as status,
    ):
        fix_of = _fix_of(fix, letters, selection=selection, is_needed=True)
        retrying = Retrying(
            stored=index,
            documents=KafkaDocuments(connections, admin=admin, clock=SystemClock()),
            clock=SystemClock(),
            namespace=connections.namespace,
            wait_ms_max=round(wait * 1_000),
            tell=lambda text: status.update(printable(text)),
        )
        chosen = islice(selection.of(letters), limit or None)
        done = retrying.retry(chosen, fix_of=fix_of)
    if named and done.is_empty:
        raise _nothing(named)
    if as_json:
        write_line(retried_json(done))
    else:
        for line in retried_lines(done):
            write_line(line)
    if not done.is_whole:
        raise typer.Exit(1)


@contextmanager
def _reading(
    config: Path | None, data_dir: Path | None
) -> Generator[tuple[Connections, LetterIndex], None, None]:
    from tailrace.extras import require

    require("indexer")
    from tailrace.clock import SystemClock
    from tailrace.dead.index import LetterIndex
    from tailrace.elasticsearch import Elastic
    from tailrace.own_stack import names_own_stack
    from tailrace.settings import read_connections

    connections = read_connections(config, data_dir=data_dir)
    with (
        names_own_stack(connections),
        Elastic(connections, timeout_s=SEARCH_TIMEOUT_S) as elastic,
    ):
        yield (
            connections,
            LetterIndex(elastic, namespace=connections.namespace, clock=SystemClock()),
        )


def _selection(named: Sequence[str]) -> Selection:
    from tailrace.dead.selection import selection_of

    return selection_of(named)


def _grouped(letters: Iterable[Letter]) -> Groups:
    from tailrace.dead.groups import Groups

    groups = Groups()
    for letter in letters:
        groups.take(letter)
    return groups


def _fix_of(
    text: str, letters: OpenLetters, *, selection: Selection, is_needed: bool
) -> FixOf:
    """Return how each letter is mended; what is proposed is so for its whole group.

    Raises:
        CommandFailed: the text is no fix, or nothing is proposed where something must be.
    """
    from tailrace.dead.fixes import parse_fix
    from tailrace.dead.groups import key_of
    from tailrace.dead.letters import read_document

    if text != PROPOSED:
        fix = parse_fix(text) if text else None
        return lambda _letter: fix
    groups = _grouped(selection.of(letters)).all()
    fixes: dict[str, Fix | None] = {group.key.name: group.fix for group in groups}
    lacking = sorted(name for name, found in fixes.items() if found is None)
    if lacking and is_needed:
        raise CommandFailed(
            f"Nothing is proposed for the group {lacking[0]}.",
            remedy="see it with `tailrace dead show`; name a fix of your own, or none"
            " where the cause is gone",
        )

    def proposed_for(letter: Letter) -> Fix | None:
        key = key_of(letter, read_document(letter.original))
        return fixes.get(key.name)

    return proposed_for


def _nothing(named: Sequence[str]) -> CommandFailed:
    return CommandFailed(
        f"No letter is waiting under {', '.join(named)}.",
        remedy="`tailrace dead list` shows what is not delivered; what a retry delivered"
        " is not listed any more",
    )
