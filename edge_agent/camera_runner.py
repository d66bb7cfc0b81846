"""One camera at work: its thread, its pace, its state."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import structlog

from edge_agent.assembly import Site, build_pipeline
from edge_agent.capture.frame import Frame
from edge_agent.capture.live import LiveSource
from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import Source, SourceError
from edge_agent.config import CameraConfig, ConfigError, PassageZone
from edge_agent.detection.detector import Detector
from edge_agent.incident_event import IncidentEvent, IncidentPhase
from edge_agent.lifetime.progress import AbandonedError, Progress, Step
from edge_agent.pipeline import Observation, Pipeline
from edge_agent.scenarios.finding import Scenario
from edge_agent.scene.camera_state import CameraState, CameraStateChange
from edge_agent.state_file import StateFile
from edge_agent.status import CameraActivity, CameraStatus, IncidentCount, LookCounts, ZoneStatus, width_now
from edge_agent.turns import Turns

STATE_EVERY_S = 60.0
"""How often a camera's state is kept while nothing happens. A kill costs this much of a dwell at most, a stop nothing;
twice as often would be most of what an agent writes to its disk."""
LIVE_TICK_S = 0.5
"""Longest wait for a picture before it is asked whether there is still a signal, and whether to stop."""
PERIODS_KEPT = 10
"""The period kept is measured over so many frames: long enough to be even, short enough to show what is now."""
RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0
"""Waits before a source that failed is opened again, doubling from the first to the last."""

Emit = Callable[["CameraRunner", Observation], None]


@dataclass(slots=True)
class Pace:
    """Holds a recording back to ``speed`` times real time; None lets it run."""

    speed: float | None
    _began: float | None = None
    _first_s: float = 0.0

    def wait(self, frame: Frame, stop: threading.Event) -> None:
        """Return when the frame is due, or when told to stop."""
        if self.speed is None:
            return
        now = time.monotonic()
        if self._began is None:
            self._began, self._first_s = now, frame.media_time_s
        due = self._began + (frame.media_time_s - self._first_s) / self.speed
        if due > now:
            stop.wait(due - now)


@dataclass(slots=True)
class _Tally:
    incidents: Counter[tuple[str, Scenario, IncidentPhase]] = field(default_factory=Counter)


class CameraRunner:
    """Runs one camera until its recording ends or it is told to stop. A failure stays its own."""

    def __init__(
        self,
        camera: CameraConfig,
        site: Site,
        detector: Detector,
        turns: Turns,
        state_file: StateFile,
        emit: Emit,
        pace: Pace,
        *,
        patient: bool = True,
    ) -> None:
        self.camera = camera
        self._site = site
        self._detector = detector
        self._turns = turns
        self._state_file = state_file
        self._emit = emit
        self._pace = pace
        self._patient = patient
        self._stop = threading.Event()
        self._log = structlog.get_logger("camera").bind(camera=camera.id)
        self._lock = threading.Lock()
        self._tally = _Tally()
        self._pipeline: Pipeline | None = None
        self._source: Source | None = None
        self._last: Observation | None = None
        self._state = CameraState.STARTING
        self._state_since = datetime.now(UTC)
        self._saved_s = float("-inf")
        self._taken_s: float | None = None
        self._pictured_at: datetime | None = None
        self._missed_s = float("-inf")
        self._size: tuple[int, int] | None = None
        self._recent_s: deque[float] = deque(maxlen=PERIODS_KEPT + 1)
        self.ended = threading.Event()
        self.failed = False
        self.progress = Progress()
        self.thread = threading.Thread(target=self._run, name=f"camera-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self.thread.start()

    def stop(self) -> None:
        """Ask it to finish its frame and keep its state."""
        self._stop.set()

    def forget(self) -> None:
        """Begin without what earlier runs knew. Only before ``start``."""
        self._state_file.remove()

    def abandon(self) -> bool:
        """Leave a thread behind that hangs in its source: what it knew is kept, and it can do nothing any more.

        False if it does not wait for its source now.
        """
        if not self.progress.abandon():
            return False
        self.stop()
        self._keep_state()
        self._turn(CameraState.NO_SIGNAL, datetime.now(UTC))
        return True

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Width and height of the pictures so far; None before the first."""
        with self._lock:
            return self._size

    @property
    def reader(self) -> threading.Thread:
        """The thread that hangs if this camera's source does."""
        reader = self._source.reader if isinstance(self._source, LiveSource) else None
        return reader or self.thread

    def follow(self, before: CameraRunner) -> None:
        """Count on from the runner that had this camera before. Only before ``start``."""
        self._tally = before._tally
        with before._lock:
            self._state, self._state_since = before._state, before._state_since

    def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        try:
            while not self._stop.is_set():
                try:
                    self._play()
                except SourceError as error:
                    self.progress.enter(Step.KEEPING)
                    self._keep_state()  # the next attempt goes on from it
                    self._turn(CameraState.NO_SIGNAL, datetime.now(UTC))
                    if not self._patient:
                        self.failed = True
                        self._log.error("source_failed", error=str(error))
                        break
                    self._log.error("source_failed", error=str(error), retry_in_s=wait_s)
                    self.progress.enter(Step.WAITING)
                    self._stop.wait(wait_s)
                    wait_s = min(wait_s * 2, RETRY_LAST_S)
                    continue
                break
        except AbandonedError:
            self._log.warning("abandoned_thread_ended")
        except ConfigError as error:
            self.failed = True
            self._turn(CameraState.NO_SIGNAL, datetime.now(UTC))
            for problem in error.problems:
                self._log.error("camera_not_started", problem=problem)
        except Exception:  # noqa: BLE001 - a fault in one camera must not end the others; it is logged whole
            self.failed = True
            self._turn(CameraState.NO_SIGNAL, datetime.now(UTC))
            self._log.exception("camera_failed")
        finally:
            with suppress(AbandonedError):
                self.progress.enter(Step.KEEPING)
                self._keep_state()
                self.progress.enter(Step.ENDED)
            self.ended.set()

    def _play(self) -> None:
        self.progress.enter(Step.READING)
        source = self._source = open_source(self.camera, self._site.site.time_zone)
        if isinstance(source, LiveSource):
            self._watch(source)
            return
        for pipeline, frame in self._new_frames(source):
            self.progress.enter(Step.WAITING)
            self._pace.wait(frame, self._stop)
            if self._stop.is_set():
                return
            self._analyse(pipeline, frame)
            self.progress.enter(Step.READING)
        self.progress.enter(Step.KEEPING)
        last = self._last
        self._turn(CameraState.ENDED, last.frame.captured_at if last else datetime.now(UTC))
        self._log.info("recording_ended", frames=source.counts.frames_analysed)

    def _analyse(self, pipeline: Pipeline, frame: Frame) -> None:
        with self._turn_taken():
            observation = pipeline.process(frame)
        self.progress.enter(Step.KEEPING)
        self._take(observation)

    @contextmanager
    def _turn_taken(self) -> Iterator[None]:
        self.progress.enter(Step.WAITING)
        with self._turns.turn(self.camera.id, self.camera.period_s):
            self.progress.enter(Step.ANALYSING)
            yield

    def _analyse_newest(self, source: LiveSource) -> None:
        """Which picture is the newest, and that it is decoded at all, is decided when the turn comes."""
        observation = None
        with self._turn_taken():
            frame = source.take()
            if frame is not None:
                observation = (self._pipeline or self._begin(frame.width, frame.height)).process(frame)
        if observation is not None:
            self.progress.enter(Step.KEEPING)
            self._take(observation)

    def _watch(self, source: LiveSource) -> None:
        """A live camera: its newest picture each time, and word when none comes. Until told to stop."""
        size = self._known_size()
        if size is not None:  # what is remembered stays in place, whatever size the camera sends now
            source.fit(*size)
            self._begin(*size)
        source.start()
        stream = self.camera.stream
        patience_s = stream.open_timeout_s + stream.read_timeout_s + self.camera.period_s
        try:
            while not self._stop.is_set():
                self.progress.enter(Step.READING, max(source.reader_silent_s() - patience_s, 0.0))
                if source.wait(LIVE_TICK_S):
                    self._analyse_newest(source)
                elif source.silent_s() > source.silent_after_s:
                    self._miss(source)
        finally:
            source.stop()

    def _miss(self, source: LiveSource) -> None:
        """Nothing comes: say so, and once in a period take the time that passes through the pipeline."""
        now = datetime.now(UTC)
        if self._state is not CameraState.NO_SIGNAL:
            self._log.warning("no_signal", why=source.problem, silent_s=round(source.silent_s(), 1))
            self._turn(CameraState.NO_SIGNAL, now)
        if self._pipeline is None:
            return
        at_s = source.media_time_s()
        if at_s - self._missed_s >= self.camera.period_s:
            self._missed_s = at_s
            self._analyse(self._pipeline, Frame.nothing(now, at_s))

    def _known_size(self) -> tuple[int, int] | None:
        state = self._state_file.read()
        try:
            width, height = state["size"] if state is not None else (0, 0)
            return (int(width), int(height)) if width and height else None
        except (KeyError, TypeError, ValueError):
            return None  # written before sizes were kept, or damaged: then it is set aside where it is loaded

    def _begin(self, width: int, height: int) -> Pipeline:
        pipeline, _ = self._resume(width, height)
        with self._lock:
            self._pipeline, self._size = pipeline, (width, height)
        return pipeline

    def _new_frames(self, source: Source) -> Iterator[tuple[Pipeline, Frame]]:
        """The frames after the last one that the kept state knows: a recording goes on where it stopped."""
        pipeline: Pipeline | None = None
        after: datetime | None = None
        skipped = 0
        for frame in source.frames():
            if pipeline is None:
                pipeline, after = self._resume(frame.width, frame.height)
                with self._lock:
                    self._pipeline, self._size = pipeline, (frame.width, frame.height)
            if after is not None and frame.captured_at <= after:
                skipped += 1
                self.progress.enter(Step.READING)
                continue
            if skipped:
                self._log.info("recording_resumed", frames_known=skipped, at_s=round(frame.media_time_s, 3))
                skipped = 0
            yield pipeline, frame
        if skipped:
            self._log.warning("recording_known", frames=skipped, advice="start with --fresh to play it again")

    def _resume(self, width: int, height: int) -> tuple[Pipeline, datetime | None]:
        """A pipeline that goes on from the kept state, and until when that state knows the recording."""
        pipeline = build_pipeline(self.camera, self._site, self._detector, width, height)
        state = self._state_file.read()
        if state is None:
            return pipeline, None
        try:
            pipeline.load(state)
            last = state["last"]
            return pipeline, datetime.fromisoformat(last["captured_at"]) if last else None
        except (KeyError, TypeError, ValueError) as error:
            self._state_file.set_aside(f"{type(error).__name__}: {error}")
            return build_pipeline(self.camera, self._site, self._detector, width, height), None

    def _take(self, observation: Observation) -> None:
        self._emit(self, observation)
        with self._lock:
            self._last = replace(observation, frame=observation.frame.without_picture())
            if observation.frame.has_picture:
                self._taken_s = time.monotonic()
                self._pictured_at = observation.frame.captured_at
                self._recent_s.append(observation.frame.media_time_s)
            if observation.view.state is not self._state:
                self._state, self._state_since = observation.view.state, observation.frame.captured_at
            for event in observation.events:
                self._tally.incidents[event.zone, event.scenario, event.phase] += 1
        at_s = observation.frame.media_time_s
        if observation.events or at_s - self._saved_s >= STATE_EVERY_S:
            self._keep_state()
            self._saved_s = at_s

    def _turn(self, state: CameraState, at: datetime) -> None:
        with self._lock:
            self._state, self._state_since = state, at

    def _keep_state(self) -> None:
        if self._pipeline is not None and self._last is not None:
            self._state_file.write({**self._pipeline.dump(), "size": self._size})

    def activity(self) -> CameraActivity:
        """How the camera is, for heartbeats and metrics."""
        with self._lock:
            last, pipeline, source = self._last, self._pipeline, self._source
            counts = source.counts if source is not None else None
            status = CameraStatus(
                camera=self.camera.id,
                state=self._state,
                state_since=self._state_since,
                last_frame_at=self._pictured_at,
                frames_analysed=counts.frames_analysed if counts else 0,
                frames_broken=counts.frames_broken if counts else 0,
                state_s=tuple(pipeline.parts.ledger.state_s.items()) if pipeline else (),
                stays=tuple(stay for stay in last.stays if stay.standing) if last else (),
                zones=_zones(self.camera, pipeline, last, self._state) if pipeline and last else (),
            )
            return CameraActivity(
                status=status,
                frames_skipped=counts.frames_skipped if counts else 0,
                inferences=pipeline.parts.looker.inferences if pipeline else 0,
                inference_s=pipeline.parts.looker.inference_s if pipeline else 0.0,
                incidents=tuple(
                    IncidentCount(zone, scenario, phase, events)
                    for (zone, scenario, phase), events in self._tally.incidents.items()
                ),
                period_s=self.camera.period_s,
                period_kept_s=(
                    (self._recent_s[-1] - self._recent_s[0]) / (len(self._recent_s) - 1)
                    if len(self._recent_s) > 1
                    else None
                ),
                last_frame_age_s=None if self._taken_s is None else time.monotonic() - self._taken_s,
                frames_late=counts.frames_late if counts else 0,
                frames_untimed=counts.timestamps_missing + counts.timestamps_wrong if counts else 0,
                state_bytes=self._state_file.written_bytes,
                capture=source.status() if source is not None else None,
                looks=_looks(pipeline),
                turns=self._turns.counts(self.camera.id),
            )


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


def change_time(observation: Observation, change: CameraStateChange) -> datetime:
    """When a change of state happened, by the camera's clock."""
    back = timedelta(seconds=observation.frame.media_time_s - change.media_time_s)
    return observation.frame.captured_at - back


def said(event: IncidentEvent) -> dict[str, object]:
    """What a log line says of an incident event."""
    return {
        "incident": event.incident_id[:8],
        "zone": event.zone,
        "kind": event.kind.value,
        "what": event.class_name or event.class_group.value,
        "at_s": round(event.media_time_s, 1),
        "dwell_s": round(event.dwell.total_s, 1),
        **({"reason": event.close_reason.value} if event.close_reason else {}),
    }
