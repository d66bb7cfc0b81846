"""What the agent is measured against: the common recipe, the least that any detector costs, and decoding alone.

Processor time is the process's own account of it (``getrusage``), user and system, all threads.
"""

from __future__ import annotations

import resource
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import av
import numpy as np

from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.video import open_video, upright
from edge_agent.config import CameraConfig, ParkingZone
from edge_agent.detection.detector import Detector, to_blob
from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.clip_run import ClipRun
from edge_agent.evaluation.truth import Span
from tests.benchmarks.baseline_recipe import PERIOD_S, Recipe


def cpu_s() -> float:
    """Processor seconds that this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def every_frame(path: Path) -> int:
    """Decode every frame, as a plain loop with PyAV does, and make nothing of it; how many there were."""
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def recipe(camera: CameraConfig, detector: Detector, began: datetime) -> tuple[ClipRun, tuple[Alarm, ...]]:
    """What the common recipe says: every frame decoded, five a second looked at, tracked, and timed in the zones."""
    found = Recipe(zone for zone in camera.zones if isinstance(zone, ParkingZone))
    before_s = cpu_s()
    times: list[float] = []
    size = (1, 1)
    for frame in _sampled(Path(camera.source), began):
        found.take(detector.detect(frame.image), frame.media_time_s)
        times.append(frame.media_time_s)
        size = frame.width, frame.height
    alarms = found.end()
    run = ClipRun(
        events=(),
        widths={},
        states=(),
        stills=(),
        footage=Span(times[0], times[-1]),
        gaps=(),
        footage_s=times[-1] - times[0] + PERIOD_S,
        frames=len(times),
        started_at=began,
        size=size,
        cpu_s=cpu_s() - before_s,
    )
    return run, alarms


def floor(camera: CameraConfig, detector: Detector, frames: int, close: int) -> tuple[float, float]:
    """Processor seconds of the least that can be done with the frames that the agent analysed.

    The same file opened, the same key frames decoded, and one bare run of the model for each; second, the same with a
    run only for each of the ``close`` frames at which the agent looked closely.
    """
    before_s = cpu_s()
    with open_video(Path(camera.source)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        context.thread_type, context.thread_count, context.skip_frame = "SLICE", 1, "NONKEY"
        keys = [packet for packet in container.demux(stream) if packet.is_keyframe and packet.size]
        picture = None
        for number in range(frames):
            packet = keys[number * len(keys) // frames]
            for picture in [*context.decode(packet), *context.decode(None)]:  # noqa: B007
                pass
            context.flush_buffers()
        decode_s = cpu_s() - before_s
    if picture is None:
        raise ValueError(f"{camera.source}: holds no key frame")
    blob = to_blob(upright(picture), detector.card.input)
    before_s = cpu_s()
    for _ in range(frames):
        detector.run_bare(blob)
    run_s = (cpu_s() - before_s) / frames
    return decode_s + frames * run_s, decode_s + close * run_s


def _sampled(path: Path, began: datetime) -> Iterator[Frame]:
    due_s = 0.0
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        for picture in container.decode(stream):
            at_s = float(picture.time or 0.0)
            if at_s + 1e-6 >= due_s:
                due_s = (at_s // PERIOD_S + 1) * PERIOD_S if at_s >= due_s + PERIOD_S else due_s + PERIOD_S
                image: Image = np.asarray(picture.to_ndarray(format="bgr24"), np.uint8)
                yield Frame(image, began + timedelta(seconds=at_s), at_s)
