"""Appends of many threads that share one commit, and so one wait for the disk."""

from __future__ import annotations

import threading

from edge_agent.outbox.queue_batch import EventKind


class Append:
    """One call on its way: ``seqs`` is filled in once it is committed, ``error`` if that failed by a fault."""

    __slots__ = ("done", "error", "kind", "payloads", "seqs")

    def __init__(self, payloads: tuple[bytes, ...], kind: EventKind) -> None:
        self.payloads = payloads
        self.kind = kind
        self.seqs = range(0)
        self.done = False
        self.error: BaseException | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes of all payloads."""
        return sum(map(len, self.payloads))


class WaitingRoom:
    """Where appends wait while another thread commits. Whoever comes to commit takes all that wait."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: list[Append] = []

    def enter(self, append: Append) -> None:
        """Wait for the next commit."""
        with self._lock:
            self._waiting.append(append)

    def take_all(self) -> list[Append]:
        """Everyone who waits, in the order in which they came."""
        with self._lock:
            group, self._waiting = self._waiting, []
        return group
