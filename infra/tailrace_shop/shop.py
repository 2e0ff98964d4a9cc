"""The whole shop: its services, its web front, its jobs, started and stopped in order."""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from random import Random

from tailrace.clock import Clock
from tailrace.errors import ServiceUnavailable
from tailrace.settings import Connections
from tailrace.shop_link import LINK_FILE, SHOP_DIR, ShopLink
from tailrace_shop.config import ShopSettings
from tailrace_shop.control import Control
from tailrace_shop.front import Front
from tailrace_shop.gateways import Gateway
from tailrace_shop.http import serve
from tailrace_shop.incidents import Incidents
from tailrace_shop.jobs import Jobs
from tailrace_shop.messages import make_topics
from tailrace_shop.queue import Queue
from tailrace_shop.services import Outside, Services
from tailrace_shop.visitors import visit_now_and_then

ADDRESS = "127.0.0.1"


class Shop:
    """One shop on one data folder."""

    def __init__(
        self,
        connections: Connections,
        *,
        settings: ShopSettings,
        clock: Clock,
        random: Random,
    ) -> None:
        """Connect and put the shelves up; nothing runs yet.

        Raises:
            ServiceUnavailable: Kafka does not answer.
        """
        self._connections = connections
        self._settings = settings
        self._random = random
        folder = connections.data_dir / SHOP_DIR
        make_topics(connections)
        self._queue = Queue(connections)
        self.outside = Outside(
            database=self._gateway("database", clock=clock),
            mail=self._gateway("e-mail", clock=clock),
            sms=self._gateway("SMS", clock=clock),
        )
        self.services = Services(
            connections,
            folder=folder,
            queue=self._queue,
            outside=self.outside,
            clock=clock,
        )
        self.incidents = Incidents(length_ms=settings.incident_ms, clock=clock)
        self._front = Front(
            queue=self._queue,
            services=self.services,
            outside=self.outside,
            incidents=self.incidents,
            logs=folder / "logs",
            clock=clock,
            random=random,
            waiting_max=settings.waiting_max,
        )
        self._jobs = Jobs(
            settings,
            services=self.services,
            outside=self.outside,
            incidents=self.incidents,
            logs=folder / "logs",
            clock=clock,
            random=random,
        )

    async def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            ServiceUnavailable: the port is taken.
        """
        key = secrets.token_hex(16)
        control = Control(
            self._connections,
            key=key,
            front=self._front,
            services=self.services,
            incidents=self.incidents,
            cause=self._jobs.cause,
        )
        self._front.control = control.answer
        server = await self._listen()
        port = int(server.sockets[0].getsockname()[1])
        link = ShopLink(url=f"http://{ADDRESS}:{port}", pid=os.getpid(), key=key)
        self.services.start()
        self._jobs.start()
        visitors = self._visitors(link.url)
        link.write(self._connections.data_dir)
        try:
            await asyncio.to_thread(stop.wait)
        finally:
            (self._connections.data_dir / LINK_FILE).unlink(missing_ok=True)
            if visitors is not None:
                visitors.cancel()
            server.close()
            await asyncio.to_thread(self._stop, control)

    async def _listen(self) -> asyncio.Server:
        port = self._settings.port
        try:
            return await serve(self._front.answer, address=ADDRESS, port=port)
        except OSError as error:
            raise ServiceUnavailable(
                "The shop",
                address=f"{ADDRESS}:{port}",
                reason=error.strerror or str(error),
                remedy="set TAILRACE_SHOP_PORT to another one; 0 takes a free one",
            ) from error

    def _visitors(self, url: str) -> asyncio.Task[None] | None:
        pause_ms = self._settings.visit_pause_ms
        if not pause_ms:
            return None
        return asyncio.create_task(
            visit_now_and_then(url, pause_ms=pause_ms, random=self._random)
        )

    def _stop(self, control: Control) -> None:
        control.close()
        self._front.close()
        self._jobs.stop()
        self.services.stop()
        self._queue.close()

    def _gateway(self, name: str, *, clock: Clock) -> Gateway:
        return Gateway(
            name,
            latency_ms=self._settings.step_ms,
            timeout_ms=self._settings.gateway_timeout_ms,
            clock=clock,
        )
