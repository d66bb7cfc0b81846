"""What is known of a camera at work: told by its thread, read by whoever shows it."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from dataclasses import replace
from datetime import UTC, datetime

from edge_agent.capture.source import Source
from edge_agent.config import CameraConfig, PassageZone
from edge_agent.incident_event import IncidentPhase
from edge_agent.pipeline import Observation, Pipeline
from edge_agent.scenarios.finding import Scenario
from edge_agent.scene.camera_state import CameraState
from edge_agent.status import CameraActivity, CameraStatus, IncidentCount, LookCounts, ZoneStatus, width_now
from edge_agent.turns import TurnCounts

PERIODS_KEPT = 10
"""The period kept is measured over so many frames: long enough to be even, short enough to show what is now."""


class CameraRecord:
    """One camera's pipeline, its last frame, its state and its counts. One thread tells, any may read."""

    def __init__(self, camera: CameraConfig) -> None:
        self._camera = camera
        self._lock = threading.Lock()
        self._incidents: Counter[tuple[str, Scenario, IncidentPhase]] = Counter()
        self._pipeline: Pipeline | None = None
        self._size: tuple[int, int] | None = None
        self._last: Observation | None = None
        self._state = CameraState.STARTING
        self._state_since = datetime.now(UTC)
        self._taken_s: float | None = None
        self._pictured_at: datetime | None = None
        self._recent_s: deque[float] = deque(maxlen=PERIODS_KEPT + 1)

    @property
    def pipeline(self) -> Pipeline | None:
        """The pipeline; None before there was a picture, or a size that was known."""
        with self._lock:
            return self._pipeline

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the pictures so far; None before the first."""
        with self._lock:
            return self._size

    @property
    def last(self) -> Observation | None:
        """What the last frame gave, without its picture."""
        with self._lock:
            return self._last

    @property
    def state(self) -> CameraState:
        """The camera's state."""
        with self._lock:
            return self._state

    def follow(self, before: CameraRecord) -> None:
        """Count on from the record that was kept of this camera before."""
        with before._lock:
            self._incidents = before._incidents
            self._state, self._state_since = before._state, before._state_since

    def begin(self, pipeline: Pipeline, width: int, height: int) -> None:
        """There are pictures of this size, and a pipeline for them."""
        with self._lock:
            self._pipeline, self._size = pipeline, (width, height)

    def take(self, observation: Observation) -> None:
        """A frame has been analysed."""
        with self._lock:
            self._last = replace(observation, frame=observation.frame.without_picture())
            if observation.frame.has_picture:
                self._taken_s = time.monotonic()
                self._pictured_at = observation.frame.captured_at
                self._recent_s.append(observation.frame.media_time_s)
            if observation.view.state is not self._state:
                self._state, self._state_since = observation.view.state, observation.frame.captured_at
            for event in observation.events:
                self._incidents[event.zone, event.scenario, event.phase] += 1

    def turn(self, state: CameraState, at: datetime) -> None:
        """The camera is in this state, whatever its last frame said."""
        with self._lock:
            self._state, self._state_since = state, at

    def activity(self, source: Source | None, turns: TurnCounts, state_bytes: int) -> CameraActivity:
        """How the camera is, for heartbeats and metrics."""
        with self._lock:
            last, pipeline = self._last, self._pipeline
            counts = source.counts if source is not None else None
            status = CameraStatus(
                camera=self._camera.id,
                state=self._state,
                state_since=self._state_since,
                last_frame_at=self._pictured_at,
                frames_analysed=counts.frames_analysed if counts else 0,
                frames_broken=counts.frames_broken if counts else 0,
                state_s=tuple(pipeline.parts.ledger.state_s.items()) if pipeline else (),
                stays=tuple(stay for stay in last.stays if stay.standing) if last else (),
                zones=_zones(self._camera, pipeline, last, self._state) if pipeline and last else (),
            )
            return CameraActivity(
                status=status,
                frames_skipped=counts.frames_skipped if counts else 0,
                inferences=pipeline.parts.looker.inferences if pipeline else 0,
                inference_s=pipeline.parts.looker.inference_s if pipeline else 0.0,
                incidents=tuple(
                    IncidentCount(zone, scenario, phase, events)
                    for (zone, scenario, phase), events in self._incidents.items()
                ),
                period_s=self._camera.period_s,
                period_kept_s=self._period_kept_s(),
                last_frame_age_s=None if self._taken_s is None else time.monotonic() - self._taken_s,
                frames_late=counts.frames_late if counts else 0,
                frames_untimed=counts.timestamps_missing + counts.timestamps_wrong if counts else 0,
                state_bytes=state_bytes,
                capture=source.status() if source is not None else None,
                looks=_looks(pipeline),
                turns=turns,
            )

    def _period_kept_s(self) -> float | None:
        recent_s = self._recent_s
        return (recent_s[-1] - recent_s[0]) / (len(recent_s) - 1) if len(recent_s) > 1 else None


def _looks(pipeline: Pipeline | None) -> LookCounts:
    gate = pipeline.parts.gate if pipeline is not None else None
    return LookCounts() if gate is None else LookCounts(gate.looks, gate.glances, gate.postponed)


def _zones(camera: CameraConfig, pipeline: Pipeline, last: Observation, state: CameraState) -> tuple[ZoneStatus, ...]:
    parts = pipeline.parts
    limits = {zone.id: zone.limits_m for zone in camera.zones if isinstance(zone, PassageZone)}
    statuses = []
    for zone, in_force in parts.schedules.items():
        sums = parts.ledger.zones.get(zone)
        passage = last.passages.get(zone)
        findings = tuple(finding for finding in last.findings if finding.zone_id == zone)
        statuses.append(
            ZoneStatus(
                zone=zone,
                scenario=Scenario.PASSAGE if zone in parts.meters else Scenario.PARKING,
                enforced=in_force(last.frame.captured_at),
                judged=state is CameraState.SEEING,
                enforced_s=sums.enforced_s if sums else 0.0,
                judged_s=sums.judged_s if sums else 0.0,
                violation_s=sums.violation_s if sums else 0.0,
                open_incidents=sum(1 for key in parts.incidents.open if key[0] == zone),
                clear_width=width_now(passage.clear_width if passage else None, state),
                findings=findings,
                blocked_below_m=limits[zone].blocked if zone in limits else None,
                narrowed_below_m=limits[zone].narrowed if zone in limits else None,
            )
        )
    return tuple(statuses)
