"""What Kafka's ledger knows of this agent that its own checkpoint, though whole, does not.

The agent's folder may come from a backup, or the disk may have lost the last commits. What
such a checkpoint holds was true once: a file that was truncated since would begin a life of
a new name, and one that a life since ended in the middle of a line would have it twice.
Whatever was sent since then, the ledger had been told of before (`Delivery`, steps 0 and 1).
So each start reads what it heard since the checkpoint's last word, and takes of each
generation the newer word. After a clean stop that is nothing of its own; but Kafka finds
records by time, so all that was told of by anyone since is read.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tailrace.log import FilteringBoundLogger
from tailrace.wire import AgentLedger
from tailrace_agent.config import AgentSettings
from tailrace_agent.heads import HEAD_BYTES
from tailrace_agent.inflating import suffix_of
from tailrace_agent.known import (
    FileKey,
    file_key,
    holder_of,
    is_rewritten,
    is_truncated,
    position_of,
)
from tailrace_agent.opening import Opener

CLOCK_SLACK_MS = 60_000
"""So much may this host's clock be set back between two words: Kafka finds them by time."""
WORDS_MS_MAX = 5_000
"""How long a start waits for them. A closed port answers at once, and meanwhile no file is
looked at."""
REASON_CHARACTERS_MAX = 300

Words = Mapping[str, AgentLedger]


@dataclass(frozen=True, slots=True)
class LedgerWords:
    """How a start asks the ledger, and the files, about a checkpoint that is whole."""

    agent_id: str
    since: Callable[[int], Words]
    """The newest word of each of the host's generations, of those that came from that
    moment on; none where the ledger does not answer in time."""
    stands: Callable[[AgentLedger], bool]
    """Whether its file is where a record says, and holds what it says."""

    def newer_than(
        self, records: Sequence[AgentLedger], *, now_ms: int
    ) -> dict[str, AgentLedger]:
        """Return what is to stand in the place of these records, and beside them.

        Only what this agent said itself: of two agents on one host each knows its own
        files best, also where one has taken over what the other was thought to have left.
        """
        own = {record.generation: record for record in records}
        newest_ms = max((record.updated_at_ms for record in records), default=0)
        words = self.since(max(0, min(newest_ms, now_ms) - CLOCK_SLACK_MS))
        newer = {
            name: word
            for name, word in words.items()
            if word.agent_id == self.agent_id and is_newer(word, own.get(name))
        }
        set_back = self._files_set_back(records, newer.values())
        return {
            name: word for name, word in newer.items() if not _keys_of(word) & set_back
        } | {
            # It counts on from there: no two words are told under one revision.
            name: msgspec.structs.replace(own[name], revision=word.revision)
            for name, word in newer.items()
            if name in own and _keys_of(word) & set_back
        }

    def _files_set_back(
        self, own: Iterable[AgentLedger], newer: Iterable[AgentLedger]
    ) -> set[FileKey]:
        """Return the files that were set back with the checkpoint, as a snapshot does.

        Such a file holds what the checkpoint says, and not what the ledger's newest word
        says: it goes on in that life, and what it held after that is gone. Two lives may
        begin alike, so less than a head that is the same is no proof.
        """
        newest: dict[FileKey, AgentLedger] = {}
        for word in newer:
            key = file_key(holder_of(word))
            known = newest.get(key)
            if known is None or _life_of(word) > _life_of(known):
                newest[key] = word
        found: set[FileKey] = set()
        for record in own:
            key = file_key(holder_of(record))
            is_over = record.is_orphaned or is_truncated(record)
            if key not in newest or is_over or record.next_offset < HEAD_BYTES:
                continue
            if self.stands(record) and not self.stands(newest[key]):
                found.add(key)
        return found


def stands_in_file(
    record: AgentLedger, *, opener: Opener, settings: AgentSettings
) -> bool:
    """Return whether a file is where its record says, and holds what was read of it.

    False where that cannot be told: an archive would have to be inflated for it.
    """
    source = next((s for s in settings.sources if s.name == record.source), None)
    if source is None or suffix_of(record.path) is not None:
        return False
    try:
        file = opener.open(record.path, suffix=None, source=source)
    except OSError:
        return False
    identity, facts = holder_of(record), file.facts
    is_same_birth = not identity.born_at_known or (
        facts.born_at_ns == identity.born_at_ns
    )
    try:
        return (
            facts.inode == identity.inode
            and is_same_birth
            and not is_rewritten(file, record, position=position_of(record))
        )
    except OSError:
        return False
    finally:
        file.close()


def ask_in_time(
    read: Callable[[Callable[[], bool]], Words],
    *,
    stop: threading.Event,
    log: FilteringBoundLogger,
    wait_ms_max: int = WORDS_MS_MAX,
) -> Words:
    """Return what `read` returns, or nothing where it fails or takes too long.

    It is told when to give up. All of it counts or none: half of what was said of a file
    could be the end of a life without the next one.
    """
    given_up, answers, why = threading.Event(), list[Words](), list[str]()

    def ask() -> None:
        try:
            answers.append(read(lambda: given_up.is_set() or stop.is_set()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the agent begins
            why.append(str(error)[:REASON_CHARACTERS_MAX] or type(error).__name__)

    asking = threading.Thread(target=ask, name="ledger-words", daemon=True)
    asking.start()
    asking.join(wait_ms_max / 1_000)
    found = answers[0] if answers else None
    given_up.set()
    if found is not None:
        return found
    if not stop.is_set():
        late = f"the ledger was not read to its end within {wait_ms_max} ms"
        log.warning(
            "ledger_not_asked",
            why=why[0] if why else late,
            remedy="none, unless the agent's folder was put back from a copy: what it sends"
            " now may be there twice. Before an agent starts on such a folder, remove"
            " checkpoint.* there, and let Kafka be up",
        )
    return {}


def is_newer(word: AgentLedger, own: AgentLedger | None) -> bool:
    """Return whether a word says more; of equal ones a cut is in the checkpoint first."""
    return own is None or (
        (word.revision, word.next_offset) > (own.revision, own.next_offset)
    )


def _life_of(record: AgentLedger) -> tuple[int, int]:
    return holder_of(record).truncation_count, record.revision


def _keys_of(record: AgentLedger) -> set[FileKey]:
    """Return the file that a record is of, and the one that holds its bytes now."""
    return {file_key(record.identity), file_key(holder_of(record))}
