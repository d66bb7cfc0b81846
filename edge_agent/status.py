"""How the cameras, the queue and the connection are: what heartbeats and metrics are made from."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from edge_agent.capture.capture_status import CaptureStatus
from edge_agent.incident_event import IncidentPhase
from edge_agent.lifetime.box import BoxReading
from edge_agent.outbox.queue_status import QueueStatus
from edge_agent.scenarios.finding import ClearWidth, Finding, Scenario
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Stay
from edge_agent.turns import TurnCounts
from edge_agent.uplink.evidence_upload_status import EvidenceUploadStatus
from edge_agent.uplink.state import UplinkStatus


@dataclass(frozen=True, slots=True)
class ZoneStatus:
    """What one zone says now.

    ``enforced`` is true while its schedule is in force, ``judged`` while the camera can judge it. The seconds are
    media time since the agent's state began: with the schedule in force, of those judged, of those in violation.
    ``clear_width`` is set for passages alone, and so are the limits, metres, below which it counts as blocked or
    narrowed.
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
    blocked_below_m: float | None = None
    narrowed_below_m: float | None = None


def width_now(width: ClearWidth | None, state: CameraState) -> ClearWidth | None:
    """A passage's last width as what is known now: of a camera that does not see, it is unknown."""
    if width is None or state is CameraState.SEEING:
        return width
    return replace(width, width_m=None, uncertainty_m=None)


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
class LookCounts:
    """How closely a camera's frames were looked at, where a change gate decides: with everything, once as a whole, not
    at all because nothing had changed."""

    close: int = 0
    glances: int = 0
    postponed: int = 0


@dataclass(frozen=True, slots=True)
class CameraActivity:
    """A camera's status with what only this box cares about.

    ``frames_late`` were due and gave way to a newer one, ``frames_untimed`` have no moment that can be believed;
    ``period_kept_s`` is the mean distance of the last analysed frames on the stream's clock, beside the ``period_s``
    that is asked for; ``last_frame_age_s`` is since a frame was last analysed, on the box's clock. None: not yet known.
    ``state_bytes`` is what was written of the camera's state so far. ``capture`` is how its source is doing.
    ``looks`` is what the change gate decided, ``turns`` what it cost to get and to use the detector.
    """

    status: CameraStatus
    frames_skipped: int = 0
    inferences: int = 0
    inference_s: float = 0.0
    incidents: tuple[IncidentCount, ...] = ()
    period_s: float = 0.0
    period_kept_s: float | None = None
    last_frame_age_s: float | None = None
    frames_late: int = 0
    frames_untimed: int = 0
    state_bytes: int = 0
    capture: CaptureStatus | None = None
    looks: LookCounts = LookCounts()
    turns: TurnCounts = field(default_factory=TurnCounts)


class RestartReason(StrEnum):
    """Why a camera was started again."""

    FAILED = "failed"
    STUCK = "stuck"
    RELOADED = "reloaded"


@dataclass(frozen=True, slots=True)
class SupervisorStatus:
    """What was done to keep cameras at work.

    ``stuck_threads`` were left behind and have not come back; ``restarts`` counts by camera and reason; ``down`` are
    the cameras that failed or hung and are not at work now.
    """

    stuck_threads: int = 0
    restarts: tuple[tuple[str, RestartReason, int], ...] = ()
    down: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LifetimeStatus:
    """How the process lives. ``main_silent_s`` is since the main thread last saw to everything.

    ``reload_successful`` is false after a configuration was refused; ``reloaded_at`` is when the one in use was taken.
    """

    supervisor: SupervisorStatus
    main_silent_s: float
    memory_ceiling_bytes: int | None
    written_bytes_a_day: float | None
    write_budget_bytes: int
    reload_successful: bool
    reloaded_at: datetime


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
    box: BoxReading | None = None
    lifetime: LifetimeStatus | None = None
