"""Whether a camera can see, on recorded and rendered streets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.capture.frame import Frame
from edge_agent.capture.source import Source
from edge_agent.capture.stills import StillsSource
from edge_agent.capture.video import VideoSource
from edge_agent.scene.camera_health import CameraHealth
from edge_agent.scene.camera_state import CameraState, View

pytestmark = pytest.mark.footage

CLIPS = [
    "real/aboda/video03_1fps",
    "real/aboda/video05_1fps",
    "real/aboda/video4.avi",
    "real/cdnet_highway/highway.mp4",
    "real/intel/person-bicycle-car-detection.mp4",
    "real/nyc_ourcamera/dev_day_1215_1237",
    "real/nyc_ourcamera/dev_day_1218_1017",
    "real/nyc_ourcamera/dev_snow_night_1215_1630",
    "real/opencv/vtest.avi",
    "real/opendatacam/opendatacam_junction.mp4",
    "real/street_parked/parked_street_73s.mp4",
    "real/tfl_jamcam/jamcam_1.mp4",
    "real/tfl_jamcam/jamcam_3.mp4",
    "real/tfl_jamcam/jamcam_6.mp4",
    "real/tfl_jamcam/jamcam_7.mp4",
    "rendered/B1_footbridge_narrowing.mp4",
    "rendered/B2_footbridge_stall.mp4",
    "rendered/B3_crowd_negative.mp4",
    "rendered/B4_toppled_bikes.mp4",
    "rendered/P1_kerb_parking.mp4",
    "rendered/P2_queue_negative.mp4",
    "rendered/P3_double_park.mp4",
    "rendered/P4_two_wheelers.mp4",
    "rendered/P5_sun_cloud.mp4",
]
FAULTY = ["real/aboda/video05_1fps", "real/cdnet_highway/highway.mp4", "rendered/P5_sun_cloud.mp4"]
FROM_S, TO_S = 30, 42


def source(path: Path) -> Source:
    return StillsSource(path, 1.0) if path.is_dir() else VideoSource(path, 1.0)


@pytest.mark.parametrize("clip", CLIPS)
def test_a_street_that_can_be_seen_is_never_called_faulty(footage: Path, clip: str) -> None:
    health = CameraHealth()
    doubted = [
        (f.media_time_s, v.state) for f in source(footage / clip).frames() if not (v := health.observe(f)).can_see
    ]
    assert doubted == []
    assert [change.to_state for change in health.take_changes()] == [CameraState.SEEING]


def test_a_knocked_camera_is_followed_and_a_black_one_distrusted(footage: Path) -> None:
    health = CameraHealth()
    views = [health.observe(frame) for frame in source(footage / "rendered/P6_knock_blackout.mp4").frames()]
    assert {view.state for view in views[:38] + views[39:60] + views[69:]} == {CameraState.SEEING}
    assert {view.state for view in views[60:68]} == {CameraState.DARK}
    for view in views[39:60] + views[69:]:
        assert view.shift_px == pytest.approx((-25, 4), abs=3)
    assert [(change.to_state, change.media_time_s) for change in health.take_changes()] == [
        (CameraState.SEEING, 0.0),
        (CameraState.DARK, 60.0),
        (CameraState.SEEING, 69.0),
    ]


def test_a_camera_that_sinks_slowly_is_followed(footage: Path) -> None:
    health = CameraHealth()
    clip = source(footage / "real/intel/person-bicycle-car-detection.mp4")
    views = [health.observe(frame) for frame in clip.frames()]
    assert views[10].shift_px == (0.0, 0.0)
    assert views[35].shift_px == pytest.approx((-16, -4), abs=4)  # measured by eye on the painted lines


def black(image: np.ndarray) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 4, image.shape, dtype=np.uint8)


def cloth(image: np.ndarray) -> np.ndarray:
    ramp = np.linspace(60, 120, image.shape[1])[None, :, None]
    noise = np.random.default_rng(2).normal(0, 2, image.shape)
    return np.clip(ramp + noise, 0, 255).astype(np.uint8)


def defocused(image: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(image, (0, 0), 0.008 * image.shape[1])


def glaring(image: np.ndarray) -> np.ndarray:
    return cv2.convertScaleAbs(image, alpha=1.5, beta=150)


def shifted(share: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(image: np.ndarray) -> np.ndarray:
        matrix = np.array([[1, 0, share * image.shape[1]], [0, 1, 0]], np.float32)
        return cv2.warpAffine(image, matrix, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)

    return change


@cache
def frames_of(path: Path) -> tuple[Frame, ...]:
    return tuple(takewhile(lambda frame: frame.media_time_s <= TO_S + 6, source(path).frames()))


def watched(path: Path, change: Callable[[Frame, Frame], Frame]) -> tuple[list[View], list[tuple[CameraState, float]]]:
    """Views and changes, each change with the time at which it was stated."""
    health, views, changes = CameraHealth(), [], []
    first: Frame | None = None
    for frame in frames_of(path):
        if FROM_S <= frame.media_time_s < TO_S:
            first = first or frame
            frame = change(frame, first)
        views.append(health.observe(frame))
        changes += [(stated.to_state, frame.media_time_s) for stated in health.take_changes()]
    return views, changes[1:]


@pytest.mark.parametrize("clip", FAULTY)
@pytest.mark.parametrize(
    ("state", "fault"),
    [
        (CameraState.DARK, black),
        (CameraState.COVERED, cloth),
        (CameraState.BLURRED, defocused),
        (CameraState.OVER_EXPOSED, glaring),
        (CameraState.MOVED, shifted(0.2)),
        (CameraState.FROZEN, None),
    ],
)
def test_a_fault_of_a_real_street_is_stated_and_ended_within_five_seconds(
    footage: Path, clip: str, state: CameraState, fault: Callable[[np.ndarray], np.ndarray] | None
) -> None:
    def change(frame: Frame, first: Frame) -> Frame:
        return replace(frame, image=first.image if fault is None else fault(frame.image))

    _, changes = watched(footage / clip, change)
    assert [to_state for to_state, _ in changes] == [state, CameraState.SEEING]
    assert changes[0][1] - FROM_S < 5
    assert changes[1][1] - TO_S < 5


@pytest.mark.parametrize("clip", FAULTY)
def test_a_knock_of_four_hundredths_of_the_width_is_followed(footage: Path, clip: str) -> None:
    knock = shifted(0.04)
    views, changes = watched(footage / clip, lambda frame, _: replace(frame, image=knock(frame.image)))
    width = frames_of(footage / clip)[0].width
    assert changes == []
    times = [frame.media_time_s for frame in frames_of(footage / clip)]
    for view in (view for view, time in zip(views, times, strict=True) if FROM_S <= time < TO_S):
        assert view.shift_px == pytest.approx((0.04 * width, 0), abs=0.004 * width)
    assert views[-1].shift_px == (0.0, 0.0)
