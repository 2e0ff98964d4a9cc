"""What `tailrace up` does while a server of its own is slow, on roles that are not started."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tailrace import first_line, provision, supervision
from tailrace.clock import SystemClock
from tailrace.dashboard_port import DashboardPort
from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.settings import Connections
from tailrace.status import StatusFacts, judge
from tailrace.supervision import SEARCHABLE_WAIT_MS_MAX, Supervision, UpPlan
from tailrace.up_record import UpRecord, read_record
from tailrace_embedded.progress import SilentProgress
from tailrace_embedded.stack import Endpoints
from tests.support.standing_clock import StandingClock

ENDPOINTS = Endpoints(
    kafka_bootstrap="127.0.0.1:1",
    zookeeper_hosts="127.0.0.1:1",
    elasticsearch_url="http://127.0.0.1:1",
)


class Heard(SilentProgress):
    """Remembers each step that is told."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def step(self, message: str) -> None:
        self.steps.append(message)


class PassingTime(threading.Event):
    """Is waited for without waiting: the clock goes on; set after `stops_at_ms`."""

    def __init__(self, clock: StandingClock, *, stops_at_ms: int) -> None:
        super().__init__()
        self._clock = clock
        self._stops_at_ms = stops_at_ms

    def wait(self, timeout: float | None = None) -> bool:
        self._clock.at_ms += int((timeout or 0) * 1_000)
        if self._clock.at_ms >= self._stops_at_ms:
            self.set()
        return self.is_set()


class RolelessSupervision(Supervision):
    """Brings up what it is told to, with servers that are only said to be there."""

    started: list[str]

    def bring_up(self, ready: Callable[[str], None]) -> None:
        self.started = []
        self._stack = StackWithoutServers()  # pyright: ignore[reportAttributeAccessIssue]
        self._bring_up_roles(ENDPOINTS)
        self._phase = supervision.Phase.RUNNING
        self._bring_up_indexing()
        ready(self._dashboard_url())

    def _start_role(
        self, name: str, *, endpoints: Endpoints, arguments: Sequence[str] = ()
    ) -> None:
        del endpoints, arguments
        self.started.append(name)

    def _kafka_answers(self, endpoints: Endpoints) -> bool:
        del endpoints
        return True


class StackWithoutServers:
    """All of its servers are up, as it has none."""

    servers = ()
    endpoints = ENDPOINTS


class Told:
    """What a start asks of the servers, and what they answer at each moment."""

    def __init__(
        self,
        monkeypatch: pytest.MonkeyPatch,
        clock: StandingClock,
        *,
        kafka_at_ms: int = 0,
        elasticsearch_at_ms: int = 0,
        line_at_ms: int = 0,
    ) -> None:
        def serve(service: str, at_ms: int) -> Callable[[Connections], str]:
            def ask(connections: Connections) -> str:
                del connections
                if clock.at_ms < at_ms:
                    clock.at_ms += 10_000
                    raise ServiceUnavailable(service, address="a:1", reason="stalls")
                return "done"

            return ask

        self.looked_at_ms: list[int] = []

        def is_searchable(connections: Connections, *, since_ms: int) -> bool:
            del connections, since_ms
            self.looked_at_ms.append(clock.at_ms)
            return clock.at_ms >= line_at_ms

        monkeypatch.setattr(provision, "provision_topics", serve("Kafka", kafka_at_ms))
        served = serve("Elasticsearch", elasticsearch_at_ms)
        monkeypatch.setattr(provision, "provision_templates", served)
        monkeypatch.setattr(first_line, "is_searchable", is_searchable)


def supervised(
    data_dir: Path, clock: StandingClock, *, stops_at_ms: int
) -> tuple[RolelessSupervision, Heard]:
    heard = Heard()
    (data_dir / "dashboard").mkdir()
    (data_dir / "dashboard" / "status.json").write_text('{"url":"http://127.0.0.1:5"}')
    made = RolelessSupervision(
        UpPlan(data_dir=data_dir),
        port=DashboardPort(1, is_configured=True),
        watched_globs=[],
        progress=heard,
        stop=PassingTime(clock, stops_at_ms=stops_at_ms),
        clock=clock,
    )
    return made, heard


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what `up` sets for its roles."""
    for name, value in ENDPOINTS.as_environment().items():
        monkeypatch.setenv(name, value)


def reasons_now(data_dir: Path, clock: StandingClock) -> list[str]:
    up: UpRecord | None = read_record(data_dir)
    return judge(StatusFacts(data_dir="/d", now_ms=clock.at_ms, up=up)).reasons


@pytest.mark.usefixtures("environment")
@pytest.mark.parametrize("service", ["Kafka", "Elasticsearch"])
def test_up_waits_for_a_server_that_stalls_while_it_is_provisioned(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StandingClock()
    at_ms = {f"{service.lower()}_at_ms": 45_000}
    Told(monkeypatch, clock, **at_ms)
    supervision, heard = supervised(tmp_path, clock, stops_at_ms=1 << 60)

    supervision.bring_up(lambda _url: None)

    assert supervision.started == ["dashboard", "agent", "stream", "indexer"]
    waits = [step for step in heard.steps if "waiting for " + service in step]
    assert len(waits) == 1
    assert any("a line is searchable after" in step for step in heard.steps)


@pytest.mark.usefixtures("environment")
def test_that_no_line_is_searchable_is_taken_back_once_one_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StandingClock()
    found_ms = SEARCHABLE_WAIT_MS_MAX + 300_000
    told = Told(monkeypatch, clock, line_at_ms=found_ms)
    supervision, heard = supervised(tmp_path, clock, stops_at_ms=found_ms + 120_000)

    supervision.bring_up(lambda _url: None)
    assert "No line is searchable after 120 s; still trying" in heard.steps[-1]
    assert "no line has become searchable since the start" in reasons_now(
        tmp_path, clock
    )
    told.looked_at_ms.clear()
    supervision.tend_until_stopped()

    # Rarely, as nobody waits for it, and no more once there is one.
    assert len(told.looked_at_ms) == 300_000 // 15_000
    assert "a line is searchable after 42" in heard.steps[-1]
    assert reasons_now(tmp_path, clock) == []


@pytest.mark.usefixtures("environment")
def test_a_dashboard_that_comes_late_is_not_told_as_a_missing_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = StandingClock()
    Told(monkeypatch, clock)
    supervision, heard = supervised(tmp_path, clock, stops_at_ms=300_000)
    path = tmp_path / "dashboard" / "status.json"
    written = path.read_text()
    path.unlink()

    supervision.bring_up(lambda _url: None)
    assert "The dashboard does not answer after 120 s" in heard.steps[-1]
    (reason,) = reasons_now(tmp_path, clock)
    assert "the dashboard has not said where it answers" in reason
    path.write_text(written)
    supervision.tend_until_stopped()

    assert heard.steps[-1] == "the dashboard answers: http://127.0.0.1:5"
    assert reasons_now(tmp_path, clock) == []


class SlowStart:
    """Stands in for the start of the servers: it ends when it is given up."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.is_ended = False

    def start(self, _data_dir: Path, *, given_up: threading.Event, **_: object) -> None:
        self.begun.set()
        given_up.wait()
        self.is_ended = True
        raise CommandFailed("The start was given up.", remedy="start again")


@pytest.mark.timeout(60)
def test_p2_a_start_that_is_interrupted_is_given_up_and_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only then it may be said that everything is stopped again."""
    slow = SlowStart()
    monkeypatch.setattr(supervision.Stack, "start", slow.start)
    stop = threading.Event()
    made = Supervision(
        UpPlan(data_dir=tmp_path, has_roles=False),
        port=None,
        watched_globs=[],
        progress=SilentProgress(),
        stop=stop,
        clock=SystemClock(),
    )
    asker = threading.Thread(target=lambda: slow.begun.wait() and stop.set())
    asker.start()
    made.bring_up(lambda _url: None)
    asker.join()
    assert not slow.is_ended
    made.take_down()
    assert slow.is_ended
