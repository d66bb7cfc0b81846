"""What an agent said of one recording while it was played to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import cv2

from edge_agent.capture.frame import Image
from edge_agent.evaluation.truth import Span
from edge_agent.incident_event import IncidentEvent, IncidentPhase
from edge_agent.pipeline import Observation
from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scene.camera_state import CameraState

GAP_S = 10.0
"""A still stands for the time until the next one, but not for longer than this: nobody saw the rest."""

_STILL_WIDTH = 480
_STILL_QUALITY = 80


@dataclass(frozen=True, slots=True)
class StateSpan:
    """A camera's state from one media time to another; a frame further than ``GAP_S`` from the last leaves a hole."""

    state: CameraState
    from_s: float
    to_s: float


@dataclass(frozen=True, slots=True)
class Still:
    """A picture of the recording (JPEG, at most 480 pixels wide) for the report."""

    media_time_s: float
    jpeg: bytes


@dataclass(frozen=True, slots=True)
class ClipRun:
    """Everything that is scored or shown of one recording.

    ``footage`` reaches from the first analysed frame to the last; ``footage_s`` is how much of it was seen (gaps
    left out); ``cpu_s`` is processor time, all cores together. ``size`` is (width, height) in pixels.
    """

    events: tuple[IncidentEvent, ...]
    widths: Mapping[str, tuple[ClearWidth, ...]]
    states: tuple[StateSpan, ...]
    stills: tuple[Still, ...]
    footage: Span
    footage_s: float
    frames: int
    started_at: datetime
    size: tuple[int, int]
    cpu_s: float


class NoFramesError(Exception):
    """A recording of which not one frame could be analysed."""


@dataclass(slots=True)
class _Recorder:
    period_s: float
    still_at_s: list[float]
    events: list[IncidentEvent] = field(default_factory=list)
    widths: dict[str, list[ClearWidth]] = field(default_factory=dict)
    states: list[StateSpan] = field(default_factory=list)
    stills: list[Still] = field(default_factory=list)
    footage_s: float = 0.0
    last_s: float | None = None

    def take(self, seen: Observation, with_stills: bool) -> None:
        now_s = seen.frame.media_time_s
        if self.last_s is not None:
            self.footage_s += min(now_s - self.last_s, max(GAP_S, self.period_s))
        self._state(seen.view.state, now_s)
        self.last_s = now_s
        self.events.extend(seen.events)
        for zone, passage in seen.passages.items():
            self.widths.setdefault(zone, []).append(passage.clear_width)
        if with_stills and self._is_wanted(seen, now_s):
            self.stills.append(Still(now_s, _encode(seen.frame.image)))

    def _state(self, state: CameraState, now_s: float) -> None:
        follows = self.last_s is not None and now_s - self.last_s <= max(GAP_S, self.period_s)
        if follows and self.states:
            last = self.states[-1]
            self.states[-1] = StateSpan(last.state, last.from_s, now_s)
        if not follows or not self.states or self.states[-1].state is not state:
            self.states.append(StateSpan(state, now_s, now_s))

    def _is_wanted(self, seen: Observation, now_s: float) -> bool:
        due = [at_s for at_s in self.still_at_s if at_s <= now_s]
        self.still_at_s = [at_s for at_s in self.still_at_s if at_s > now_s]
        return bool(due) or any(event.phase is IncidentPhase.OPENED for event in seen.events)


def record(
    observations: Iterable[Observation],
    period_s: float,
    still_at_s: Iterable[float] | None = None,
    cpu_clock: Callable[[], float] = time.process_time,
) -> ClipRun:
    """Play a recording to its end and keep what is scored.

    With ``still_at_s``, keep a picture of the first frame at or after each of these media times and of every frame
    on which an incident was opened. Raises ``NoFramesError``, and what the observations raise.
    """
    recorder = _Recorder(period_s, sorted(still_at_s or ()))
    before_s = cpu_clock()
    first: Observation | None = None
    frames = 0
    for seen in observations:
        first = first or seen
        frames += 1
        recorder.take(seen, still_at_s is not None)
    cpu_s = cpu_clock() - before_s
    if first is None or recorder.last_s is None:
        raise NoFramesError("not one frame could be analysed")
    frame = first.frame
    return ClipRun(
        events=tuple(recorder.events),
        widths={zone: tuple(widths) for zone, widths in recorder.widths.items()},
        states=tuple(recorder.states),
        stills=tuple(recorder.stills),
        footage=Span(frame.media_time_s, recorder.last_s),
        footage_s=recorder.footage_s + period_s,
        frames=frames,
        started_at=frame.captured_at - timedelta(seconds=frame.media_time_s),
        size=(frame.width, frame.height),
        cpu_s=cpu_s,
    )


def _encode(image: Image) -> bytes:
    scale = min(1.0, _STILL_WIDTH / image.shape[1])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
    done, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, _STILL_QUALITY])
    if not done:
        raise ValueError(f"a picture of {image.shape[1]}x{image.shape[0]} pixels could not be written as JPEG")
    return bytes(data.tobytes())
