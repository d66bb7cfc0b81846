"""What goes into the queue and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What an event is about."""

    INCIDENT = "incident"
    CAMERA_STATE = "camera_state"
    GAP = "gap"


class FullPolicy(StrEnum):
    """What happens to events when the quota is reached."""

    REJECT_NEW = "reject_new"
    DROP_OLDEST = "drop_oldest"


@dataclass(frozen=True, slots=True)
class Position:
    """Where the queue stands: it holds the events from ``lowest_unacked_seq`` up to, not including, ``next_seq``."""

    epoch: bytes
    lowest_unacked_seq: int
    next_seq: int


@dataclass(frozen=True, slots=True)
class Batch:
    """Events with contiguous sequences, oldest first; ``first_seq`` is that of the first."""

    epoch: bytes
    first_seq: int
    payloads: tuple[bytes, ...]

    @property
    def last_seq(self) -> int:
        """Sequence of the last event; one less than ``first_seq`` when there is none."""
        return self.first_seq + len(self.payloads) - 1


@dataclass(frozen=True, slots=True)
class Rejection:
    """An event that the aggregator can never take, and why."""

    seq: int
    reason: str
