"""A video file as a source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
from av.container import InputContainer
from av.error import FFmpegError
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.clock import MediaClock
from edge_agent.capture.decoding import Decoding
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.sampling import Sampling
from edge_agent.capture.source import SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind

UNKNOWN_START = datetime(1970, 1, 1, tzinfo=UTC)


class VideoSource:
    """A recording, decoded on one thread so that the same file always gives the same frames.

    ``started_at`` (UTC) is the moment of the first frame; without it the file's own creation time counts, else
    1970-01-01.
    """

    def __init__(self, path: Path, period_s: float, started_at: datetime | None = None) -> None:
        self.counts = CaptureCounts()
        self._path = path
        self._period_s = period_s
        self._started_at = started_at

    def status(self) -> CaptureStatus:
        """A recording is always there."""
        return CaptureStatus(SourceKind.RECORDING)

    def probe(self) -> SourceInfo:
        """Open the file, read what it is, close it again. Raises ``SourceError``."""
        with open_video(self._path) as container:
            stream = self._stream(container)
            turned = next((abs(f.rotation) in (90, 270) for f in _first_frame(container, stream)), False)
            width, height = stream.codec_context.width, stream.codec_context.height
            duration_s = None
            if stream.duration is not None and stream.time_base is not None:
                duration_s = float(stream.duration * stream.time_base)
            elif container.duration is not None:
                duration_s = container.duration / av.time_base
            created = _created_at(container)
            return SourceInfo(
                width=height if turned else width,
                height=width if turned else height,
                duration_s=duration_s,
                fps=float(stream.average_rate) if stream.average_rate else None,
                details={
                    "container": container.format.name,
                    "codec": stream.codec_context.name,
                    "created_at": created.isoformat() if created else None,
                },
            )

    def frames(self) -> Iterator[Frame]:
        """The frames that are due, in order of media time. Raises ``SourceError`` if there is none."""
        self.counts = counts = CaptureCounts()
        with open_video(self._path) as container:
            stream = self._stream(container)
            started_at = self._started_at or _created_at(container) or UNKNOWN_START
            clock = MediaClock(stream.time_base or Fraction(1, av.time_base), counts)
            sampling = Sampling(self._period_s)
            decoding = Decoding(container, stream, clock, sampling, counts)
            last_size: tuple[int, int] | None = None
            for media_time, picture in clock.timed(decoding.pictures()):
                if not sampling.take(media_time):
                    counts.frames_skipped += 1
                    continue
                image = upright(picture)
                if last_size is not None and last_size != image.shape[:2]:
                    counts.size_changes += 1
                last_size = (image.shape[0], image.shape[1])
                counts.frames_analysed += 1
                seconds = float(media_time)
                yield Frame(image, started_at + timedelta(seconds=seconds), seconds)
        if not counts.frames_analysed:
            raise SourceError(self._say_empty())

    def _stream(self, container: InputContainer) -> VideoStream:
        if not container.streams.video:
            raise SourceError(f"{self._path}: holds no video stream, only sound or data: choose a file with pictures")
        stream = container.streams.video[0]
        if stream.codec_context is None or not stream.codec_context.codec.is_decoder:
            raise SourceError(f"{self._path}: its video codec is not known here: convert it to H.264")
        return stream

    def _say_empty(self) -> str:
        if self.counts.timestamps_missing:
            return (
                f"{self._path}: its pictures carry no timestamps, so no dwell can be measured: put the stream into a "
                f"container such as MP4 or MKV when recording"
            )
        return f"{self._path}: holds no picture that can be decoded: it is damaged or was not finished; record it again"


def open_video(path: Path) -> InputContainer:
    """A video file, and nothing but that file: a playlist could name others. Raises ``SourceError``."""
    try:
        return av.open(str(path.absolute()), options={"protocol_whitelist": "file"})
    except FileNotFoundError as error:
        raise SourceError(f"{path}: there is no such file: correct the camera's source") from error
    except PermissionError as error:
        raise SourceError(f"{path}: may not be read: give this user the right to read it") from error
    except (FFmpegError, OSError) as error:
        raise SourceError(
            f"{path}: is not a video that can be read ({error.strerror}): the recording is damaged or was not "
            f"finished; record it again or repair it"
        ) from error


def upright(picture: VideoFrame) -> Image:
    """The picture as BGR, turned the way its container says it is to be shown."""
    image = cast(Image, picture.to_ndarray(format="bgr24"))
    turns = round(picture.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def _first_frame(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    counts = CaptureCounts()
    clock = MediaClock(Fraction(1, av.time_base), counts)
    decoding = Decoding(container, stream, clock, Sampling(1.0), counts)
    for _, picture in decoding.pictures():
        yield picture
        return


def _created_at(container: InputContainer) -> datetime | None:
    metadata: dict[str, Any] = dict(container.metadata)
    try:
        created = datetime.fromisoformat(metadata.get("creation_time") or "")
    except ValueError:
        return None
    created = created.replace(tzinfo=UTC) if created.tzinfo is None else created.astimezone(UTC)
    return created if created > UNKNOWN_START else None
