"""Which errors a user of Tailrace may see, and what each tells them to do.

TailraceError                 what happened, with which value, and what to do
|-- ConfigError               one or more settings are wrong; all are listed
|-- RoleNotInstalled          the extra that brings a role is missing
|-- ServiceUnavailable        a server did not answer where it was configured
|   |-- NoAnswer              it listens there, and says nothing
|   |-- StillAway             it was waited for, and did not come
|   |-- TopicMissing          the brokers answer, but the topic is not there
|   |-- RightMissing          Elasticsearch answers, but who asks may not do this
|   |-- NodeForbidden         likewise ZooKeeper
|   `-- IndexShut             Elasticsearch answers, but an index is closed or blocked
|-- DataDirInUse              another process holds the data folder
|-- QueryInvalid              a search asks for something that cannot be read
|-- ArchiveGiven              a file is compressed, where its lines are to be read
|-- WireError                 bytes on a topic are not what our wire format says
`-- CommandFailed             a command could not do what it was asked
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

EXIT_FAILURE = 1
EXIT_USAGE = 2
AWAY_REMEDY = "start it, or correct its address"
SILENT_REMEDY = "it may be busy or stand still: try again, and look at its log"
"""For a server that runs, so that nobody is told to start it."""


class TailraceError(Exception):
    """Something a user can act on.

    `str()` is *what happened, with which value*; `remedy` is *what to do*, a sentence
    without its full stop. Secrets never go into either.
    """

    exit_code = EXIT_FAILURE

    def __init__(self, message: str, *, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


class ConfigError(TailraceError):
    """One or more settings are wrong; every problem is listed, in the user's names."""

    exit_code = EXIT_USAGE

    def __init__(
        self, problems: Sequence[str], *, source: str = "the settings"
    ) -> None:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__(
            f"{count} in {source}:\n{lines}",
            remedy="correct each of them and start again",
        )
        self.problems = tuple(problems)
        self.source = source


class RoleNotInstalled(TailraceError):
    """What was asked for needs an extra, or several, that are not installed."""

    exit_code = EXIT_USAGE

    def __init__(self, *extras: str, missing_module: str) -> None:
        super().__init__(
            f"This needs the Python module {missing_module!r}, which is not installed.",
            remedy=f"run `pip install 'tailrace[{','.join(extras)}]'`",
        )


class ServiceUnavailable(TailraceError):
    """A server did not answer where it was configured."""

    def __init__(
        self, service: str, *, address: str, reason: str, remedy: str | None = None
    ) -> None:
        super().__init__(
            f"{service} at {address} cannot be reached: {reason}",
            remedy=remedy or f"{AWAY_REMEDY}; `tailrace doctor` checks {service}",
        )


class NoAnswer(ServiceUnavailable):
    """Something listens there and did not answer in time."""

    def __init__(self, service: str, *, address: str, wait_s: float) -> None:
        super().__init__(
            service,
            address=address,
            reason=f"no answer within {wait_s:g} s",
            remedy=f"{SILENT_REMEDY}; `tailrace doctor` checks {service}",
        )


class StillAway(ServiceUnavailable):
    """A server was waited for, for as long as was asked, and did not come."""

    def __init__(self, last: ServiceUnavailable, *, waited_ms: int) -> None:
        TailraceError.__init__(
            self,
            f"{last} (still, after {waited_ms / 1_000:g} s)",
            remedy=f"{last.remedy}; or wait longer",
        )


class TopicMissing(ServiceUnavailable):
    """The brokers answer, but the topic is not there."""

    def __init__(self, topic: str, *, brokers: str) -> None:
        super().__init__(
            "Kafka",
            address=brokers,
            reason=f"it has no topic {topic!r}",
            remedy="`tailrace provision` creates it, and is safe to run again",
        )


class RightMissing(ServiceUnavailable):
    """Elasticsearch answers, but who asks lacks a right; says which."""

    def __init__(self, what: str, *, right: str, address: str, remedy: str) -> None:
        self.right = right
        super().__init__(
            "Elasticsearch", address=address, reason=f"here {what}", remedy=remedy
        )


class NodeForbidden(ServiceUnavailable):
    """ZooKeeper answers, but who asks may not do this with a node."""

    def __init__(self, known: str, *, address: str) -> None:
        super().__init__(
            "ZooKeeper",
            address=address,
            reason=f"{known} lacks a right there (NoAuth)",
            remedy="see the rights of each role in docs/rights.md; `tailrace provision`"
            " gives them, run by an administrator of ZooKeeper",
        )


class IndexShut(ServiceUnavailable):
    """Elasticsearch answers, but somebody closed an index or put a block on it."""

    def __init__(self, what: str, *, remedy: str) -> None:
        # It can be reached: only this index cannot be used.
        TailraceError.__init__(self, what, remedy=remedy)


class DataDirInUse(TailraceError):
    """Another process holds the data folder."""

    def __init__(self, data_dir: Path, *, holder: str) -> None:
        super().__init__(
            f"The data folder {data_dir} is in use by {holder}.",
            remedy="stop that one (`tailrace down`), or name another with --data-dir",
        )


class QueryInvalid(TailraceError):
    """A search asks for something that cannot be read: its words, its time, its value."""

    exit_code = EXIT_USAGE


class ArchiveGiven(TailraceError):
    """A file is compressed, where its lines are to be read."""

    exit_code = EXIT_USAGE

    def __init__(self, what: str, *, kind: str, reader: str) -> None:
        super().__init__(
            f"{what} is compressed ({kind}): its lines cannot be read as it stands.",
            remedy=f"unpack it on the way: `{reader} | tailrace parse -`",
        )


class WireError(TailraceError):
    """Bytes on a topic are not what our wire format says.

    The record they came in is dead-lettered with its original bytes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message, remedy="see it with `tailrace dead show`")


class CommandFailed(TailraceError):
    """A command could not do what it was asked."""
