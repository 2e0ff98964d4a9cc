"""What the agent tells of itself over HTTP: its health, and its figures for Prometheus.

The names and what they mean are an interface: they are in docs/metrics.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric

from tailrace.clock import Clock
from tailrace.health import Health
from tailrace.text import printable
from tailrace_agent.records import RECORD_TOO_LARGE
from tailrace_agent.status import AgentStatus

STUCK_MS_MAX = 60_000
"""The loop turns at least once a second; a disk or a mount that hangs holds it."""
PREFIX = "tailrace_agent"
STARTING = "1 until the agent has looked at its files once: their figures follow."
KAFKA_CONNECTED = "kafka_connected"
CONNECTED = "1 while Kafka takes what is sent."


class Observed:
    """The newest status, which the loop's thread puts here and others read."""

    def __init__(
        self, clock: Clock, *, on_held_up: Callable[[str], None] = lambda _why: None
    ) -> None:
        self._clock = clock
        self._on_held_up = on_held_up
        self._turned_at_ms: int | None = None
        self._status: AgentStatus | None = None
        self._held_up = ""

    def hold_up(self, why: str) -> None:
        """Note, and tell, why the loop has not begun yet; "" once nothing holds it up."""
        self._held_up = why
        self._on_held_up(why)

    def turn(self) -> None:
        """Note that the loop goes round."""
        self._turned_at_ms = self._clock.monotonic_ms()

    def tell(self, status: AgentStatus) -> None:
        """Put a newer status in the place of the last."""
        self._status = status

    def health(self) -> Health:
        """Return whether anything hinders the agent now."""
        if self._turned_at_ms is None:
            why = f": {self._held_up}" if self._held_up else ""
            return Health((f"the agent is starting{why}",))
        still_ms = self._clock.monotonic_ms() - self._turned_at_ms
        return health_of(self._status, still_ms=still_ms)

    def figures(self) -> Iterator[Metric]:
        """Yield every figure; before there is a first status, that there is none.

        An agent that waits for Kafka at its start must be told from one that is well.
        """
        status = self._status  # Once: the loop's thread puts another there.
        yield GaugeMetricFamily(
            f"{PREFIX}_starting", STARTING, value=int(status is None)
        )
        if status is not None:
            yield from figures_of(status, now_ms=self._clock.now_ms())
        elif self._held_up:
            yield GaugeMetricFamily(f"{PREFIX}_{KAFKA_CONNECTED}", CONNECTED, value=0)


def health_of(status: AgentStatus | None, *, still_ms: int) -> Health:
    """Return what hinders the agent, in words.

    Files that cannot be read are notes and no ill health: the agent does all it can.
    """
    problems: list[str] = []
    if still_ms > STUCK_MS_MAX:
        problems.append(
            f"the agent has not turned for {still_ms // 1_000} s: a disk or mount hangs"
        )
    if status is None:
        return Health((*problems, "the agent has not looked at its files yet"))
    if status.kafka != "connected":
        problems.append(f"no connection to Kafka: {status.kafka}")
    if status.checkpoint != "written":
        problems.append(f"the checkpoint cannot be written: {status.checkpoint}")
    return Health(tuple(problems), tuple(_notes(status)))


def _notes(status: AgentStatus) -> Iterator[str]:
    """Say what no start anew would cure, and how much there is beside followed files."""
    if status.paused:
        yield f"files wait, and nothing of them is read: {status.paused}"
    if status.unreadable_count:
        path, why = next(iter(status.unreadable.items()), ("", ""))
        yield (
            f"{status.unreadable_count} files with {status.unreadable_bytes} bytes cannot"
            f" be read; {printable(path)}: {why}"
        )
    if status.waiting_count:
        folder, count = next(iter(status.waiting.items()), ("", status.waiting_count))
        others = len(status.waiting) - 1
        more = f", and more in {others} other folders" if others > 0 else ""
        yield (
            f"{status.waiting_count} files with {status.waiting_bytes} bytes are not read:"
            f" {count} files in {printable(folder)} wait for room{more}; raise `folder_files_max` or"
            " `files_max` of their source, or remove what is old"
        )
    if status.away_bytes:
        yield f"{status.away_bytes} bytes are in files that nobody can reach now"
    if status.gone_unread_bytes:
        yield (
            f"{status.gone_unread_bytes} bytes in {status.gone_unread_count} files were"
            " gone before they could be opened"
        )


def figures_of(status: AgentStatus, *, now_ms: int) -> Iterator[Metric]:
    """Yield the figures of the agent as a whole, then those of each file."""
    for name, text, value in (*_of_bytes(status, now_ms=now_ms), *_of_state(status)):
        yield GaugeMetricFamily(f"{PREFIX}_{name}", text, value=value)
    yield from _of_events(status)
    yield _counter(
        "gone_unread_files",
        "Files that were seen and gone before they could be opened.",
        status.gone_unread_count,
    )
    yield _counter(
        "gone_unread_bytes", "What they held when seen.", status.gone_unread_bytes
    )
    yield _counter(
        "hints_overflows",
        "How often the kernel's queue of hints overflowed; all files were looked at.",
        status.hints_overflows_count,
    )
    yield from _of_files(status, now_ms=now_ms)


_Figure = tuple[str, str, float]


def _of_state(status: AgentStatus) -> tuple[_Figure, ...]:
    return (
        ("files", "Files that are followed.", status.files_count),
        ("unreadable_files", "Files that cannot be opened.", status.unreadable_count),
        (
            "refused_files",
            "Of those, files that others could have planted.",
            status.refused_count,
        ),
        (
            "waiting_files",
            "Files beyond the limits of their source, read when there is room.",
            status.waiting_count,
        ),
        ("unmatched_globs", "Globs that match no file.", len(status.unmatched_globs)),
        (
            KAFKA_CONNECTED,
            CONNECTED,
            int(status.kafka == "connected"),
        ),
        (
            "checkpoint_writable",
            "1 while the checkpoint can be written.",
            int(status.checkpoint == "written"),
        ),
        (
            "hints_on",
            "1 while the kernel tells of changes; the sweep goes on without.",
            int(status.hints == "on"),
        ),
    )


def _of_bytes(status: AgentStatus, *, now_ms: int) -> tuple[_Figure, ...]:
    waits = [
        now_ms - file.unsent_since_ms
        for file in status.files
        if file.unsent_since_ms is not None
    ]
    return (
        (
            "lag_bytes",
            "Of followed files: seen on disk, not acknowledged by Kafka.",
            status.lag_bytes,
        ),
        (
            "unreadable_bytes",
            "What the files hold that cannot be opened.",
            status.unreadable_bytes,
        ),
        (
            "waiting_bytes",
            "What the files beyond the limits of their source hold.",
            status.waiting_bytes,
        ),
        (
            "away_bytes",
            "Unread, of files that nobody can reach and that may return.",
            status.away_bytes,
        ),
        ("in_flight_bytes", "Sent, not acknowledged.", status.in_flight_bytes),
        ("lost_bytes", "Declared as lost since the start.", status.lost_bytes),
        (
            "oldest_unsent_seconds",
            "How long the oldest byte that is not acknowledged waits, at least.",
            max(waits, default=0) / 1_000,
        ),
    )


def _of_events(status: AgentStatus) -> Iterator[Metric]:
    yield _counter(
        "shipped_events", "Events that Kafka acknowledged.", status.shipped_events
    )
    yield _counter(
        "split_events",
        "Events of several lines that a limit ended.",
        status.split_events,
    )
    yield _counter(
        "cut_events",
        "Events beyond the limit, sent as their beginning.",
        status.cut_events,
    )
    yield _counters(
        "dead_events",
        "Events that went to the dead letters here.",
        label="reason",
        # Whoever watches for it sees the figure before the first one dies.
        values={RECORD_TOO_LARGE: 0} | status.dead_events,
    )
    yield _counters(
        "held_back_bytes",
        "Bytes that had to wait for the rate of their source.",
        label="source",
        values=status.held_back_bytes,
    )
    yield _of_dropped(
        "dropped_events",
        "Events beyond the rate of their source, dropped or redirected.",
        values=status.dropped_events,
    )
    yield _of_dropped("dropped_bytes", "What these held.", values=status.dropped_bytes)
    yield _counters(
        "redacted",
        "Pieces that a rule took out of events.",
        label="rule",
        values=status.redacted,
    )


def _counter(name: str, text: str, value: int) -> Metric:
    metric = Metric(f"{PREFIX}_{name}", text, "counter")
    metric.add_sample(f"{metric.name}_total", {}, value)
    return metric


def _counters(name: str, text: str, *, label: str, values: Mapping[str, int]) -> Metric:
    metric = Metric(f"{PREFIX}_{name}", text, "counter")
    for value, count in values.items():
        metric.add_sample(f"{metric.name}_total", {label: value}, count)
    return metric


def _of_dropped(
    name: str, text: str, *, values: Mapping[str, Mapping[str, int]]
) -> Metric:
    metric = Metric(f"{PREFIX}_{name}", text, "counter")
    for source, counts in values.items():
        for reason, count in counts.items():
            labels = {"source": source, "reason": reason}
            metric.add_sample(f"{metric.name}_total", labels, count)
    return metric


def _of_files(status: AgentStatus, *, now_ms: int) -> Iterator[Metric]:
    labels = ("source", "path", "generation")
    lag = GaugeMetricFamily(
        f"{PREFIX}_file_lag_bytes",
        "Of one file: on disk, not acknowledged.",
        labels=labels,
    )
    unsent = GaugeMetricFamily(
        f"{PREFIX}_file_unsent_seconds",
        "Of one file: how long its oldest such byte waits, at least.",
        labels=labels,
    )
    lost = GaugeMetricFamily(
        f"{PREFIX}_file_lost_bytes",
        "Of one file: declared as lost, by reason.",
        labels=(*labels, "reason"),
    )
    for file in status.files:
        # Prometheus keeps what it is given, but a page of figures is read in terminals, too.
        values = (file.source, printable(file.path), file.generation)
        lag.add_metric(values, file.lag_bytes)
        since_ms = file.unsent_since_ms
        unsent_ms = 0 if since_ms is None else now_ms - since_ms
        unsent.add_metric(values, unsent_ms / 1_000)
        for reason, size_bytes in file.lost_bytes.items():
            lost.add_metric((*values, reason), size_bytes)
    yield lag
    yield unsent
    yield lost
