"""Servers that accept and say nothing, or say something and then no more: nothing waits longer than it is told."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_agent.capture.live import LiveSource
from edge_agent.capture.open_source import open_live
from edge_agent.capture.source import SourceError
from edge_agent.config import CameraConfig, StreamConfig
from tests.end_to_end.running import AGENT, command
from tests.live import films
from tests.live.relay import Network

RECONNECTIONS = 1000
QUICK = StreamConfig(open_timeout_s=1.0, read_timeout_s=1.0)


@pytest.fixture
def mute() -> Iterator[int]:
    """The port of a server that accepts, reads, and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    held.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.close()
        for each in held:
            each.close()


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_a_server_that_never_answers_is_given_up_in_time(mute: int, scheme: str) -> None:
    source = open_live(CameraConfig("gate", f"{scheme}://me:s3cret@127.0.0.1:{mute}/x", stream=QUICK))
    began_s = time.monotonic()
    with pytest.raises(SourceError) as error:
        source.probe()
    assert time.monotonic() - began_s < 4
    assert "says nothing" in str(error.value)
    assert "s3cret" not in str(error.value)


def test_a_stream_that_stalls_is_given_up_in_time_and_opened_anew(street: Path, rtsp: Any, relay: Any) -> None:
    network = relay(rtsp({"/street": {"file": str(street), "codec": "h264"}}).port)
    source = open_live(CameraConfig("gate", f"rtsp://127.0.0.1:{network.port}/street", period_s=1.0, stream=QUICK))
    source.start()
    try:
        assert _take(source, 15) is not None
        network.turn(Network.SILENT)
        assert _until(lambda: source.problem is not None, 4)
        assert "says nothing" in str(source.problem)
        network.turn(Network.GOOD)
        assert _take(source, 10) is not None
        assert source.status().reconnects >= 1
    finally:
        source.stop()


def test_motion_jpeg_over_rtsp_and_a_camera_that_knows_no_tcp(tmp_path: Path, street: Path, rtsp: Any) -> None:
    motion = films.film(tmp_path / "motion.mkv", codec="mjpeg", seconds=30)
    port = rtsp(
        {
            "/motion": {"file": str(motion), "codec": "jpeg"},
            "/udp": {"file": str(street), "codec": "h264", "udp_only": True},
        }
    ).port
    for path in ("motion", "udp"):
        source = open_live(CameraConfig("gate", f"rtsp://127.0.0.1:{port}/{path}", period_s=1.0))
        source.start()
        try:
            frame = _take(source, 15)
            assert frame is not None
            assert frame.image.shape == (360, 640, 3)
            # Of the first pictures a slice may have come before they were asked for.
            assert source.counts.frames_broken <= 5
        finally:
            source.stop()


def test_the_cameras_own_clock_says_when_a_picture_was_taken(street: Path, rtsp: Any) -> None:
    port = rtsp({"/street": {"file": str(street), "codec": "h264"}}).port
    source = open_live(CameraConfig("gate", f"rtsp://127.0.0.1:{port}/street", period_s=1.0))
    source.start()
    try:
        assert _until(lambda: _take(source, 2) is not None and source.status().sender_time, 15)
        frame = _take(source, 3)
        assert frame is not None
        assert abs(frame.captured_at.timestamp() - time.time()) < 2
    finally:
        source.stop()


def test_check_says_what_live_cameras_send_and_hides_passwords(tmp_path: Path, street: Path, rtsp: Any) -> None:
    sparse = films.film(tmp_path / "sparse.mkv", gop=75, seconds=60)
    port = rtsp(
        {"/street": {"file": str(street), "codec": "h264"}, "/sparse": {"file": str(sparse), "codec": "h264"}}
    ).port
    file = tmp_path / "agent.yaml"
    cameras = [
        {"id": "dense", "source": f"rtsp://me:s3cret@127.0.0.1:{port}/street", "period_s": 1.0},
        {"id": "sparse", "source": f"rtsp://127.0.0.1:{port}/sparse", "period_s": 2.0},
    ]
    file.write_text(json.dumps({"id": "a", "cameras": cameras}))
    blind = command(AGENT, "check", "--config", str(file))
    assert blind.returncode == 0
    assert f"camera dense: rtsp://127.0.0.1:{port}/street, a frame every 1 s, not opened (--probe does)" in blind.stdout
    assert "the password stands in the configuration" in blind.stdout
    seen = command(AGENT, "check", "--config", str(file), "--probe")
    assert seen.returncode == 0, seen.stderr
    assert "camera dense: 640x360, live" in seen.stdout
    assert "camera dense: a key frame every 1 s, decodes keyframes" in seen.stdout
    assert "camera sparse: a key frame every 3 s, decodes sampled; it would decode key frames alone if" in seen.stdout
    cameras[0]["source"] = f"rtsp://me:s3cret@127.0.0.1:{port}/nowhere"
    file.write_text(json.dumps({"id": "a", "cameras": cameras[:1]}))
    wrong = command(AGENT, "check", "--config", str(file), "--probe")
    assert wrong.returncode == 2
    assert "the camera has no such path" in wrong.stderr
    for each in (blind, seen, wrong):
        assert "s3cret" not in each.stdout + each.stderr


@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.environ.get("CLEARWAY_FAULTS") != "long", reason="takes minutes: CLEARWAY_FAULTS=long")
def test_a_thousand_reconnections_leave_no_thread_and_no_descriptor_behind(
    tmp_path: Path, rtsp: Any, relay: Any
) -> None:
    film = films.film(tmp_path / "street.mkv", size="160x90", seconds=600)
    # A camera each: GStreamer's server hangs when all clients of one leave and come back at once, time and again.
    network = relay(rtsp({"/street": {"file": str(film), "codec": "h264", "shared": False}}).port)
    sources = [
        open_live(CameraConfig(f"c{n}", f"rtsp://127.0.0.1:{network.port}/street", period_s=1.0)) for n in range(8)
    ]
    try:
        for source in sources:
            source.start()
        assert all(_take(source, 60) is not None for source in sources)
        held, threads, memory = len(os.listdir("/proc/self/fd")), threading.active_count(), []
        while sum(source.status().reconnects for source in sources) < RECONNECTIONS:
            network.turn(Network.CUT)
            network.turn(Network.GOOD)
            time.sleep(0.2)
            assert all(_take(source, 60) is not None for source in sources)
            memory.append(_resident_kib())
        assert len(os.listdir("/proc/self/fd")) <= held + 4
        assert threading.active_count() <= threads + 4
        half = len(memory) // 2
        assert max(memory[half:]) < max(memory[:half]) * 1.1
        print({"reconnects": sum(source.status().reconnects for source in sources), "kib": memory[:: len(memory) // 8]})
    finally:
        for source in sources:
            source.stop()


def _resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError("no VmRSS")


def _take(source: LiveSource, seconds: float) -> Any:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if source.wait(0.1) and (frame := source.take()) is not None:
            return frame
    return None


def _until(so: Callable[[], bool], seconds: float) -> bool:
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        if so():
            return True
        time.sleep(0.05)
    return False
