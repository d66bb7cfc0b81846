"""One thing standing in one place for a time."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge_agent.detection.detections import ClassGroup

Box = tuple[float, float, float, float]
"""xyxy in pixels of the full frame."""


class StayState(StrEnum):
    """What one analysed frame says of one stay."""

    OBSERVED = "observed"
    OCCLUDED = "occluded"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Dwell:
    """How long a stay has lasted, in three sums that are never mixed. Seconds of media time."""

    observed_s: float = 0.0
    occluded_s: float = 0.0
    unknown_s: float = 0.0

    @property
    def total_s(self) -> float:
        """All three together."""
        return self.observed_s + self.occluded_s + self.unknown_s


@dataclass(frozen=True, slots=True)
class Stay:
    """A snapshot of one stay after one analysed frame.

    Its identity is place, appearance and class group, never a track number. ``from_s`` is the media time at which it
    came to rest; ``last_observed_s`` the last at which it was seen. ``dwell`` counts up to ``last_observed_s``
    and, while it is occluded or the camera cannot tell, beyond. ``standing`` is false while it is a candidate that
    has not kept its place long enough. ``gone_from_s`` is set once it was seen to be gone: the media time from which
    it was absent. ``came`` is true if its place was seen without it shortly before ``from_s``.
    """

    stay_id: str
    class_group: ClassGroup
    class_name: str
    box: Box
    state: StayState
    standing: bool
    from_s: float
    open_start: bool
    last_observed_s: float
    dwell: Dwell
    gone_from_s: float | None = None
    score: float = 0.0
    came: bool = False
