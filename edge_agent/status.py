"""How the cameras, the queue and the connection are: what heartbeats and metrics are made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from edge_agent.evidence_upload_status import EvidenceUploadStatus
from edge_agent.incident_event import IncidentPhase
from edge_agent.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Finding, Scenario
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Stay
from edge_agent.uplink_state import UplinkStatus


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """What one zone says now.

    ``enforced`` is true while its schedule is in force, ``judged`` while the camera can judge it. The seconds are
    media time since the agent's state began: with the schedule in force, of those judged, of those in violation.
    ``clear_width`` is set for passages alone.
    """

    zone: str
    scenario: Scenario
    enforced: bool
    judged: bool
    enforced_s: float
    judged_s: float
    violation_s: float
    open_incidents: int
    clear_width: ClearWidth | None = None
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """How a camera is doing. Counts and seconds run since the agent's state began.

    ``state_s`` is the media time spent in each state; ``stays`` is what stands in its view now.
    """

    camera: str
    state: CameraState
    state_since: datetime
    last_frame_at: datetime | None
    frames_analysed: int
    frames_broken: int
    state_s: tuple[tuple[CameraState, float], ...] = ()
    stays: tuple[Stay, ...] = ()
    zones: tuple[ZoneStatus, ...] = ()


@dataclass(frozen=True, slots=True)
class IncidentCount:
    """How many events of one phase a zone has given since the agent started."""

    zone: str
    scenario: Scenario
    phase: IncidentPhase
    events: int


@dataclass(frozen=True, slots=True)
class CameraActivity:
    """A camera's status with what only this box cares about."""

    status: CameraStatus
    frames_skipped: int = 0
    inferences: int = 0
    inference_s: float = 0.0
    incidents: tuple[IncidentCount, ...] = ()


@dataclass(frozen=True, slots=True)
class BuildInfo:
    """What runs on the box."""

    version: str
    model: str
    config: str


@dataclass(frozen=True, slots=True)
class AgentSnapshot:
    """Everything that ``/metrics`` shows, taken at ``taken_at``."""

    taken_at: datetime
    build: BuildInfo
    cameras: tuple[CameraActivity, ...] = ()
    queue: QueueStatus | None = None
    uplink: UplinkStatus | None = None
    evidence_bytes: int = field(default=0)
    certificate_not_after: datetime | None = None
    evidence_upload: EvidenceUploadStatus | None = None
