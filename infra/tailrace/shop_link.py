"""How the shop of the demonstration is asked and told, by the command line and the dashboard.

The shop writes down where it listens, with a key that only this user can read: a page in a
browser can reach loopback, too, and must not stop a service or cause an incident.
"""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import msgspec

from tailrace.errors import CommandFailed, ServiceUnavailable
from tailrace.whole_files import PRIVATE, replace_file

SHOP_DIR = "shop"
LINK_FILE = Path(SHOP_DIR, "shop.json")
KEY_HEADER = "x-shop-key"
ANSWER_S_MAX = 15.0

ReadT = TypeVar("ReadT")


class SaleState(msgspec.Struct, frozen=True, kw_only=True):
    """One flash sale."""

    name: str
    stock: int
    admitted: int
    sold: int


class ShopState(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop says of itself."""

    services: dict[str, bool]
    """Which of them take messages."""
    waiting: dict[str, int]
    """By service, the messages that wait in Kafka for it."""
    incidents: list[str]
    """Those that are under way."""
    sales: list[SaleState]


class Word(msgspec.Struct, frozen=True, kw_only=True):
    """What someone said in the chat room."""

    member: str
    text: str
    at_ms: int


class RoomState(msgspec.Struct, frozen=True, kw_only=True):
    """The chat room."""

    said: list[Word]
    present: list[str]


class _Refusal(msgspec.Struct):
    error: str = ""


class ShopLink(msgspec.Struct, frozen=True, kw_only=True):
    """Where a shop listens, and its key."""

    url: str
    pid: int
    key: str

    @classmethod
    def read(cls, data_dir: Path) -> ShopLink:
        """Return that of the shop that runs, or ran last, on a data folder.

        Raises:
            CommandFailed: none ever ran there, or it is another user's.
        """
        path = data_dir / LINK_FILE
        try:
            return msgspec.json.decode(path.read_bytes(), type=cls)
        except (OSError, msgspec.DecodeError) as error:
            raise CommandFailed(
                f"No shop runs on the data folder {data_dir}"
                f" ({LINK_FILE} cannot be read).",
                remedy="`tailrace up --demo` starts one, and `tailrace shop run` alone",
            ) from error

    def write(self, data_dir: Path) -> None:
        """Let this user's other processes read it.

        Raises:
            OSError: it cannot be written.
        """
        path = data_dir / LINK_FILE
        path.parent.mkdir(parents=True, exist_ok=True)
        content = msgspec.json.encode(self)
        replace_file(path, content, mode=PRIVATE, is_durable=False)

    def state(self) -> ShopState:
        """Return what the shop says of itself.

        Raises:
            ServiceUnavailable: it does not answer.
            CommandFailed: it refuses.
        """
        return self._ask("GET", "/control", as_type=ShopState)

    def tell(self, order: str) -> ShopState:
        """Give an order, such as `services/inventory/stop`; return what is then.

        Raises:
            ServiceUnavailable: it does not answer.
            CommandFailed: it refuses.
        """
        return self._ask("POST", f"/control/{order}", as_type=ShopState)

    def room(self) -> RoomState:
        """Return what was said in the chat room, and who is there.

        Raises:
            ServiceUnavailable: it does not answer.
            CommandFailed: it refuses.
        """
        return self._ask("GET", "/chat", as_type=RoomState)

    def speak(self, member: str, *, text: str = "", kind: str = "said") -> RoomState:
        """Say something in the chat room, or be `here` without a word, or have `left`.

        Raises:
            ServiceUnavailable: it does not answer.
            CommandFailed: it refuses.
        """
        spoken = {"member": member, "text": text, "kind": kind}
        return self._ask("POST", "/chat", body=spoken, as_type=RoomState)

    def _ask(
        self,
        method: str,
        target: str,
        *,
        body: object = None,
        as_type: type[ReadT],
    ) -> ReadT:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(
            str(place.hostname), place.port, timeout=ANSWER_S_MAX
        )
        try:
            connection.request(
                method,
                target,
                body=b"" if body is None else msgspec.json.encode(body),
                headers={KEY_HEADER: self.key, "user-agent": "tailrace"},
            )
            answer = connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnavailable(
                "The shop",
                address=self.url,
                reason=str(error) or type(error).__name__,
                remedy="`tailrace status` says whether it runs; --demo starts it",
            ) from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise CommandFailed(
                f"The shop refuses: {_refusal(content)} (status {answer.status}).",
                remedy="name one of those that it knows",
            )
        return msgspec.json.decode(content, type=as_type)


def _refusal(content: bytes) -> str:
    try:
        return msgspec.json.decode(content, type=_Refusal).error
    except msgspec.DecodeError:
        return content[:200].decode("utf-8", "replace")
