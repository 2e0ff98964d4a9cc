"""TLS whose certificates stand in files: each new connection takes what they hold now.

One context serves every library: kafka-python, aiokafka, urllib3 and aiohttp all make their
connections by `wrap_socket` or `wrap_bio`, and here each of these asks the files first.
Servers are always verified, their names included; there is no way to switch that off.
"""

from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tailrace.clock import Clock, SystemClock
from tailrace.key_files import KeyFileUnread, Stamp, is_settled, stamp_of
from tailrace.log import logger


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """Whom a client trusts, and by what it is known itself."""

    service: str
    address: str
    """What they are for, for messages."""
    ca_file: Path | None = None
    """None: those authorities that this machine trusts."""
    certificate_file: Path | None = None
    key_file: Path | None = None
    """None: it stands in the certificate's file."""

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return each file that is named."""
        named = (self.ca_file, self.certificate_file, self.key_file)
        return tuple(path for path in named if path is not None)


class LiveContext(ssl.SSLContext):
    """A client's context of which each connection has the files' present content.

    Files that are just being replaced may not fit each other for a moment: those that
    were last in good order are used until then.
    """

    def __new__(cls, files: TlsFiles, *, clock: Clock | None = None) -> Self:
        """Make the outer context, which verifies as the inner ones do."""
        del files, clock
        return super().__new__(cls, ssl.PROTOCOL_TLS_CLIENT)

    def __init__(self, files: TlsFiles, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._files = files
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._stamps: tuple[Stamp | None, ...] | None = None
        self._problem = ""

    def wrap_socket(
        self,
        sock: socket.socket,
        server_side: bool = False,  # noqa: FBT001, FBT002
        do_handshake_on_connect: bool = True,  # noqa: FBT001, FBT002
        suppress_ragged_eofs: bool = True,  # noqa: FBT001, FBT002
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a socket by what the files hold now.

        Raises:
            KeyFileUnread: they were never in good order.
        """
        return self.present().wrap_socket(
            sock,
            server_side,
            do_handshake_on_connect,
            suppress_ragged_eofs,
            server_hostname,
            session,
        )

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,  # noqa: FBT001, FBT002
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Likewise, of a connection that an event loop reads and writes.

        Raises:
            KeyFileUnread: they were never in good order.
        """
        return self.present().wrap_bio(
            incoming, outgoing, server_side, server_hostname, session
        )

    def present(self) -> ssl.SSLContext:
        """Return a context of what the files hold now, or last held in good order.

        Raises:
            KeyFileUnread: they were never in good order.
        """
        with self._lock:
            stamps = tuple(stamp_of(path) for path in self._files.paths)
            if self._context is None or stamps != self._stamps:
                self._read(stamps)
            assert self._context is not None
            return self._context

    def _read(self, stamps: tuple[Stamp | None, ...]) -> None:
        try:
            context = _context_of(self._files)
        except (OSError, ValueError) as error:
            # An SSLError is an OSError, and says no more of a file than its kind.
            problem = f"cannot be used: {getattr(error, 'strerror', None) or error}"
            if self._context is None:
                raise KeyFileUnread(
                    _suspect(self._files),
                    service=self._files.service,
                    address=self._files.address,
                    problem=problem,
                ) from None
            if problem != self._problem:
                paths = [str(path) for path in self._files.paths]
                log = logger("keys")
                log.warning("certificates_unread", paths=paths, problem=problem)
            self._problem = problem
            return
        self._problem = ""
        self._context = context
        now_ms = self._clock.now_ms()
        settled = all(s is not None and is_settled(s, now_ms=now_ms) for s in stamps)
        self._stamps = stamps if settled else None


def _context_of(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.create_default_context(
        ssl.Purpose.SERVER_AUTH, cafile=str(files.ca_file) if files.ca_file else None
    )
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate_file is not None:
        context.load_cert_chain(
            files.certificate_file,
            files.key_file,
            # A key with a pass phrase would otherwise be asked for at the terminal.
            password=_no_pass_phrase,
        )
    return context


def _no_pass_phrase() -> str:
    raise ValueError("its key has a pass phrase; give one without")


def _suspect(files: TlsFiles) -> Path:
    """Return the first file that cannot even be looked at, else the first of all."""
    own = Path(ssl.get_default_verify_paths().openssl_cafile)
    missing = [path for path in files.paths if stamp_of(path) is None]
    return next(iter((*missing, *files.paths, own)))
