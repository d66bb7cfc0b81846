"""One camera at work: its thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

import structlog

from edge_agent.assembly import Site, build_pipeline
from edge_agent.camera_record import CameraRecord
from edge_agent.capture.frame import Frame
from edge_agent.capture.live import LiveSource
from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import Source, SourceError
from edge_agent.config import CameraConfig, ConfigError
from edge_agent.detection.detector import Detector
from edge_agent.lifetime.progress import AbandonedError, Progress, Step
from edge_agent.pace import Pace
from edge_agent.pipeline import Observation, Pipeline
from edge_agent.scene.camera_state import CameraState
from edge_agent.state_file import StateFile
from edge_agent.status import CameraActivity
from edge_agent.turns import Turns

STATE_EVERY_S = 60.0
"""How often a camera's state is kept while nothing happens. A kill costs this much of a dwell at most, a stop nothing;
twice as often would be most of what an agent writes to its disk."""
LIVE_TICK_S = 0.5
"""Longest wait for a picture before it is asked whether there is still a signal, and whether to stop."""
RETRY_FIRST_S = 1.0
RETRY_LAST_S = 60.0
"""Waits before a source that failed is opened again, doubling from the first to the last."""

Emit = Callable[["CameraRunner", Observation], None]


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
        self._record = CameraRecord(camera)
        self._source: Source | None = None
        self._saved_s = self._missed_s = float("-inf")
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
        self._record.turn(CameraState.NO_SIGNAL, datetime.now(UTC))
        return True

    @property
    def picture_size(self) -> tuple[int, int] | None:
        """Width and height of the pictures so far; None before the first."""
        return self._record.size

    @property
    def reader(self) -> threading.Thread:
        """The thread that hangs if this camera's source does."""
        reader = self._source.reader if isinstance(self._source, LiveSource) else None
        return reader or self.thread

    def follow(self, before: CameraRunner) -> None:
        """Count on from the runner that had this camera before. Only before ``start``."""
        self._record.follow(before._record)

    def _run(self) -> None:
        wait_s = RETRY_FIRST_S
        try:
            while not self._stop.is_set():
                try:
                    self._play()
                except SourceError as error:
                    self.progress.enter(Step.KEEPING)
                    self._keep_state()  # the next attempt goes on from it
                    self._record.turn(CameraState.NO_SIGNAL, datetime.now(UTC))
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
            self._record.turn(CameraState.NO_SIGNAL, datetime.now(UTC))
            for problem in error.problems:
                self._log.error("camera_not_started", problem=problem)
        except Exception:  # noqa: BLE001 - a fault in one camera must not end the others; it is logged whole
            self.failed = True
            self._record.turn(CameraState.NO_SIGNAL, datetime.now(UTC))
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
        last = self._record.last
        self._record.turn(CameraState.ENDED, last.frame.captured_at if last else datetime.now(UTC))
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
                observation = (self._record.pipeline or self._begin(frame.width, frame.height)).process(frame)
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
        if self._record.state is not CameraState.NO_SIGNAL:
            self._log.warning("no_signal", why=source.problem, silent_s=round(source.silent_s(), 1))
            self._record.turn(CameraState.NO_SIGNAL, now)
        pipeline = self._record.pipeline
        if pipeline is None:
            return
        at_s = source.media_time_s()
        if at_s - self._missed_s >= self.camera.period_s:
            self._missed_s = at_s
            self._analyse(pipeline, Frame.nothing(now, at_s))

    def _known_size(self) -> tuple[int, int] | None:
        state = self._state_file.read()
        try:
            width, height = state["size"] if state is not None else (0, 0)
            return (int(width), int(height)) if width and height else None
        except (KeyError, TypeError, ValueError):
            return None  # written before sizes were kept, or damaged: then it is set aside where it is loaded

    def _begin(self, width: int, height: int) -> Pipeline:
        pipeline, _ = self._resume(width, height)
        self._record.begin(pipeline, width, height)
        return pipeline

    def _new_frames(self, source: Source) -> Iterator[tuple[Pipeline, Frame]]:
        """The frames after the last one that the kept state knows: a recording goes on where it stopped."""
        pipeline: Pipeline | None = None
        after: datetime | None = None
        skipped = 0
        for frame in source.frames():
            if pipeline is None:
                pipeline, after = self._resume(frame.width, frame.height)
                self._record.begin(pipeline, frame.width, frame.height)
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
            drawn_anew = state.get("drawn", drawing(self.camera)) != drawing(self.camera)
            pipeline.load(state, drawn_anew)
            last = state["last"]
            return pipeline, datetime.fromisoformat(last["captured_at"]) if last else None
        except (KeyError, TypeError, ValueError) as error:
            self._state_file.set_aside(f"{type(error).__name__}: {error}")
            return build_pipeline(self.camera, self._site, self._detector, width, height), None

    def _take(self, observation: Observation) -> None:
        self._emit(self, observation)
        self._record.take(observation)
        at_s = observation.frame.media_time_s
        if observation.events or at_s - self._saved_s >= STATE_EVERY_S:
            self._keep_state()
            self._saved_s = at_s

    def _keep_state(self) -> None:
        pipeline = self._record.pipeline
        if pipeline is not None and self._record.last is not None:
            self._state_file.write({**pipeline.dump(), "size": self._record.size, "drawn": drawing(self.camera)})

    def activity(self) -> CameraActivity:
        """How the camera is, for heartbeats and metrics."""
        return self._record.activity(self._source, self._turns.counts(self.camera.id), self._state_file.written_bytes)


def drawing(camera: CameraConfig) -> dict[str, list[list[float]]]:
    """Where the camera's zones are drawn, in pixels by zone, as JSON values."""
    return {zone.id: [[float(x), float(y)] for x, y in zone.polygon] for zone in camera.zones}
