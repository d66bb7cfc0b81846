"""A clip played to the agent as a live camera's stream is: the same decode plan, packets as fast as they can be had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from threading import Event

from edge_agent.assembly import Site, build_pipeline
from edge_agent.capture.av_stream import AvStream
from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.decode_plan import DecodePlan
from edge_agent.capture.frame import Frame
from edge_agent.capture.live_clock import LiveClock
from edge_agent.capture.live_sampling import LiveSampling
from edge_agent.capture.meter import RateMeter
from edge_agent.capture.packets import Timed
from edge_agent.capture.source import SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.capture.video import VideoSource, open_video
from edge_agent.config import CameraConfig, SiteConfig
from edge_agent.detection.detector import Detector
from edge_agent.evaluation.clip_run import ClipRun, record
from edge_agent.pipeline import Observation, Pipeline
from tests.benchmarks.edge.footage import SIZE

BEGAN = datetime(2026, 5, 12, 2, 0, tzinfo=UTC)


class UnpacedStream:
    """A video file read like a camera's stream, without waiting for the clock."""

    def __init__(self, path: Path, period_s: float, started_at: datetime) -> None:
        self.counts = CaptureCounts()
        self._path = path
        self._period_s = period_s
        self._started_at = started_at

    def status(self) -> CaptureStatus:
        """That it is a stream without a camera."""
        return CaptureStatus(kind=SourceKind.LOOP)

    def probe(self) -> SourceInfo:
        """What the file is. Raises ``SourceError``."""
        return VideoSource(self._path, self._period_s).probe()

    def frames(self) -> Iterator[Frame]:
        """The frames that a live camera with this period would have given. Raises ``SourceError``."""
        container = open_video(self._path)
        stream = container.streams.video[0]
        time_base = stream.time_base or Fraction(1, 1_000_000)
        read_s = 0.0

        def packets(stop: Event) -> Iterator[Timed]:
            nonlocal read_s
            for packet in container.demux(stream):
                if packet.size and packet.pts is not None:
                    read_s = float(packet.pts * time_base)
                    yield read_s, packet

        live = AvStream(
            container,
            stream,
            packets,
            DecodePlan("auto", self._period_s),
            LiveSampling(self._period_s),
            LiveClock(self.counts),
            self.counts,
            RateMeter(),
            name=self._path.name,
            reliable=True,
            keys_apart=True,
            hardware=False,
        )
        try:
            for shot in live.shots(Event()):
                at_s = read_s
                self.counts.frames_analysed += 1
                yield Frame(shot.picture.develop(), self._started_at + timedelta(seconds=at_s), at_s)
        except SourceError:
            if not self.counts.frames_analysed:
                raise  # otherwise it is the end of the file
        finally:
            live.close()


def play(camera: CameraConfig, site: SiteConfig, detector: Detector) -> tuple[ClipRun, Pipeline]:
    """What the agent said of a recording that came as a stream, and its pipeline with what it counted."""
    source = UnpacedStream(Path(camera.source), camera.period_s, started_at(camera, site))
    pipelines: list[Pipeline] = []

    def seen() -> Iterator[Observation]:
        for frame in source.frames():
            if not pipelines:
                size = frame.width, frame.height
                pipelines.append(build_pipeline(camera, Site("bench", site, ""), detector, *size))
            observation = pipelines[0].process(frame)
            # As in a camera's thread, a picture is let go of before the next one is made.
            frame = frame.without_picture()
            observation = replace(observation, frame=frame)
            yield observation

    return replace(record(seen(), camera.period_s), size=SIZE), pipelines[0]


def started_at(camera: CameraConfig, site: SiteConfig) -> datetime:
    """The moment of a clip's first frame: its camera's, or one that is the same for all."""
    if camera.start_time is None:
        return BEGAN
    given = camera.start_time
    return (given if given.tzinfo is not None else given.replace(tzinfo=site.time_zone)).astimezone(UTC)
