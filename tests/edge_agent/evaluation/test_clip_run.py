"""What is kept of a recording while it is played."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.evaluation.clip_run import ClipRun, NoFramesError, Watch, record
from edge_agent.evaluation.truth import Span
from edge_agent.incident_event import IncidentPhase
from edge_agent.pipeline import Observation
from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scenarios.moment import Passage
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Dwell, Stay, StayState
from tests.edge_agent.evaluation.observations import CAR, ELSEWHERE, frame, incident, observation


def recorded(observations: Iterator[Observation], **fields: Any) -> ClipRun:
    return record(observations, 1.0, **fields)


def test_footage_is_the_time_that_was_seen_without_the_gaps() -> None:
    run = recorded(observation(frame(t)) for t in (0.0, 1.0, 2.0, 302.0, 303.0))
    assert (run.footage.from_s, run.footage.to_s) == (0, 303)
    assert run.footage_s == 1 + 1 + 10 + 1 + 1
    assert run.gaps == (Span(12, 302),)
    assert [(span.from_s, span.to_s) for span in run.states] == [(0, 2), (302, 303)]


def test_the_states_of_the_camera_follow_each_other() -> None:
    states = [CameraState.SEEING, CameraState.SEEING, CameraState.DARK, CameraState.SEEING]
    run = recorded(observation(frame(float(t)), state=state) for t, state in enumerate(states))
    assert [(s.state, s.from_s, s.to_s) for s in run.states] == [
        (CameraState.SEEING, 0, 2),
        (CameraState.DARK, 2, 3),
        (CameraState.SEEING, 3, 3),
    ]


def test_processor_time_is_that_of_the_playing() -> None:
    ticks = iter((100.0, 103.5))
    run = recorded(iter([observation(frame(0.0))]), cpu_clock=lambda: next(ticks))
    assert run.cpu_s == 3.5


def test_a_recording_without_frames_is_refused() -> None:
    with pytest.raises(NoFramesError):
        recorded(iter(()))


def test_pictures_are_kept_when_a_limit_is_over_and_when_an_incident_opens() -> None:
    opened = incident(frame(7.0), IncidentPhase.OPENED, CAR, "i")
    frames = (observation(frame(float(t)), (opened,) if t == 7 else ()) for t in range(10))
    run = recorded(frames, watch=Watch(still_at_s=(3.5, 99.0)))
    assert [still.media_time_s for still in run.stills] == [4, 7]
    assert all(cv2.imdecode(np.frombuffer(s.jpeg, np.uint8), 1).shape == (90, 160, 3) for s in run.stills)


def test_what_the_detector_and_the_memory_saw_at_a_place_is_kept() -> None:
    found = Detections(
        np.array([CAR, (42, 20, 80, 50), ELSEWHERE], np.float32),
        np.array([0.5, 0.4, 0.9], np.float32),
        ("car",) * 3,
        (ClassGroup.VEHICLE,) * 3,
    )

    def stay(state: StayState, standing: bool) -> Stay:
        return Stay("s1", ClassGroup.VEHICLE, "car", CAR, state, standing, 0.0, False, 0.0, Dwell())

    seen = [(StayState.OBSERVED, False), (StayState.OBSERVED, True), (StayState.OBSERVED, True)]
    frames = (
        observation(frame(float(t)), stays=(stay(*how),), detections=found if t == 1 else None)
        for t, how in enumerate([*seen, (StayState.OCCLUDED, True)])
    )
    run = recorded(frames, watch=Watch(boxes={"e1": CAR, "e2": (0, 0, 5, 5)}))
    assert run.sightings == {"e1": ((1.0, 0.5),)}
    (trace,) = run.traces
    assert [(s.state.value, s.standing, s.from_s, s.to_s) for s in trace.spans] == [
        ("observed", False, 0, 0),
        ("observed", True, 1, 2),
        ("occluded", True, 3, 3),
    ]


def test_widths_are_kept_by_zone_for_comparison() -> None:
    frames = (
        observation(frame(float(t)), passages={"deck": Passage(ClearWidth(2.0 + t, 0.1, float(t)))}) for t in range(3)
    )
    assert [width.width_m for width in recorded(frames).widths["deck"]] == [2, 3, 4]
