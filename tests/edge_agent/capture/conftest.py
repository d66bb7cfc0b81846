"""Small recordings made for a test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

MakeVideo = Callable[..., Path]


def picture(number: int, size: tuple[int, int]) -> av.VideoFrame:
    """A textured picture that moves a little and carries its number as a row of light and dark blocks."""
    width, height = size
    grain = np.random.default_rng(7).integers(60, 190, (height // 8, width // 8, 3), np.uint8)
    image = np.roll(np.kron(grain, np.ones((8, 8, 1), np.uint8)), number % 16, axis=1)
    for bit in range(10):
        image[:16, bit * 16 : bit * 16 + 16] = 255 if number >> bit & 1 else 0
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="bgr24")


@pytest.fixture
def number_of() -> Callable[[np.ndarray], int]:
    """Reads the number that ``make_video`` drew into a picture."""

    def read(image: np.ndarray) -> int:
        return sum(1 << bit for bit in range(10) if image[4:12, bit * 16 + 4 : bit * 16 + 12].mean() > 127)

    return read


@pytest.fixture
def make_video(tmp_path: Path) -> MakeVideo:
    """Writes a video whose n-th picture carries n and is shown at the n-th of ``times_ms``."""

    def make(
        name: str,
        times_ms: Sequence[int],
        *,
        size: tuple[int, int] = (192, 96),
        codec: str = "libx264",
        gop: int = 10,
        b_frames: int = 2,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        path = tmp_path / name
        unit = 10 if path.suffix == ".avi" else 1000  # AVI knows only steady frames
        with av.open(str(path), "w") as container:
            container.metadata.update(metadata or {})
            stream = container.add_stream(codec, rate=10)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.gop_size = gop
            stream.codec_context.time_base = Fraction(1, unit)
            stream.codec_context.thread_count = 1
            if codec == "libx264":
                stream.options = {"bf": str(b_frames), "x264-params": "scenecut=0"}
            for number, at_ms in enumerate(times_ms):
                frame = picture(number, size)
                frame.pts, frame.time_base = at_ms * unit // 1000, Fraction(1, unit)
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        return path

    return make
