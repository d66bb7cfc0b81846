"""Footage as a street camera sends it: 1080p, 25 frames a second, H.264 with a key frame every 2 s.

Made from the video clips of a suite with ffmpeg, once, into a scratch folder: scaled with its proportions kept and
filled up with black, no B-frames (cameras send none), quality by CRF 23, ffmpeg's own default.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import av

from edge_agent.config import CameraConfig, ParkingZone
from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.suite import Clip

SIZE = (1920, 1080)
FPS = 25
GOP_S = 2


@dataclass(frozen=True, slots=True)
class Placed:
    """How a clip's pictures lie in those made from them: pixel p is at ``scale`` * p + ``left``, ``top``."""

    size: tuple[int, int]
    scale: float
    left: float
    top: float

    @staticmethod
    def of(size: tuple[int, int]) -> Placed:
        """The placing of pictures of this size (width, height)."""
        scale = min(SIZE[0] / size[0], SIZE[1] / size[1])
        return Placed(size, scale, (SIZE[0] - size[0] * scale) / 2, (SIZE[1] - size[1] * scale) / 2)

    def camera(self, camera: CameraConfig, source: Path, period_s: float) -> CameraConfig:
        """The same camera on the made footage: its parking zones, laid where the picture lies."""
        zones = tuple(
            replace(
                zone, polygon=tuple((x * self.scale + self.left, y * self.scale + self.top) for x, y in zone.polygon)
            )
            for zone in camera.zones
            if isinstance(zone, ParkingZone)
        )
        return replace(camera, source=str(source), zones=zones, size=None, period_s=period_s)

    def back(self, alarm: Alarm) -> Alarm:
        """An alarm in pixels of the clip's own pictures, as its truth is."""
        if alarm.box is None:
            return alarm
        x1, y1, x2, y2 = alarm.box
        return replace(
            alarm,
            box=(
                (x1 - self.left) / self.scale,
                (y1 - self.top) / self.scale,
                (x2 - self.left) / self.scale,
                (y2 - self.top) / self.scale,
            ),
        )


@dataclass(frozen=True, slots=True)
class Made:
    """A clip, the video made from it, and how the one lies in the other."""

    clip: Clip
    video: Path
    placed: Placed
    footage_s: float


def is_video(clip: Clip) -> bool:
    """True for a clip that is here and is a video, not a folder of stills."""
    return clip.missing is None and Path(clip.camera.source).is_file()


def make(clip: Clip, folder: Path, ffmpeg: str) -> Made:
    """The clip as a street camera would have sent it; made if it is not in ``folder`` yet.

    Raises ``subprocess.CalledProcessError`` if ffmpeg cannot.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source = Path(clip.camera.source)
    video = folder / f"{source.stem}.mp4"
    width, height = SIZE
    if not video.exists():
        part = video.with_suffix(".part.mp4")
        fit = f"scale={width}:{height}:force_original_aspect_ratio=decrease"
        pad = f"pad={width}:{height}:(ow-iw)/2:(oh-ih)/2"
        gop = str(FPS * GOP_S)
        command = [
            *(ffmpeg, "-nostdin", "-v", "error", "-y", "-i", str(source), "-an", "-vf", f"{fit},{pad},fps={FPS}"),
            *("-c:v", "libx264", "-preset", "veryfast", "-crf", "23", "-bf", "0", "-pix_fmt", "yuv420p"),
            *("-g", gop, "-keyint_min", gop, "-sc_threshold", "0", str(part)),
        ]
        subprocess.run(command, check=True)
        part.rename(video)
    with av.open(str(source)) as container:
        stream = container.streams.video[0]
        size = stream.codec_context.width, stream.codec_context.height
    with av.open(str(video)) as container:
        footage_s = (container.duration or 0) / av.time_base
    return Made(clip, video, Placed.of(size), footage_s)
