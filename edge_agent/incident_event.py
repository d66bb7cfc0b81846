"""One moment in the life of an incident."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from edge_agent.detection.detections import ClassGroup
from edge_agent.evidence.reference import EvidenceReference
from edge_agent.scenarios.finding import ClearWidth, FindingKind, Scenario
from edge_agent.scene.stay import Box, Dwell


class IncidentPhase(StrEnum):
    """Where in its life an incident is."""

    OPENED = "opened"
    UPDATED = "updated"
    CLOSED = "closed"


class CloseReason(StrEnum):
    """Why an incident ended."""

    LEFT = "left"
    CLEARED = "cleared"
    SCHEDULE_ENDED = "schedule_ended"
    CAMERA_BLIND_TOO_LONG = "camera_blind_too_long"
    SUPERSEDED = "superseded"


class Severity(StrEnum):
    """How bad it is, for sorting and routing."""

    MINOR = "minor"
    MAJOR = "major"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """A violation as the camera saw it, at one moment of its life. Every event is complete in itself.

    ``occurred_at`` and ``media_time_s`` are the moment of this event; ``opened_at`` that of the violation, repeated
    in every event of the incident; ``stay_from`` and ``stay_from_s`` that at which the thing came to rest. Times are
    UTC and timezone-aware. Findings about the whole passage have an empty ``stay_id`` and ``class_name`` and no
    ``box``; parking has no ``clear_width``. ``close_reason`` is set on closed events alone.
    """

    incident_id: str
    phase: IncidentPhase
    camera: str
    zone: str
    scenario: Scenario
    kind: FindingKind
    stay_id: str
    class_group: ClassGroup
    class_name: str
    occurred_at: datetime
    media_time_s: float
    opened_at: datetime
    stay_from: datetime
    stay_from_s: float
    open_start: bool
    dwell: Dwell
    limit_s: float
    box: Box | None
    clear_width: ClearWidth | None
    severity: Severity
    close_reason: CloseReason | None
    evidence: tuple[EvidenceReference, ...]
    model_version: str
    config_version: str
