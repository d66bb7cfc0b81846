"""A video of annotated pictures."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import cast

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.stream import VideoStream

from edge_agent.capture.frame import Image

_MILLISECONDS = Fraction(1, 1000)


class AnnotatedVideoError(Exception):
    """A video that cannot be written; the message names it and says what to do."""


class AnnotatedVideo:
    """Writes pictures to a video in which each is shown at its media time. Use it as a context manager.

    H.264 where the installed build can write it, else MPEG-4. Pictures of another size than the first are fitted into
    its size. Raises ``AnnotatedVideoError``.
    """

    def __init__(self, path: Path, period_s: float) -> None:
        self._path = path
        self._period_s = period_s
        self._stream: VideoStream | None = None
        self._last_ms = -1
        if not path.parent.is_dir():
            raise AnnotatedVideoError(f"{path}: cannot be written, there is no folder {path.parent}: make it first")
        try:
            self._container = av.open(str(path), "w")
        except (FFmpegError, OSError, ValueError) as error:
            raise AnnotatedVideoError(
                f"{path}: cannot be written ({error}): choose a name that ends in .mp4 in a folder that exists"
            ) from error

    def write(self, image: Image, media_time_s: float) -> None:
        """Add one picture. Media times must rise."""
        try:
            stream = self._stream or self._start(image)
            fitted = _fitted(image, stream.width, stream.height)
            # OpenCV's conversion gives the same bytes every time; the encoder's own may split the work as it likes.
            frame = av.VideoFrame.from_ndarray(cv2.cvtColor(fitted, cv2.COLOR_BGR2YUV_I420), format="yuv420p")
            at_ms = max(round(media_time_s * 1000), self._last_ms + 1)
            frame.pts, frame.time_base = at_ms, _MILLISECONDS
            self._last_ms = at_ms
            self._container.mux(stream.encode(frame))
        except (FFmpegError, OSError) as error:
            raise AnnotatedVideoError(f"{self._path}: cannot be written ({error})") from error

    def close(self) -> None:
        """Write what is left and close the file."""
        try:
            if self._stream is not None:
                self._container.mux(self._stream.encode(None))
            self._container.close()
        except (FFmpegError, OSError) as error:
            raise AnnotatedVideoError(f"{self._path}: cannot be written ({error})") from error

    def __enter__(self) -> AnnotatedVideo:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self, image: Image) -> VideoStream:
        codec = "libx264" if "libx264" in av.codecs_available else "mpeg4"
        rate = Fraction(1 / self._period_s).limit_denominator(1000)
        stream = cast(VideoStream, self._container.add_stream(codec, rate=max(rate, Fraction(1, 1000))))
        stream.width, stream.height = image.shape[1] // 2 * 2, image.shape[0] // 2 * 2
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = _MILLISECONDS
        stream.codec_context.thread_count = 1  # the same pictures give the same bytes
        if codec == "libx264":
            # x264's macroblock tree reads memory that nobody wrote: with it, bytes differ from run to run.
            stream.options = {"preset": "veryfast", "crf": "23", "x264-params": "mbtree=0"}
        else:
            stream.bit_rate = stream.width * stream.height * 4
        self._stream = stream
        return stream


def _fitted(image: Image, width: int, height: int) -> Image:
    if image.shape[1] // 2 * 2 == width and image.shape[0] // 2 * 2 == height:
        return np.ascontiguousarray(image[:height, :width])
    scale = min(width / image.shape[1], height / image.shape[0])
    inside = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    canvas = np.zeros((height, width, 3), np.uint8)
    left, top = (width - inside[0]) // 2, (height - inside[1]) // 2
    canvas[top : top + inside[1], left : left + inside[0]] = cv2.resize(image, inside, interpolation=cv2.INTER_AREA)
    return canvas
