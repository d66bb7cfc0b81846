"""What a pipeline might have said of a frame, made by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from edge_agent.capture.frame import Frame
from edge_agent.config import SiteConfig
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase, Severity
from edge_agent.pipeline import Observation
from edge_agent.scenarios.finding import FindingKind, Scenario
from edge_agent.scenarios.moment import Passage
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.stay import Box, Dwell, Stay

CAR: Box = (40.0, 20.0, 80.0, 50.0)
ELSEWHERE: Box = (100.0, 60.0, 130.0, 80.0)
SIZE = (160, 90)
SITE = SiteConfig()


def frame(at_s: float) -> Frame:
    image = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    return Frame(image, datetime(2026, 5, 1, tzinfo=UTC) + timedelta(seconds=at_s), at_s)


def incident(seen: Frame, phase: IncidentPhase, box: Box, incident_id: str, class_name: str = "car") -> IncidentEvent:
    closed = phase is IncidentPhase.CLOSED
    return IncidentEvent(
        incident_id=incident_id,
        phase=phase,
        camera="street",
        zone="kerb",
        scenario=Scenario.PARKING,
        kind=FindingKind.PARKED,
        stay_id="s1",
        class_group=ClassGroup.VEHICLE,
        class_name=class_name,
        occurred_at=seen.captured_at,
        media_time_s=seen.media_time_s,
        opened_at=seen.captured_at,
        stay_from=seen.captured_at,
        stay_from_s=0.0,
        open_start=False,
        dwell=Dwell(),
        limit_s=20.0,
        box=box,
        clear_width=None,
        severity=Severity.MINOR,
        close_reason=CloseReason.LEFT if closed else None,
        evidence=(),
        model_version="m",
        config_version="c",
    )


def observation(
    seen: Frame,
    events: tuple[IncidentEvent, ...] = (),
    state: CameraState = CameraState.SEEING,
    stays: tuple[Stay, ...] = (),
    detections: Detections | None = None,
    passages: dict[str, Passage] | None = None,
) -> Observation:
    found = detections or Detections.empty()
    return Observation(seen, View(state), (), found, stays, passages or {}, (), events)
