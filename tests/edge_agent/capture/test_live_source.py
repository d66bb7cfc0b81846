"""A live source whatever its camera does, without a network."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from edge_agent.capture import decoder, live
from edge_agent.capture.credentials import RefusedError
from edge_agent.capture.decode_plan import DecodePlan
from edge_agent.capture.frame import Image
from edge_agent.capture.live import LiveSource, Reading
from edge_agent.capture.open_source import open_live
from edge_agent.capture.shot import BrokenPictureError, Shot
from edge_agent.capture.source import SourceError
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig, StreamConfig
from tests.live.http_camera import HttpCamera


class Picture:
    def __init__(self, size: tuple[int, int] = (64, 48), *, broken: bool = False) -> None:
        self._size, self._broken = size, broken

    def develop(self) -> Image:
        if self._broken:
            raise BrokenPictureError
        return np.full((self._size[1], self._size[0], 3), 90, np.uint8)


class Scripted:
    """Streams that a test writes: each connection gives its shots, then fails."""

    hardware = None

    def __init__(self, *connections: list[Shot] | Exception, ends_with: str = "gone") -> None:
        self._connections = iter(connections)
        self._shots: list[Shot] = []
        self._ends_with = ends_with
        self.opened_s: list[float] = []
        self.sub: list[bool] = []

    def __call__(self, reading: Reading, sub_stream: bool) -> Scripted:
        self.opened_s.append(time.monotonic())
        self.sub.append(sub_stream)
        given = next(self._connections, SourceError("no more"))
        if isinstance(given, Exception):
            raise given
        self._shots = given
        return self

    def shots(self, stop: threading.Event) -> Iterator[Shot]:
        for shot in self._shots:
            yield shot
            stop.wait(0.05)
        raise SourceError(self._ends_with)

    def close(self) -> None:
        pass


def source_of(script: Scripted, **options: object) -> LiveSource:
    return LiveSource(SourceKind.RTSP, script, 1.0, DecodePlan("auto", 1.0), **options)  # type: ignore[arg-type]


def shot(at_s: float = 0.0, **options: object) -> Shot:
    return Shot(Picture(**options), time.monotonic() + at_s)  # type: ignore[arg-type]


@pytest.fixture
def run() -> Iterator[Callable[[LiveSource], LiveSource]]:
    started: list[LiveSource] = []

    def start(source: LiveSource) -> LiveSource:
        source.start()
        started.append(source)
        return source

    yield start
    for source in started:
        source.stop()


def until(so: Callable[[], bool], seconds: float = 10) -> bool:
    end_s = time.monotonic() + seconds
    while not so() and time.monotonic() < end_s:
        time.sleep(0.02)
    return so()


def test_a_camera_that_is_gone_is_asked_again_and_again_but_not_without_a_pause(
    run: Callable[[LiveSource], LiveSource],
) -> None:
    script = Scripted(*[SourceError("off")] * 50)
    source = run(source_of(script))
    assert until(lambda: len(script.opened_s) >= 4, 15)
    assert np.diff(script.opened_s).min() >= live.RETRY_LEAST_S
    assert np.diff(script.opened_s).max() < live.RETRY_LAST_S + 1
    assert source.problem == "off"
    assert source.status().connected is False


def test_a_password_that_is_refused_is_not_tried_again_until_it_is_another(
    run: Callable[[LiveSource], LiveSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SECRET_EVERY_S", 0.1)
    script = Scripted(RefusedError("refused"), [shot()])
    secret = ["old"]
    source = run(source_of(script, secret=lambda: secret[0]))
    assert until(lambda: source.problem == "refused")
    time.sleep(0.6)
    assert len(script.opened_s) == 1
    secret[0] = "new"
    assert source.wait(2)


def test_a_fault_in_a_library_ends_no_camera(
    run: Callable[[LiveSource], LiveSource], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "RETRY_LAST_S", 0.2)
    source = run(source_of(Scripted(RuntimeError("boom"), [shot()])))
    assert source.wait(5)
    assert source.take() is not None


def test_a_thread_that_gets_pictures_gives_a_sign_of_life_with_each(run: Callable[[LiveSource], LiveSource]) -> None:
    """On one connection that never ends: a camera that works for hours must not be taken for one that hangs."""
    source = run(source_of(Scripted([shot() for _ in range(400)])))
    assert source.wait(5)
    silent_s = []
    began_s = time.monotonic()
    while time.monotonic() < began_s + 2.0:
        silent_s.append(source.reader_silent_s())
        time.sleep(0.05)
    assert source.status().reconnects == 0
    assert max(silent_s) < 1.5


def test_pictures_of_another_size_are_scaled_to_the_first(run: Callable[[LiveSource], LiveSource]) -> None:
    source = source_of(Scripted([shot(size=(64, 48)), shot(size=(128, 96))]))
    sizes = []
    run(source)
    for _ in range(2):
        assert source.wait(5)
        frame = source.take()
        assert frame is not None
        sizes.append((frame.width, frame.height))
    assert sizes == [(64, 48), (64, 48)]
    assert source.counts.size_changes == 1


def test_pictures_fit_what_is_remembered_of_an_earlier_run(run: Callable[[LiveSource], LiveSource]) -> None:
    source = source_of(Scripted([shot(size=(128, 96))]))
    source.fit(64, 48)
    run(source)
    assert source.wait(5)
    frame = source.take()
    assert frame is not None
    assert (frame.width, frame.height) == (64, 48)


def test_broken_pictures_are_silence_and_the_reason_is_said(run: Callable[[LiveSource], LiveSource]) -> None:
    source = source_of(Scripted([shot(broken=True) for _ in range(200)]))
    source.silent_after_s = 0.5
    run(source)
    assert until(lambda: source.take() is None and source.silent_s() > 0.6 and source.counts.frames_broken > 3)
    assert source.problem is not None
    assert "loses packets" in source.problem


@pytest.mark.parametrize(("off_s", "believed"), [(1.5, True), (3600.0, False), (-1.7e9, False)])
def test_a_cameras_clock_is_believed_if_it_is_near_our_own(
    run: Callable[[LiveSource], LiveSource], off_s: float, believed: bool
) -> None:
    sent_at = datetime.now(UTC) - timedelta(seconds=off_s)
    source = run(source_of(Scripted([Shot(Picture(), time.monotonic(), sent_at)])))
    assert source.wait(5)
    frame = source.take()
    assert frame is not None
    assert source.status().sender_time is believed
    assert (frame.captured_at == sent_at) is believed
    if not believed:
        assert abs((frame.captured_at - datetime.now(UTC)).total_seconds()) < 5


def test_the_main_stream_stands_in_for_the_sub_stream(run: Callable[[LiveSource], LiveSource]) -> None:
    script = Scripted(SourceError("no sub-stream"), [shot()])
    source = run(source_of(script, has_sub_stream=True))
    assert source.wait(5)
    assert script.sub == [True, False]


def test_a_sub_stream_is_watched_instead_of_the_main_one() -> None:
    camera = HttpCamera([b"\xff\xd8 no jpeg \xff\xd9"])
    settings = StreamConfig(sub_source=f"{camera.address}/motion?sub")
    source = open_live(CameraConfig("gate", f"{camera.address}/motion?main", stream=settings))
    source.start()
    assert until(lambda: bool(camera.asked))
    source.stop()
    camera.close()
    assert camera.asked[0] == "/motion?sub"


def test_a_device_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"/dev/video99: there is no such device: plug the camera in"):
        open_live(CameraConfig("usb", "/dev/video99", size=(640, 480))).probe()


def test_hardware_that_does_not_decode_costs_no_picture(
    make_video: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_DEVICES", {"cuda": Path("/dev/null"), "qsv": Path("/dev/null")})
    path = make_video("a.mkv", range(0, 2000, 100), gop=20, b_frames=0)
    camera = CameraConfig("gate", str(path), loop=True, period_s=0.3, stream=StreamConfig(decode="sampled"))
    source = open_live(camera)
    seen = [frame for frame, _ in zip(source.frames(), range(4), strict=False)]
    assert len(seen) == 4
    assert source.counts.frames_broken <= 1
