"""What was read and not yet sent, in order, with its size known at any moment."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from tailrace_indexer.pieces import Piece, parts


class Ready:
    """A queue of pieces, and of lists of pieces that must each be sent apart."""

    def __init__(self) -> None:
        self._pieces: deque[Piece] = deque()
        self._apart: deque[list[Piece]] = deque()
        self.size_bytes = 0

    def __bool__(self) -> bool:
        return bool(self._pieces or self._apart)

    @property
    def has_apart(self) -> bool:
        """Whether something waits that must be sent on its own."""
        return bool(self._apart)

    def add(self, piece: Piece) -> None:
        """Put a piece at the end."""
        self._pieces.append(piece)
        self.size_bytes += piece.size_bytes

    def put_back(self, pieces: Sequence[Piece]) -> None:
        """Put pieces at the beginning again, in their order."""
        self._pieces.extendleft(reversed(pieces))
        self.size_bytes += sum(piece.size_bytes for piece in pieces)

    def add_apart(self, pieces: list[Piece]) -> None:
        """Add pieces that are sent together, and with nothing else."""
        self._apart.append(pieces)
        self.size_bytes += sum(piece.size_bytes for piece in pieces)

    def take(
        self, *, bytes_max: int, is_current: Callable[[Piece], bool]
    ) -> list[Piece]:
        """Take what the next bulk holds: at most `bytes_max`, but at least one document.

        A piece that is larger is cut, and the rest of it stays the next to be sent. What
        was put apart is taken as it was put. Pieces that are not current are dropped:
        another owner reads them.
        """
        while self._apart:
            pieces = self._apart.popleft()
            self.size_bytes -= sum(piece.size_bytes for piece in pieces)
            if current := [piece for piece in pieces if is_current(piece)]:
                return current
        taken: list[Piece] = []
        size = 0
        while self._pieces:
            if taken and size + self._pieces[0].size_bytes > bytes_max:
                break
            piece = self._pieces.popleft()
            self.size_bytes -= piece.size_bytes
            if is_current(piece):
                first, *rest = parts(piece, bytes_max=bytes_max)
                self.put_back(rest)
                taken.append(first)
                size += first.size_bytes
        return taken
