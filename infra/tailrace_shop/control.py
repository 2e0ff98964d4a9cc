"""How the shop is steered: services stopped and started, incidents, sales, loads."""

from __future__ import annotations

import asyncio
import hmac
import subprocess
import sys
from collections.abc import Mapping

from tailrace.kafka_admin import KafkaAdmin
from tailrace.settings import Connections
from tailrace.shop_link import KEY_HEADER, ShopState
from tailrace.shop_loads import Load
from tailrace_shop.http import Request, Response
from tailrace_shop.incidents import Incident, Incidents
from tailrace_shop.looks import SharedLook
from tailrace_shop.queue import CLIENT_ID, Worker
from tailrace_shop.sale import Sales

STOCK_MAX = 100_000
KAFKA_ANSWER_MS_MAX = 10_000


class Control:
    """Answers below `/control`, to whoever has the key."""

    def __init__(
        self,
        connections: Connections,
        *,
        key: str,
        workers: Mapping[str, Worker],
        sales: Sales,
        incidents: Incidents,
    ) -> None:
        """Steer; `workers` are those that a person may stop."""
        self._connections = connections
        self._key = key
        self._workers = workers
        self._sales = sales
        self._incidents = incidents
        self._admin = KafkaAdmin(
            connections,
            client_id=CLIENT_ID,
            # Whoever asks waits no longer than for any answer of the shop.
            answer_ms_max=KAFKA_ANSWER_MS_MAX,
        )
        self._waiting = SharedLook(self._ask_waiting)
        """The admin client is made for one thread at a time, and Kafka may be slow."""
        self._loads: dict[Load, subprocess.Popen[bytes]] = {}

    async def answer(self, request: Request) -> Response:
        """Do what is asked, and answer with what is then."""
        key = request.headers.get(KEY_HEADER, "")
        if not hmac.compare_digest(key.encode(), self._key.encode()):
            return Response.refusing("this is for who has the key", status=403)
        match (request.method, *request.path.strip("/").split("/")[1:]):
            case ("GET",):
                pass
            case ("POST", "sales", sale):
                stock = int(request.query.get("stock", "0"))
                if not 1 <= stock <= STOCK_MAX:
                    raise ValueError(f"stock must be 1 to {STOCK_MAX}, got {stock}")
                self._sales.open(sale, stock=stock)
            case ("POST", "incidents", name):
                if name not in list(Incident):
                    known = ", ".join(Incident)
                    return Response.refusing(f"no incident {name!r}; there are {known}")
                self._incidents.cause(Incident(name))
            case ("POST", "services", name, "stop" | "start" as what) if (
                name in self._workers
            ):
                worker = self._workers[name]
                await asyncio.to_thread(
                    worker.start if what == "start" else worker.stop
                )
            case ("POST", "loads", name) if name in list(Load):
                self._start_load(Load(name))
            case _:
                return Response.refusing(f"nothing is at {request.path}")
        waiting = await self._waiting.look()
        # The shelf of a sale waits for the disk at times: not in the server's own thread.
        return Response.saying(await asyncio.to_thread(self._state, waiting))

    def close(self) -> None:
        """End the load generators, and let go of Kafka."""
        for running in self._loads.values():
            running.terminate()
            running.wait()
        self._admin.close()

    def _start_load(self, load: Load) -> None:
        running = self._loads.get(load)
        if running is not None and running.poll() is None:
            return
        # A process of its own: what storms must not share a thread with who is stormed.
        folder = self._connections.data_dir
        self._loads[load] = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "tailrace", "shop", "load", load),
                *("--data-dir", str(folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )

    def _ask_waiting(self) -> dict[str, int]:
        return {name: one.waiting(self._admin) for name, one in self._workers.items()}

    def _state(self, waiting: dict[str, int]) -> ShopState:
        return ShopState(
            services={name: one.is_running for name, one in self._workers.items()},
            waiting=waiting,
            incidents=self._incidents.under_way(),
            sales=self._sales.states(),
        )
