"""Cameras that speak HTTP, on real sockets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.capture.frame import Frame
from edge_agent.capture.multipart import Parts
from edge_agent.capture.open_source import open_live
from edge_agent.capture.source import SourceError
from edge_agent.config import CameraConfig, StreamConfig
from tests.live.http_camera import HttpCamera

Serve = Callable[..., HttpCamera]


def jpeg(shade: int) -> bytes:
    done, data = cv2.imencode(".jpg", np.full((48, 64, 3), shade, np.uint8))
    assert done
    return data.tobytes()


PICTURES = [jpeg(shade) for shade in range(20, 240, 20)]


@pytest.fixture
def serve() -> Iterator[Serve]:
    cameras: list[HttpCamera] = []

    def start(pictures: list[bytes] = PICTURES, **options: object) -> HttpCamera:
        cameras.append(HttpCamera(pictures, **options))  # type: ignore[arg-type]
        return cameras[-1]

    yield start
    for camera in cameras:
        camera.close()


def frames(source: str, number: int, period_s: float = 0.2, **stream: object) -> list[Frame]:
    found: list[Frame] = []
    camera = open_live(CameraConfig("gate", source, period_s=period_s, stream=StreamConfig(**stream)))  # type: ignore[arg-type]
    camera.silent_after_s = 1.5
    for frame in camera.frames():
        found.append(frame)
        if len(found) == number:
            break
    return found


@pytest.mark.parametrize("path", ["/motion", "/still"])
@pytest.mark.parametrize("scheme", ["basic", "digest"])
def test_pictures_come_once_in_a_period_to_who_knows_the_password(
    serve: Serve, tmp_path: Path, path: str, scheme: str
) -> None:
    camera = serve(fps=40.0, user="me", password="s3cret", scheme=scheme)
    secret = tmp_path / "password"
    secret.write_text("s3cret\n")
    found = frames(camera.address + path, 5, username="me", password_file=str(secret))
    apart = np.diff([frame.media_time_s for frame in found])
    assert apart.min() > 0.04  # of 0.2: after a late one the next is early; the camera itself has one each 0.025 s
    assert apart.mean() == pytest.approx(0.2, abs=0.1)
    assert found[0].image.shape == (48, 64, 3)
    assert abs(found[-1].captured_at.timestamp() - time.time()) < 5


def test_a_motion_jpeg_without_lengths_is_read_by_its_boundaries(serve: Serve) -> None:
    camera = serve(fps=40.0)
    camera.length = False
    assert len(frames(camera.address + "/motion", 4)) == 4


def test_pictures_that_nobody_looks_at_are_not_decoded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[int] = []
    imdecode = cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda data, how: (decoded.append(1), imdecode(data, how))[1])
    source = open_live(CameraConfig("gate", serve(fps=50.0).address + "/motion", period_s=0.5))
    seen = [frame for frame, _ in zip(source.frames(), range(3), strict=False)]
    assert len(decoded) <= len(seen) + 1
    assert source.counts.frames_skipped > 20


@pytest.mark.parametrize(
    ("path", "password", "said"),
    [
        ("/motion?token=h1dden", "wr0ng", r"127\.0\.0\.1:\d+/motion: refuses the user or the password"),
        ("/page", "s3cret", r"/page: answers with text/html, not with pictures"),
    ],
)
def test_what_is_wrong_is_said_without_a_secret(serve: Serve, path: str, password: str, said: str) -> None:
    camera = serve(user="me", password="s3cret")
    address = camera.address.replace("://", f"://me:{password}@") + path
    with pytest.raises(SourceError, match=said) as error:
        frames(address, 1)
    assert not any(secret in str(error.value) for secret in (password, "h1dden", "me:"))


@pytest.mark.parametrize("path", ["/motion", "/still"])
def test_a_camera_that_stalls_is_given_up_and_seen_again_when_it_goes_on(serve: Serve, path: str) -> None:
    camera = serve(fps=20.0)
    source = open_live(
        CameraConfig(
            "gate", camera.address + path, period_s=0.2, stream=StreamConfig(open_timeout_s=0.5, read_timeout_s=0.5)
        )
    )
    source.start()
    try:
        assert source.wait(5)
        assert source.take() is not None
        camera.stalled = True
        time.sleep(0.3)
        source.take()
        began_s = time.monotonic()
        while source.problem is None and time.monotonic() < began_s + 10:
            source.take()
            time.sleep(0.05)
        assert source.problem is not None
        assert source.silent_s() > 0.4
        camera.stalled = False
        assert source.wait(10)
        frame = source.take()
        assert frame is not None
        assert source.status().reconnects >= 1
        assert frame.media_time_s > 0.5
    finally:
        source.stop()


def test_a_picture_cut_short_is_broken_and_not_shown(serve: Serve) -> None:
    whole = jpeg(100)
    found = frames(serve([whole[: len(whole) // 2], whole, whole], fps=20.0).address + "/motion", 3)
    assert {frame.image.mean().round() for frame in found} == {100.0}


def test_a_slow_looker_gets_the_newest_picture_and_the_others_are_counted_as_late(serve: Serve) -> None:
    source = open_live(CameraConfig("gate", serve(fps=50.0).address + "/motion", period_s=0.05))
    source.start()
    try:
        assert source.wait(5)
        time.sleep(1.0)
        frame = source.take()
        assert frame is not None
        assert time.time() - frame.captured_at.timestamp() < 0.5
        assert source.counts.frames_late >= 5
        assert source.counts.frames_analysed == 1
    finally:
        source.stop()


def test_a_certificate_that_nobody_vouches_for_is_refused_by_name(tmp_path: Path, serve: Serve) -> None:
    with pytest.raises(SourceError, match=r"cannot be read|certificate"):
        frames(serve().address.replace("http:", "https:") + "/still", 1)


def test_a_part_longer_than_any_picture_is_not_kept() -> None:
    parts = Parts("frame", max_bytes=1000)
    with pytest.raises(SourceError, match="longer than any picture"):
        list(parts.feed(b"--frame\r\nContent-Length: 5000\r\n\r\n"))
    parts = Parts("frame", max_bytes=1000)
    assert list(parts.feed(b"--frame\r\n\r\n" + b"x" * 900)) == []
    with pytest.raises(SourceError, match="longer than any picture"):
        list(parts.feed(b"x" * 20_000))


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_parts_are_whole_however_the_bytes_come(size: int) -> None:
    stream = b""
    for picture in PICTURES:
        stream += (
            b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture) + picture + b"\r\n"
        )
    parts = Parts('"--frame"', max_bytes=100_000)
    found = [part.data for at in range(0, len(stream), size) for part in parts.feed(stream[at : at + size])]
    assert found == PICTURES
