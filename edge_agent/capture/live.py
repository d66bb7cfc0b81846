"""A camera that never ends: read on a thread of its own, looked at by another."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import cv2
import structlog

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.credentials import RefusedError
from edge_agent.capture.decode_plan import DecodePlan
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.live_clock import LiveClock
from edge_agent.capture.live_sampling import LiveSampling
from edge_agent.capture.meter import RateMeter
from edge_agent.capture.newest import Newest
from edge_agent.capture.shot import BrokenPictureError, LiveStream, Shot
from edge_agent.capture.source import SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.redaction import redacted
from edge_agent.uplink.backoff import Backoff

RETRY_FIRST_S, RETRY_LAST_S = 0.5, 4.0
"""Attempts to connect begin at most so far apart, at first and after many failures (an attempt that hangs until its
time-out counts): a camera that is back is seen within ten seconds, and knocking at a dead one costs next to nothing."""
RETRY_LEAST_S = 0.2
REFUSED_FIRST_S, REFUSED_LAST_S = 30.0, 600.0
"""The same where the camera refuses the password: most lock a user out after some five attempts."""
SILENT_PERIODS, SILENT_LEAST_S = 3.0, 4.0
"""No picture for so many periods, and at least so long, is no signal; scene memory calls the same a gap."""
SENDER_TRUST_S = 5.0
"""A camera's clock is believed if it is this close to the box's own: a stream is seconds late at most, and a camera
that was never told the time is years off."""
PROBE_S = 8.0
"""Longest that ``probe`` looks at a stream once it is open: two key frames of most cameras."""
_STOP_S = 1.0
"""Longest wait for the reading thread; one that hangs in a time-out ends by itself, without effect."""

Connect = Callable[["Reading", bool], LiveStream]
"""Opens the stream; true for the sub-stream. Raises ``SourceError``."""


class Reading:
    """What outlasts a connection: the plan, the sampling, the clocks and what was counted."""

    def __init__(self, plan: DecodePlan, period_s: float) -> None:
        self.counts = CaptureCounts()
        self.plan = plan
        self.sampling = LiveSampling(period_s)
        self.clock = LiveClock(self.counts)
        self.rate = RateMeter()


class LiveSource:
    """The newest due picture of a camera, over all reconnections.

    ``start`` begins to read. ``wait`` and ``take`` are for one looking thread, which may be as slow as it likes: what
    it does not take in time gives way to what is newer, and is counted as late. ``silent_s`` says for how long there
    has been nothing to take. Pictures of another size are scaled to the first one's, or to that of ``fit``, so that
    zones and what is remembered stay in place.
    """

    def __init__(
        self,
        kind: SourceKind,
        connect: Connect,
        period_s: float,
        plan: DecodePlan,
        *,
        name: str = "camera",
        has_sub_stream: bool = False,
        secret: Callable[[], object] = lambda: None,
    ) -> None:
        self._kind = kind
        self._connect = connect
        self._reading = Reading(plan, period_s)
        self._secret = secret
        self._has_sub_stream = has_sub_stream
        self._sub_stream = has_sub_stream
        self._name = name
        self._log = structlog.get_logger("capture").bind(camera=name)
        self._newest = Newest()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._since_s = self._alive_s = time.monotonic()
        self._seen_s: float | None = None
        self._waiting_s: float | None = None
        self._size: tuple[int, int] | None = None
        self._arriving: tuple[int, int] | None = None
        self._connected = False
        self._connections = 0
        self._sender_time = False
        self._hardware: str | None = None
        self.silent_after_s = max(SILENT_PERIODS * period_s, SILENT_LEAST_S)
        self._failure: str | None = None
        self._broken_before = 0

    @property
    def problem(self) -> str | None:
        """Why there is no signal, without secrets; None while there is one."""
        if self._failure is not None or not self._connected or self.silent_s() <= self.silent_after_s:
            return self._failure
        if self.counts.frames_broken > self._broken_before:
            return "pictures arrive damaged: the network loses packets: mend it, or set stream.transport: tcp"
        return "no picture comes"

    @property
    def counts(self) -> CaptureCounts:
        """What it has met so far, over all reconnections."""
        return self._reading.counts

    def start(self) -> None:
        """Begin to read."""
        self._since_s = time.monotonic()
        self._thread = threading.Thread(target=self._read, name=f"read-{self._name}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)

    def fit(self, width: int, height: int) -> None:
        """Give pictures of this size from now on, whatever the camera sends."""
        self._size = (width, height)

    def wait(self, timeout_s: float) -> bool:
        """True as soon as there is a picture to take."""
        return self._newest.wait(timeout_s)

    def take(self) -> Frame | None:
        """The newest picture; None if there is none, or it is broken, which is counted."""
        shot = self._newest.take()
        if shot is None:
            return None
        counts = self._reading.counts
        try:
            image = shot.picture.develop()
        except BrokenPictureError:
            counts.frames_broken += 1
            return None
        self._seen_s = self._waiting_s
        self._broken_before = counts.frames_broken
        counts.frames_analysed += 1
        return Frame(self._fitted(image), self._captured_at(shot), self._reading.clock.media_time_s(shot.taken_s))

    def silent_s(self) -> float:
        """Seconds without a picture."""
        if self._newest.wait(0.0):
            return 0.0
        return time.monotonic() - (self._since_s if self._seen_s is None else self._seen_s)

    def reader_silent_s(self) -> float:
        """Seconds without a sign of life from the thread that reads; past its time-outs and a period, it hangs."""
        return time.monotonic() - self._alive_s

    @property
    def reader(self) -> threading.Thread | None:
        """The thread that reads; None before ``start``."""
        return self._thread

    def media_time_s(self) -> float:
        """Media time now."""
        return self._reading.clock.media_time_now_s(time.monotonic())

    def frames(self) -> Iterator[Frame]:
        """Pictures as they come, without end. Raises ``SourceError`` when there is no signal."""
        self.start()
        try:
            while not self._stop.is_set():
                if self.wait(_TICK_S) and (frame := self.take()) is not None:
                    yield frame
                elif self.silent_s() > self.silent_after_s:
                    raise SourceError(self.problem or "no picture comes from the camera")
        finally:
            self.stop()

    def probe(self) -> SourceInfo:
        """Look at the stream for some seconds. Raises ``SourceError``."""
        reading = self._reading
        width = height = 0
        frames = 0
        with closing(self._connect(reading, self._has_sub_stream)) as stream:
            done = threading.Event()
            timer = threading.Timer(PROBE_S, done.set)
            timer.daemon = True
            timer.start()
            began_s = time.monotonic()
            try:
                for shot in stream.shots(done):
                    try:
                        image = shot.picture.develop()
                    except BrokenPictureError:
                        reading.counts.frames_broken += 1
                        continue
                    frames += 1
                    height, width = image.shape[:2]
                    knows_gop = reading.plan.gop_s is not None or self._kind is SourceKind.HTTP
                    if frames >= _PROBED_FRAMES and knows_gop:
                        break
            finally:
                timer.cancel()
            fps = reading.rate.rate(time.monotonic()) if time.monotonic() - began_s > 0 else None
        if not frames:
            raise SourceError(f"no whole picture came within {PROBE_S:g} s: look at the camera's network")
        return SourceInfo(
            width=width,
            height=height,
            duration_s=None,
            fps=fps,
            details={
                "kind": self._kind.value,
                "gop_s": reading.plan.gop_s,
                "decode": None if self._kind is SourceKind.HTTP else reading.plan.mode.value,
            },
        )

    def status(self) -> CaptureStatus:
        """How it is doing."""
        now_s = time.monotonic()
        reading = self._reading
        return CaptureStatus(
            kind=self._kind,
            connected=self._connected,
            decode=reading.plan.mode.value if self._connections and self._kind is not SourceKind.HTTP else None,
            fps_in=round(reading.rate.rate(now_s), 2),
            gop_s=reading.plan.gop_s,
            reconnects=max(self._connections - 1, 0),
            last_picture_age_s=None if self._seen_s is None else now_s - self._seen_s,
            hardware=self._hardware,
            sub_stream=self._sub_stream and self._connected,
            sender_time=self._sender_time,
            problem=self.problem,
        )

    def _read(self) -> None:
        backoff = Backoff(RETRY_FIRST_S, RETRY_LAST_S, random.uniform)
        refused = Backoff(REFUSED_FIRST_S, REFUSED_LAST_S, lambda low, high: random.uniform(high / 2, high))
        said: str | None = None
        while not self._stop.is_set():
            began_s = self._alive_s = time.monotonic()
            wait_s = 0.0
            try:
                for _ in self._connection():
                    said = None
                    backoff.reset()
                    refused.reset()
            except RefusedError as error:
                self._failure = redacted(str(error))
                wait_s = refused.next_s()
            except SourceError as error:
                self._failure = redacted(str(error))
                wait_s = max(RETRY_LEAST_S, backoff.next_s() - (time.monotonic() - began_s))
            except Exception as error:  # noqa: BLE001 - whatever a camera does to it, reading goes on; it is logged whole
                self._failure = f"a fault while reading: {type(error).__name__}"
                self._log.exception("reading_failed")
                wait_s = RETRY_LAST_S
            self._connected = False
            if self._stop.is_set():
                return
            if self._failure != said:
                self._log.warning("source_failed", error=self._failure, retry_in_s=round(wait_s, 1))
                said = self._failure
            if self._has_sub_stream:
                self._sub_stream = not self._sub_stream
            self._pause(wait_s)

    def _pause(self, wait_s: float) -> None:
        """Wait, but no longer than until the password is another."""
        secret = self._secret()
        until_s = time.monotonic() + wait_s
        while not self._stop.wait(max(0.0, min(_SECRET_EVERY_S, until_s - time.monotonic()))):
            self._alive_s = time.monotonic()
            if time.monotonic() >= until_s or self._secret() != secret:
                return

    def _connection(self) -> Iterator[Shot]:
        with closing(self._connect(self._reading, self._sub_stream)) as stream:
            self._connected, self._failure = True, None
            self._connections += 1
            self._log.info("source_connected", times=self._connections, sub_stream=self._sub_stream)
            for shot in stream.shots(self._stop):
                self._hardware = stream.hardware
                self._waiting_s = self._alive_s = time.monotonic()
                if not self._newest.put(shot):
                    self._reading.counts.frames_late += 1
                yield shot

    def _fitted(self, image: Image) -> Image:
        size = (image.shape[1], image.shape[0])
        if self._size is None:
            self._size = size
        if size != self._arriving:
            if self._arriving is not None:
                self._reading.counts.size_changes += 1
            if size != self._size or self._arriving is not None:
                self._log.warning("picture_size", size=list(size), scaled_to=list(self._size))
            self._arriving = size
        return image if size == self._size else cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)

    def _captured_at(self, shot: Shot) -> datetime:
        """When it was taken, UTC: by the camera's clock if that can be believed, else by when it came."""
        arrived_at = datetime.now(UTC) - timedelta(seconds=max(0.0, time.monotonic() - shot.taken_s))
        sent_at = shot.sent_at
        self._sender_time = sent_at is not None and abs((arrived_at - sent_at) / _SECOND) <= SENDER_TRUST_S
        return sent_at if sent_at is not None and self._sender_time else arrived_at


_TICK_S = 0.5
_SECRET_EVERY_S = 2.0
_PROBED_FRAMES = 2
_SECOND = timedelta(seconds=1)
