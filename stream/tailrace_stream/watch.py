"""How a worker looks at itself every few seconds: for its status file, and who asks by HTTP."""

from __future__ import annotations

from dataclasses import dataclass, field

from tailrace.clock import Clock
from tailrace.errors import CommandFailed
from tailrace.log import FilteringBoundLogger
from tailrace.metrics import MetricsServer
from tailrace_stream.alarms import Alarms
from tailrace_stream.config import StreamSettings
from tailrace_stream.partition_figures import Seen, WorkerFigures
from tailrace_stream.status import StatusFile
from tailrace_stream.worker import Offsets, StreamWorker


@dataclass(slots=True)
class Watch:
    """What is looked at, and where it is told."""

    worker: StreamWorker
    status: StatusFile
    alarms: Alarms
    offsets: Offsets = field(kw_only=True)
    clock: Clock = field(kw_only=True)
    figures: WorkerFigures = field(init=False)
    _server: MetricsServer | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.figures = WorkerFigures(self.clock)

    def answer(self, settings: StreamSettings, *, log: FilteringBoundLogger) -> None:
        """Answer `/metrics` and `/health`; where that cannot be, the worker works on."""
        if not settings.use_metrics:
            return
        figures, port = self.figures, settings.metrics_port
        try:
            self._server = MetricsServer.start(
                port=port, collect=figures.figures, check=figures.health
            )
        except CommandFailed as error:
            log.warning("metrics_unavailable", why=str(error), remedy=error.remedy)
            return
        log.info("metrics_answer", url=self._server.url)

    def look(self, alarms: tuple[str, ...]) -> None:
        """Tell how the worker stands; to be called on its event loop."""
        worker = self.worker
        acked = {lane.partition: lane.acked_offset for lane in worker.lanes.values()}
        self.status.write(
            worker.counts, acked=acked, now_ms=self.clock.now_ms(), alarms=alarms
        )
        self.figures.see(
            Seen(
                taken=dict(worker.taken),
                # One that is being loaded has no place yet.
                lag_records={
                    partition: self.offsets.waiting_count(partition, next_offset=offset)
                    for partition, offset in acked.items()
                    if offset >= 0
                },
                counts=dict(worker.counts),
                alarms=alarms,
            )
        )

    def close(self) -> None:
        """Tell how the worker ends, and answer no more."""
        self.look(self.alarms.told)
        if self._server is not None:
            self._server.close()
