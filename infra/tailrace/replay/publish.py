"""In which order revised documents are published, so that each event is seen once, always.

1. What a replay that ended early left is taken away. Nobody saw it: a revised index is
   behind no alias before step 5. This replay's number is greater than any before it.
2. The changed documents are created in this replay's own indices.
3. Each former version of them is marked with this replay's number, if nobody altered it
   since it was read. The mark hides nothing yet.
4. It is counted: there are as many documents and as many marks as were written, each
   found by searches. No index that takes part lies below its floor.
5. One change of aliases shows the revised documents, and hides what is marked.

Killed anywhere before 5 nothing has changed for anybody, and the next run begins anew with
another number; after it, the next run finds nothing to do. What was indexed stays where it
was under its `_id`, so that a chunk that is sent again meets it as before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tailrace.errors import CommandFailed
from tailrace.floors import Floors
from tailrace.kill_points import reach
from tailrace.replay.compare import Version
from tailrace.replay.contracts import Revised, Revisions
from tailrace.replay.made import MadeDocument
from tailrace.revised_indices import revised_index, swap_actions


@dataclass(slots=True, kw_only=True)
class Publishing:
    """One replay's revised documents on their way; nobody else publishes meanwhile."""

    revisions: Revisions
    alias: str
    namespace: str
    read_floors: Callable[[], Floors]
    is_alone: Callable[[], bool]
    """Whether it is still sure that no other replay publishes."""
    revision: int = 0
    created_count: int = 0
    marked_count: int = 0
    refused: dict[str, str] = field(default_factory=dict[str, str])
    """By `_id`, what Elasticsearch says of a document that it does not take."""
    _made: set[str] = field(default_factory=set[str])
    _marked: set[str] = field(default_factory=set[str])

    def begin(self) -> None:
        """Take the next number, and do step 1.

        Raises:
            TailraceError: Elasticsearch does not answer, or refuses.
        """
        standing = self.revisions.standing()
        newest = max(standing.newest(), self.revisions.greatest_mark())
        self.revision = newest + 1
        # 1. One that is counted in `newest` first, so that no number comes twice.
        for index in standing.drafts:
            self.revisions.drop(index)

    def publish(self, revised: Sequence[Revised]) -> None:
        """Do steps 2 and 3 for some documents; no event may come twice in a run.

        Raises:
            TailraceError: Elasticsearch does not answer, or refuses; nothing has changed
                for anybody, and to run it again is safe.
        """
        # 2. They are created where nobody sees them.
        documents: list[tuple[str, MadeDocument]] = []
        for each in revised:
            index = revised_index(each.made.index, revision=self.revision)
            if index not in self._made:
                self.revisions.make(index)
                self._made.add(index)
            documents.append((index, each.made))
        refused = self.revisions.create(documents)
        self.refused |= refused
        self.created_count += len(documents) - len(refused)
        reach("R2")
        # 3. What is not created hides nothing.
        formers: list[Version] = []
        for each in revised:
            if each.made.document_id not in refused:
                formers += each.formers
        for index in {former.index for former in formers} - self._marked:
            self.revisions.prepare(index)
            self._marked.add(index)
        self.revisions.mark(formers, revision=self.revision)
        self.marked_count += len(formers)
        reach("R3")

    def finish(self) -> None:
        """Do steps 4 and 5, if there is anything.

        Raises:
            TailraceError: Elasticsearch does not answer, or what it holds is not what was
                written; nothing has changed for anybody.
        """
        if not self.created_count:
            for index in self._made:
                self.revisions.drop(index)
            return
        # 4. A document that is hidden, and one that is not there, would be a loss.
        created = self.revisions.count_in(self._made)
        marked = self.revisions.count_marked(self._marked, revision=self.revision)
        if (created, marked) != (self.created_count, self.marked_count):
            raise _unlike(
                f"{created} of {self.created_count} documents and {marked} of"
                f" {self.marked_count} marks are there"
            )
        standing = self.revisions.standing()
        if not self._marked <= standing.hiding.keys():
            raise _unlike("an index with documents that would be replaced is gone")
        floors = self.read_floors()
        if any(
            floors.is_expired(index, namespace=self.namespace)
            for index in self._made | self._marked
        ):
            raise _unlike("retention takes one of the indices away just now")
        if not self.is_alone():
            raise _unlike(
                "the session in ZooKeeper was lost, so another may have begun"
            )
        reach("R4")
        # 5. All of it, for everybody, at one moment.
        self.revisions.swap(
            swap_actions(
                standing,
                alias=self.alias,
                revision=self.revision,
                made=self._made,
                marked=self._marked,
            )
        )
        reach("R5")


def _unlike(why: str) -> CommandFailed:
    return CommandFailed(
        f"The replay is not published: {why}.",
        remedy="run it again; nothing has changed for anybody, and nothing is lost",
    )
