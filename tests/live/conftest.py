"""Cameras on this machine: a real RTSP server, ffmpeg's films, and networks that fail."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.live import films
from tests.live.relay import Relay

SYSTEM_PYTHON = "/usr/bin/python3"
HERE = Path(__file__).resolve().parent
_HAS_SERVER = "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"


@pytest.fixture(scope="session", autouse=True)
def programs() -> None:
    """ffmpeg and the RTSP server, or a skip that says what to install."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed (Debian: ffmpeg)")
    if (
        not Path(SYSTEM_PYTHON).exists()
        or subprocess.run([SYSTEM_PYTHON, "-c", _HAS_SERVER], capture_output=True).returncode
    ):
        pytest.skip("no RTSP server (Debian: python3-gi gir1.2-gst-rtsp-server-1.0 gstreamer1.0-plugins-good -bad)")


class RtspCameras:
    """An RTSP server with some cameras. ``stop`` ends it, ``start`` lets it come back at the same port."""

    def __init__(self, cameras: dict[str, dict[str, Any]]) -> None:
        self._cameras = json.dumps(cameras)
        self.port = 0
        self.start()

    def start(self) -> None:
        """Serve."""
        self._process = subprocess.Popen(
            [SYSTEM_PYTHON, str(HERE / "rtsp_cameras.py"), str(self.port), self._cameras],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line.strip(), "the RTSP server did not start"
        self.port = int(line)

    def stop(self) -> None:
        """End, as when a camera loses its power."""
        self._process.kill()
        self._process.wait(10)
        if self._process.stdout is not None:
            self._process.stdout.close()


@pytest.fixture(scope="module")
def rtsp() -> Iterator[Callable[[dict[str, dict[str, Any]]], RtspCameras]]:
    """Starts servers that end with the test's module."""
    started: list[RtspCameras] = []

    def start(cameras: dict[str, dict[str, Any]]) -> RtspCameras:
        started.append(RtspCameras(cameras))
        return started[-1]

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="module")
def relay() -> Iterator[Callable[..., Relay]]:
    """Makes networks that end with the test's module."""
    made: list[Relay] = []

    def make(port: int, **options: Any) -> Relay:
        made.append(Relay(port, **options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of 640x360 in H.264 with a key frame every second."""
    return films.film(tmp_path_factory.mktemp("films") / "street.mkv")
