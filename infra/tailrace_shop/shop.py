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
from tailrace_shop.chat import Chat
from tailrace_shop.config import ShopSettings
from tailrace_shop.control import Control
from tailrace_shop.front import Front
from tailrace_shop.gateways import Outside
from tailrace_shop.http import serve
from tailrace_shop.incidents import Deploys, Incidents
from tailrace_shop.jobs import Jobs
from tailrace_shop.logs import PythonLog
from tailrace_shop.orders import Orders
from tailrace_shop.premises import Premises
from tailrace_shop.queue import Queue, make_topics
from tailrace_shop.registration import Accounts
from tailrace_shop.sale import Sales
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
        self._data_dir = connections.data_dir
        self._settings = settings
        self._random = random
        folder = connections.data_dir / SHOP_DIR
        logs = folder / "logs"
        make_topics(connections)
        self._queue = Queue(connections)
        incidents = Incidents(length_ms=settings.incident_ms, clock=clock)
        self._deploys = Deploys(incidents, logs=logs, clock=clock)
        self._notifier_log = PythonLog(
            logs / "notifier.log", logger="shop.notifier", clock=clock
        )
        premises = Premises(
            connections=connections,
            folder=folder,
            queue=self._queue,
            outside=Outside(settings, incidents=incidents, clock=clock),
            clock=clock,
            random=random,
            notifier_log=self._notifier_log,
        )
        self.accounts = Accounts(premises)
        self.orders = Orders(premises, deploys=self._deploys)
        self.sales = Sales(premises, waiting_max=settings.waiting_max)
        self.chat = Chat(premises)
        services = self.accounts.workers | self.orders.workers | self.sales.workers
        self._workers = (services | self.chat.workers).values()
        self._key = secrets.token_hex(16)
        self._control = Control(
            connections,
            key=self._key,
            workers=services,
            sales=self.sales,
            incidents=incidents,
        )
        self._front = Front(
            accounts=self.accounts,
            orders=self.orders,
            sales=self.sales,
            chat=self.chat,
            control=self._control.answer,
            logs=logs,
            clock=clock,
        )
        self._jobs = Jobs(
            settings,
            premises,
            inventory=self.orders.inventory,
            incidents=incidents,
            deploys=self._deploys,
        )

    async def run(self, stop: threading.Event) -> None:
        """Serve until `stop` is set.

        Raises:
            ServiceUnavailable: the port is taken.
        """
        server = await self._listen()
        port = int(server.sockets[0].getsockname()[1])
        link = ShopLink(url=f"http://{ADDRESS}:{port}", pid=os.getpid(), key=self._key)
        for worker in self._workers:
            worker.start()
        self._jobs.start()
        visitors = asyncio.create_task(
            visit_now_and_then(
                link.url, pause_ms=self._settings.visit_pause_ms, random=self._random
            )
        )
        link.write(self._data_dir)
        try:
            await asyncio.to_thread(stop.wait)
        finally:
            (self._data_dir / LINK_FILE).unlink(missing_ok=True)
            visitors.cancel()
            server.close()
            await asyncio.to_thread(self._stop)

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

    def _stop(self) -> None:
        self._control.close()
        self._front.close()
        self._jobs.stop()
        for worker in self._workers:
            worker.ask_to_stop()
        for worker in self._workers:
            worker.stop()
        for one in (self.accounts, self.orders, self.sales):
            one.close()
        self._queue.close()
        self._deploys.close()
        self._notifier_log.close()
