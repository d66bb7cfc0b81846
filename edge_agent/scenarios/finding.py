"""What a zone says at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from edge_agent.scene.stay import Stay


class Scenario(StrEnum):
    """What turns stays and measurements into findings."""

    PARKING = "parking"
    PASSAGE = "passage"


class FindingKind(StrEnum):
    """What a finding is about."""

    PARKED = "parked"
    BLOCKED = "blocked"
    NARROWED = "narrowed"
    CROWDED = "crowded"


class FindingState(StrEnum):
    """Where a finding stands. Only ``VIOLATION`` opens an incident; only an end closes one."""

    PENDING = "pending"
    VIOLATION = "violation"
    UNKNOWN = "unknown"
    LEFT = "left"
    CLEARED = "cleared"
    SCHEDULE_ENDED = "schedule_ended"


@dataclass(frozen=True, slots=True)
class ClearWidth:
    """The widest disc that can pass a passage, metres. ``width_m`` is None when the camera cannot tell."""

    width_m: float | None
    uncertainty_m: float | None
    media_time_s: float


@dataclass(frozen=True, slots=True)
class Finding:
    """A zone's judgement of one stay, or of the whole passage, after one analysed frame.

    ``counted_s`` is the time that counts towards ``limit_s``; ``subject`` is None for findings about the passage.
    """

    zone_id: str
    scenario: Scenario
    kind: FindingKind
    state: FindingState
    limit_s: float
    counted_s: float
    since_s: float
    subject: Stay | None = None
    clear_width: ClearWidth | None = None
