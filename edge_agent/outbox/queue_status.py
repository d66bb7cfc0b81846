"""How the queue on disk is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class QueueStatus:
    """A snapshot of the queue.

    ``size_bytes`` is what it takes on disk, its journal included; ``used_bytes`` the part that holds data, which the
    quota ``max_bytes`` bounds. ``dropped_events`` were the oldest when it was full, ``rejected_events`` never got in,
    ``damaged_events`` could not be read back; all three, ``dead_letters`` and ``quarantined_files`` count from the
    beginning of the agent's state.
    """

    epoch: bytes
    lowest_unacked_seq: int
    next_seq: int
    size_bytes: int
    used_bytes: int
    max_bytes: int
    oldest_emitted_at: datetime | None
    dropped_events: int
    rejected_events: int
    damaged_events: int
    dead_letters: int
    quarantined_files: int
    writable: bool = True

    @property
    def pending_events(self) -> int:
        """Events without an ack."""
        return self.next_seq - self.lowest_unacked_seq

    @property
    def shed_events(self) -> int:
        """Events that were lost to the quota, to a full disk or to damage."""
        return self.dropped_events + self.rejected_events + self.damaged_events
