"""A recording, as fast as the processor allows, through the same pipeline as a live camera."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from edge_agent.assembly import Site, build_pipeline
from edge_agent.capture.frame import Frame
from edge_agent.capture.source import Source
from edge_agent.config import CameraConfig
from edge_agent.detection.detector import Detector
from edge_agent.incident_event import IncidentEvent
from edge_agent.pipeline import Observation, Pipeline

Change = Callable[[Pipeline], Pipeline]


def replay(
    camera: CameraConfig,
    source: Source,
    site: Site,
    detector: Detector,
    *,
    adjust: Change | None = None,
    restart_at_s: float | None = None,
) -> Iterator[Observation]:
    """Every analysed frame of a recording with what it gave, in order of media time.

    ``adjust`` may exchange parts of the pipeline before it starts, each time it is built. At ``restart_at_s`` of
    media time the pipeline is stopped and a new one goes on from its kept state, as after a restart of the agent.
    Raises ``SourceError`` and ``ConfigError``.
    """
    pipeline: Pipeline | None = None

    def built(frame: Frame) -> Pipeline:
        made = build_pipeline(camera, site, detector, frame.width, frame.height)
        return made if adjust is None else adjust(made)

    for frame in source.frames():
        if pipeline is None:
            pipeline = built(frame)
        elif restart_at_s is not None and frame.media_time_s >= restart_at_s:
            state = pipeline.dump()
            pipeline = built(frame)
            pipeline.load(state)
            restart_at_s = None
        yield pipeline.process(frame)


def event_json(event: IncidentEvent) -> dict[str, Any]:
    """One incident event as ``replay --json`` prints it: seconds, metres and pixels, rounded to what they are worth."""
    return {
        "event": event.phase.value,
        "incident_id": event.incident_id,
        "camera": event.camera,
        "zone": event.zone,
        "scenario": event.scenario.value,
        "kind": event.kind.value,
        "class": event.class_name or None,
        "class_group": event.class_group.value,
        "media_time_s": round(event.media_time_s, 3),
        "occurred_at": event.occurred_at.isoformat(),
        "stay_from_s": round(event.stay_from_s, 3),
        "open_start": event.open_start,
        "limit_s": event.limit_s,
        "dwell_observed_s": round(event.dwell.observed_s, 3),
        "dwell_occluded_s": round(event.dwell.occluded_s, 3),
        "dwell_unknown_s": round(event.dwell.unknown_s, 3),
        "box": None if event.box is None else [round(side, 1) for side in event.box],
        "clear_width_m": None
        if event.clear_width is None or event.clear_width.width_m is None
        else round(event.clear_width.width_m, 3),
        "severity": event.severity.value,
        "reason": event.close_reason.value if event.close_reason else None,
    }
