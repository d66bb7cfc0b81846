"""A loss that is said, so that none is silent."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class GapReason(StrEnum):
    """Why events are missing."""

    DROPPED_OLDEST = "dropped_oldest"
    REJECTED_NEW = "rejected_new"
    QUEUE_DAMAGED = "queue_damaged"


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were lost for one reason.

    ``events_lost`` is 0 if it cannot be known; the sequences are 0 if the events never had one or if it cannot be
    known. ``lost_from`` and ``lost_to`` are the times at which the first and the last of them happened to the queue:
    the stretch that is missing.
    """

    reason: GapReason
    events_lost: int
    first_lost_seq: int
    last_lost_seq: int
    lost_from: datetime
    lost_to: datetime

    def joined(self, other: Gap) -> Gap:
        """Both losses as one. Raises ``ValueError`` if their reasons differ."""
        if other.reason is not self.reason:
            raise ValueError(f"a loss by {other.reason} cannot be joined to one by {self.reason}")
        firsts = [seq for seq in (self.first_lost_seq, other.first_lost_seq) if seq]
        return Gap(
            self.reason,
            self.events_lost + other.events_lost,
            min(firsts, default=0),
            max(self.last_lost_seq, other.last_lost_seq),
            min(self.lost_from, other.lost_from),
            max(self.lost_to, other.lost_to),
        )
