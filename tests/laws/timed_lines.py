"""Lines whose times and groups are known, in files as an agent ships them, all by a seed.

What windows must say of them is told here from the lines alone, by other means than the
stream's: whoever draws a line notes what it is, and that is what is counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from random import Random
from typing import NamedTuple

import crc32c
import msgspec

from tailrace.identity import document_id
from tailrace.topics import PARTITIONS, partition_of
from tailrace.wire import encode
from tests.laws.workers import Sending
from tests.stream.builders import BORN_AT_MS, SEEN_AT_MS, origin, placement

MINUTE_MS = 60_000
LATENESS_MS = 120_000
FIRST_MS = 1_795_482_000_000  # 2026-11-24T01:00:00Z
STEP_MS_MAX = 1_500
HOSTS = ("web1", "web2", "db1")
SIZE, DURATION, PATH = "http.response.body.bytes", "event.duration", "url.path"
SHARE_OUT_OF_ORDER = 0.05
SHARE_LATE = 0.02
SHARE_ODD = 0.01
"""Of lines without a time, and of lines from a clock that is ahead."""


class Line(NamedTuple):
    """One line, and what it is."""

    text: bytes
    at_ms: int | None
    """None where it says no time."""
    level: str
    status_class: str
    form: str
    """Which of the texts that it may have: what its template tells."""
    values: tuple[tuple[str, int], ...] = ()
    path: str = ""


class Group(NamedTuple):
    """What windows are counted by."""

    dataset: str
    host: str
    start_ms: int
    level: str
    status_class: str
    form: str


class FieldWindow(NamedTuple):
    """Which values of a field stand together."""

    dataset: str
    host: str
    start_ms: int
    field: str


@dataclass(slots=True)
class Truth:
    """What all windows must add up to."""

    counts: Counter[Group] = field(default_factory=Counter[Group])
    late: Counter[Group] = field(default_factory=Counter[Group])
    values: defaultdict[FieldWindow, list[int]] = field(
        default_factory=lambda: defaultdict[FieldWindow, list[int]](list)
    )
    paths: defaultdict[FieldWindow, Counter[str]] = field(
        default_factory=lambda: defaultdict[FieldWindow, Counter[str]](Counter)
    )


@dataclass
class TimedFile:
    """A file of one host, which is drawn line by line and shipped chunk by chunk."""

    number: int
    random: Random
    kind: str
    host: str
    lines: list[Line] = field(default_factory=list[Line])
    repeat_count: int = 0
    """Lines that were shipped again."""
    _starts: list[int] = field(default_factory=lambda: [0])
    """Where in the file each line begins, and the next one will."""
    _at_ms: int = FIRST_MS

    @cached_property
    def generation(self) -> str:
        """Return its name, by which it is in the partition of its number."""
        random = Random(self.number)
        while partition_of((name := f"{random.getrandbits(128):032x}").encode()) != (
            self.number % PARTITIONS
        ):
            pass
        return name

    @property
    def dataset(self) -> str:
        return DATASETS[self.kind]

    @property
    def ids(self) -> list[str]:
        """Return the id of each line's document, told by nothing but the file."""
        return [
            document_id(
                generation=self.generation,
                born_at_ms=BORN_AT_MS,
                offset=start,
                checksum=crc32c.crc32c(line.text),
            )
            for line, start in zip(self.lines, self._starts, strict=False)
        ]

    def chunk(self) -> Sending:
        """Draw some lines more, and return them with some before them that were sent."""
        again = self.random.choice([0, 0, 0, self.random.randint(1, 25)])
        first = max(0, len(self.lines) - again)
        self.repeat_count += len(self.lines) - first
        for _ in range(self.random.randint(1, 30)):
            line = DRAWN_AS[self.kind](self.random, self._next_ms())
            self.lines.append(line)
            self._starts.append(self._starts[-1] + len(line.text) + 1)
        value = b"".join(line.text + b"\n" for line in self.lines[first:])
        made = origin(
            value,
            first_offset=self._starts[first],
            placed=placement(self.kind, dataset=self.dataset),
            generation=self.generation,
            first_event_number=first,
        )
        key = self.generation.encode()
        return Sending(
            partition=partition_of(key),
            value=value,
            key=key,
            header=encode(msgspec.structs.replace(made, host_name=self.host)),
        )

    def add_to(self, truth: Truth) -> None:
        """Count what stands in the file."""
        reached_ms = 0
        for line in self.lines:
            at_ms = SEEN_AT_MS if line.at_ms is None else line.at_ms
            start_ms = at_ms - at_ms % MINUTE_MS
            group = Group(
                self.dataset,
                self.host,
                start_ms,
                line.level,
                line.status_class,
                line.form,
            )
            truth.counts[group] += 1
            if start_ms + MINUTE_MS + LATENESS_MS <= reached_ms:
                truth.late[group] += 1
            if line.at_ms is not None and line.at_ms <= SEEN_AT_MS:
                reached_ms = max(reached_ms, line.at_ms)
            of_field = FieldWindow(self.dataset, self.host, start_ms, "")
            for name, value in line.values:
                truth.values[of_field._replace(field=name)].append(value)
            if line.path:
                truth.paths[of_field._replace(field=PATH)][line.path] += 1

    def _next_ms(self) -> int | None:
        """Return when the next line was: mostly a little later than the one before."""
        random = self.random
        self._at_ms += random.randrange(STEP_MS_MAX)
        luck = random.random()
        if luck < SHARE_ODD:
            # Only JSON can leave its time out and be of its format all the same.
            return None if self.kind == "json" else SEEN_AT_MS + random.randrange(10**6)
        if luck < SHARE_ODD + SHARE_LATE:
            return max(FIRST_MS, self._at_ms - random.randint(4, 40) * MINUTE_MS)
        if luck < SHARE_ODD + SHARE_LATE + SHARE_OUT_OF_ORDER:
            return self._at_ms - random.randrange(LATENESS_MS)
        return self._at_ms


def files_of(seed: int) -> list[TimedFile]:
    """Return files of every kind on every host: in each partition, in one of them two."""
    return [
        TimedFile(number, Random(f"{seed}:{number}"), kind, host)
        for number, (kind, host) in enumerate(
            (kind, host) for kind in DATASETS for host in HOSTS
        )
    ]


def truth_of(files: Iterable[TimedFile]) -> Truth:
    truth = Truth()
    for file in files:
        file.add_to(truth)
    return truth


def chunks_of(files: list[TimedFile], random: Random) -> Iterator[Sending]:
    """Yield chunks without end, of busy files more than of quiet ones."""
    weights = [1 + number % 4 for number in range(len(files))]
    while True:
        (file,) = random.choices(files, weights)
        yield file.chunk()


def _log4j(random: Random, at_ms: int | None) -> Line:
    assert at_ms is not None, "such a line begins with its time"
    at_ms -= at_ms % 1_000
    moment = _moment(at_ms).strftime("%Y-%m-%d %H:%M:%S")
    level, form = random.choice(
        [("INFO", "took job {}"), ("INFO", "took job {}"), ("WARN", "retried {} times"),
         ("ERROR", "no answer from shard {}")]
    )  # fmt: skip
    text = f"{moment} {level} {form.format(random.randrange(10**5))}"
    return Line(text.encode(), at_ms, level.lower(), "", form)


def _access(random: Random, at_ms: int | None) -> Line:
    assert at_ms is not None, "such a line has its time in brackets"
    at_ms -= at_ms % 1_000
    moment = _moment(at_ms).strftime("%d/%b/%Y:%H:%M:%S +0000")
    status = random.choice([200, 200, 200, 304, 404, 503])
    path = f"/p/{random.randrange(9)}"
    size = random.randrange(10**5)
    text = (
        f'203.0.113.{random.randrange(250)} - - [{moment}] "GET {path} HTTP/1.1"'
        f' {status} {size} "-" "Mozilla/5.0 (X11; Linux)"'
    )
    return Line(
        text.encode(), at_ms, "", f"{status // 100}xx", "GET", ((SIZE, size),), path
    )


def _json(random: Random, at_ms: int | None) -> Line:
    level, form = random.choice(
        [("info", "served {} items"), ("warn", "cache {} is cold")]
    )
    status = random.choice([200, 500])
    duration = random.randrange(10**9)
    said: dict[str, str | int] = {} if at_ms is None else {"@timestamp": _iso(at_ms)}
    said |= {
        "log.level": level,
        "message": form.format(random.randrange(10**4)),
        "http.response.status_code": status,
        DURATION: duration,
    }
    return Line(
        json.dumps(said).encode(),
        at_ms,
        level,
        f"{status // 100}xx",
        form,
        ((DURATION, duration),),
    )


def _iso(at_ms: int) -> str:
    return _moment(at_ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _moment(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1_000, tz=UTC)


DATASETS = {"log4j": "java.log", "access": "nginx.access", "json": "shop.events"}
"""By the parser of its files."""
DRAWN_AS = {"log4j": _log4j, "access": _access, "json": _json}
