"""What the cameras of these tests see, made with ffmpeg."""

from __future__ import annotations

import subprocess
from pathlib import Path

SECONDS = 150
"""Longer than any test runs: a camera never comes to its end."""
_ONCE_S = 6
"""Films repeat, so that they are made quickly."""


def film(path: Path, *, size: str = "640x360", codec: str = "libx264", gop: int = 25, seconds: int = SECONDS) -> Path:
    """A picture that moves, 25 frames a second, a key frame every ``gop``."""
    options = {
        "libx264": ["-preset", "ultrafast", "-tune", "zerolatency", "-sc_threshold", "0", "-b:v", "1M"],
        "libx265": ["-preset", "ultrafast", "-x265-params", f"keyint={gop}:min-keyint={gop}:log-level=none"],
        "mjpeg": ["-q:v", "8", "-pix_fmt", "yuvj420p"],
    }[codec]
    _ffmpeg(
        "-f", "lavfi", "-i", f"testsrc2=s={size}:r=25:d={seconds}", "-c:v", codec, "-g", str(gop), *options, str(path)
    )
    return path


def joined(path: Path, *parts: Path) -> Path:
    """The films one after the other, whatever their sizes, as a camera that is set anew sends them."""
    listed = path.with_suffix(".txt")
    listed.write_text("".join(f"file '{part}'\n" for part in parts), encoding="utf-8")
    _ffmpeg("-f", "concat", "-safe", "0", "-i", str(listed), "-c", "copy", str(path))
    return path


def stills(folder: Path, film: Path, number: int) -> list[bytes]:
    """The first pictures of a film as JPEG."""
    _ffmpeg("-i", str(film), "-frames:v", str(number), "-q:v", "5", str(folder / "%03d.jpg"))
    return [file.read_bytes() for file in sorted(folder.glob("*.jpg"))]


def _ffmpeg(*arguments: str) -> None:
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-y", *arguments], check=True, timeout=120)
