"""What an agent said of one recording while it was played to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import cv2
import numpy as np

from edge_agent.capture.frame import Image
from edge_agent.detection.detections import Detections
from edge_agent.evaluation.truth import Span
from edge_agent.evidence.privacy import mask_all, mask_people
from edge_agent.incident_event import IncidentEvent, IncidentPhase
from edge_agent.pipeline import Observation
from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scene.boxes import iou
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Box, Stay, StayState

GAP_S = 10.0
"""A still stands for the time until the next one, but not for longer than this: nobody saw the rest."""

SIGHTING_IOU = 0.3
"""A detection that overlaps a watched box this much saw what is in it."""

_STILL_WIDTH = 640
_STILL_QUALITY = 80


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A camera's state from one media time to another; a frame further than ``GAP_S`` from the last leaves a hole."""

    state: CameraState
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of the recording (JPEG, at most 640 pixels wide) for the report."""

    media_time_s: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class StaySpan:
    """A stretch of media time in which the agent said the same of a stay; a candidate is not ``standing`` yet."""

    state: StayState
    standing: bool
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class StayTrace:
    """One stay of the agent's scene memory over time; ``box`` is the last one."""

    stay_id: str
    class_name: str
    box: Box
    spans: tuple[StaySpan, ...]


@dataclass(frozen=True, slots=True)
class Watch:
    """What a report shows beyond the score: pictures at these media times and on every opened incident, and for each
    named box (pixels) when a detection overlapped it."""

    still_at_s: tuple[float, ...] = ()
    boxes: Mapping[str, Box] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ClipRun:
    """Everything that is scored or shown of one recording.

    ``footage`` reaches from the first analysed frame to the last; ``gaps`` are the parts of it that nobody saw;
    ``footage_s`` is how much of it was seen; ``cpu_s`` is processor time, all cores together. ``size`` is (width,
    height) in pixels. ``sightings`` maps the name of a watched box to (media time, best score) of the detections that
    overlapped it. ``shifts`` says from which media time on the agent took the view to lie off its reference, and how
    far (right, down; pixels): boxes of incidents are in the reference view.
    """

    events: tuple[IncidentEvent, ...]
    widths: Mapping[str, tuple[ClearWidth, ...]]
    states: tuple[StateSpan, ...]
    stills: tuple[Still, ...]
    footage: Span
    gaps: tuple[Span, ...]
    footage_s: float
    frames: int
    started_at: datetime
    size: tuple[int, int]
    cpu_s: float
    traces: tuple[StayTrace, ...] = ()
    sightings: Mapping[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
    shifts: tuple[tuple[float, tuple[float, float]], ...] = ()

    def shift_at(self, media_time_s: float) -> tuple[float, float]:
        """How far the view lay off its reference at a media time, as the agent took it."""
        return next((shift for from_s, shift in reversed(self.shifts) if from_s <= media_time_s), (0.0, 0.0))


class NoFramesError(Exception):
    """A recording of which not one frame could be analysed."""


@dataclass(slots=True)
class _Recorder:
    period_s: float
    watch: Watch | None
    still_at_s: list[float] = field(default_factory=list)
    events: list[IncidentEvent] = field(default_factory=list)
    widths: dict[str, list[ClearWidth]] = field(default_factory=dict)
    states: list[StateSpan] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    traces: dict[str, StayTrace] = field(default_factory=dict)
    sightings: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    gaps: list[Span] = field(default_factory=list)
    shifts: list[tuple[float, tuple[float, float]]] = field(default_factory=list)
    footage_s: float = 0.0
    last_s: float | None = None

    def take(self, seen: Observation) -> None:
        now_s = seen.frame.media_time_s
        if self.last_s is not None:
            stands_for_s = max(GAP_S, self.period_s)
            self.footage_s += min(now_s - self.last_s, stands_for_s)
            if now_s - self.last_s > stands_for_s:
                self.gaps.append(Span(self.last_s + stands_for_s, now_s))
        self._state(seen.view.state, now_s)
        if seen.view.can_see and seen.view.shift_px != (self.shifts[-1][1] if self.shifts else (0.0, 0.0)):
            self.shifts.append((now_s, seen.view.shift_px))
        self.last_s = now_s
        self.events.extend(seen.events)
        for zone, passage in seen.passages.items():
            self.widths.setdefault(zone, []).append(passage.clear_width)
        if self.watch is not None:
            self._trace(seen.stays, now_s)
            self._sight(seen.detections, self.watch.boxes, now_s)
            if self._is_wanted(seen, now_s):
                self.stills.append(Still(now_s, _encode(_masked(seen))))

    def _state(self, state: CameraState, now_s: float) -> None:
        follows = self.last_s is not None and now_s - self.last_s <= max(GAP_S, self.period_s)
        if follows and self.states:
            last = self.states[-1]
            self.states[-1] = StateSpan(last.state, last.from_s, now_s)
        if not follows or not self.states or self.states[-1].state is not state:
            self.states.append(StateSpan(state, now_s, now_s))

    def _trace(self, stays: tuple[Stay, ...], now_s: float) -> None:
        for stay in stays:
            known = self.traces.get(stay.stay_id)
            spans = known.spans if known else ()
            if spans and (spans[-1].state, spans[-1].standing) == (stay.state, stay.standing):
                spans = (*spans[:-1], replace(spans[-1], to_s=now_s))
            else:
                spans = (*spans, StaySpan(stay.state, stay.standing, now_s, now_s))
            self.traces[stay.stay_id] = StayTrace(stay.stay_id, stay.class_name, stay.box, spans)

    def _sight(self, detections: Detections, boxes: Mapping[str, Box], now_s: float) -> None:
        if not boxes or not len(detections):
            return
        overlaps = iou(np.array(list(boxes.values()), np.float32), detections.boxes)
        for name, row in zip(boxes, overlaps, strict=True):
            scores = detections.scores[row >= SIGHTING_IOU]
            if len(scores):
                self.sightings.setdefault(name, []).append((now_s, float(scores.max())))

    def _is_wanted(self, seen: Observation, now_s: float) -> bool:
        due = [at_s for at_s in self.still_at_s if at_s <= now_s]
        self.still_at_s = [at_s for at_s in self.still_at_s if at_s > now_s]
        return bool(due) or any(event.phase is IncidentPhase.OPENED for event in seen.events)


def record(
    observations: Iterable[Observation],
    period_s: float,
    watch: Watch | None = None,
    cpu_clock: Callable[[], float] = time.process_time,
) -> ClipRun:
    """Play a recording to its end and keep what is scored, and what ``watch`` asks for.

    Raises ``NoFramesError``, and what the observations raise.
    """
    recorder = _Recorder(period_s, watch, sorted(watch.still_at_s) if watch else [])
    before_s = cpu_clock()
    first: tuple[int, int, float, datetime] | None = None
    frames = 0
    for seen in observations:
        if first is None:
            frame = seen.frame
            first = frame.width, frame.height, frame.media_time_s, frame.captured_at
        frames += 1
        recorder.take(seen)
    cpu_s = cpu_clock() - before_s
    if first is None or recorder.last_s is None:
        raise NoFramesError("not one frame could be analysed")
    width, height, first_s, captured_at = first
    return ClipRun(
        events=tuple(recorder.events),
        widths={zone: tuple(widths) for zone, widths in recorder.widths.items()},
        states=tuple(recorder.states),
        stills=tuple(recorder.stills),
        footage=Span(first_s, recorder.last_s),
        gaps=tuple(recorder.gaps),
        footage_s=recorder.footage_s + period_s,
        frames=frames,
        started_at=captured_at - timedelta(seconds=first_s),
        size=(width, height),
        cpu_s=cpu_s,
        traces=tuple(recorder.traces.values()),
        sightings={name: tuple(found) for name, found in recorder.sightings.items()},
        shifts=tuple(recorder.shifts),
    )


def _masked(seen: Observation) -> Image:
    if not seen.view.can_see:  # nobody looked for people
        return mask_all(seen.frame.image)
    return mask_people(seen.frame.image, seen.everybody())[0]


def _encode(image: Image) -> bytes:
    scale = min(1.0, _STILL_WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _STILL_QUALITY])
    if not done:
        raise ValueError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels could not be written as JPEG")
    return bytes(data.tobytes())
