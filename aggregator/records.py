"""What an agent's events say, checked, as the store takes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Phase(StrEnum):
    """Where in its life an incident is."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A picture that an incident refers to. ``sha256`` is 32 bytes."""

    sha256: bytes
    moment: str
    media_type: str
    size_bytes: int
    captured_at: datetime | None
    media_time_s: float
    people_masked: bool


class IncidentEvent(NamedTuple):
    """One moment in an incident's life; complete in itself. ``box`` is xyxy, pixels of the full frame.

    A tuple, because most of what comes is this, and it is made three times as fast as a frozen dataclass.
    """

    incident_id: str
    phase: Phase
    camera_id: str
    zone_id: str
    scenario: str
    kind: str
    class_group: str
    class_name: str
    stay_id: str
    occurred_at: datetime
    opened_at: datetime
    stay_from: datetime | None
    open_start: bool
    dwell_observed_s: float
    dwell_occluded_s: float
    dwell_unknown_s: float
    limit_s: float
    box: tuple[float, float, float, float] | None
    clear_width_m: float | None
    clear_width_uncertainty_m: float | None
    severity: str
    close_reason: str | None
    evidence: tuple[Evidence, ...]
    model_version: str
    config_version: str

    @property
    def duration_s(self) -> float:
        """Seconds from its opening to this moment, by the camera's clock; 0 if that clock was set back between."""
        return max(0.0, (self.occurred_at - self.opened_at).total_seconds())


@dataclass(frozen=True, slots=True)
class CameraChange:
    """A camera's change from one state to another."""

    camera_id: str
    from_state: str
    to_state: str
    occurred_at: datetime
    media_time_s: float


@dataclass(frozen=True, slots=True)
class Gap:
    """Events that were lost. Sequences are 0 if the events never had one, ``events_lost`` if it can't be known."""

    reason: str
    events_lost: int
    first_lost_seq: int
    last_lost_seq: int
    lost_from: datetime | None
    lost_to: datetime | None


class Entry(NamedTuple):
    """One numbered event. ``body`` is None for one that can never be taken; ``reject_reason`` then says why.

    ``payload`` is the event's protobuf encoding, kept as it came.
    """

    seq: int
    payload: bytes
    received_at: datetime
    emitted_at: datetime | None
    body: IncidentEvent | CameraChange | Gap | None
    reject_reason: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """Contiguous events of one stream; ``fence`` is the token that its Hello was given."""

    agent_id: str
    epoch: bytes
    fence: int
    first_seq: int
    entries: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Stored:
    """A batch was committed, or had been before. ``rejected`` are (sequence, reason) in the batch's range."""

    committed_seq: int
    rejected: tuple[tuple[int, str], ...]
    stored: int
    duplicates: int


@dataclass(frozen=True, slots=True)
class Hole:
    """A batch was not taken, because events before it are missing."""

    expected_seq: int


@dataclass(frozen=True, slots=True)
class Fenced:
    """A batch was not taken, because a newer stream of its agent took over."""


Outcome = Stored | Hole | Fenced


@dataclass(frozen=True, slots=True)
class Opening:
    """What a Hello says."""

    agent_id: str
    epoch: bytes
    lowest_unacked_seq: int
    next_seq: int
    agent_version: str
    model_version: str
    config_version: str
    platform: str


@dataclass(frozen=True, slots=True)
class Opened:
    """What the store answers to a Hello. ``lost`` counts events that it should have and does not."""

    fence: int
    committed_seq: int
    lost: int


@dataclass(frozen=True, slots=True)
class QueueBehind:
    """The stream was not opened: the store holds events that the agent's queue has yet to number."""

    committed_seq: int
