"""An embedded server as `tailrace up` keeps it: started again when it dies."""

from __future__ import annotations

from tailrace_embedded.server import Server


class ServerLife:
    """One embedded server, as a member that is started again when it dies."""

    kind = "server"

    def __init__(self, server: Server) -> None:
        self._server = server
        self.name = server.name
        self.log_path = str(server.log_path)

    @property
    def pid(self) -> int | None:
        """Return its process."""
        return self._server.pid

    def start(self) -> None:
        """Start it with the same ports and data."""
        self._server.restart()

    def is_alive(self) -> bool:
        """Tell whether its process is there."""
        return self._server.is_alive()

    def exit_code(self) -> int | None:
        """Return how its last life ended, or None while it lives."""
        return self._server.exit_code()
