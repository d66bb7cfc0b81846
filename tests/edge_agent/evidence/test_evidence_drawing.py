"""Annotated pictures and videos."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import av
import numpy as np
import pytest

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.evidence.annotated_video import AnnotatedVideo, AnnotatedVideoError
from edge_agent.evidence.drawing import annotate, clock
from edge_agent.scenarios.finding import Finding, FindingKind, FindingState, Scenario
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.stay import Dwell, Stay, StayState

ZONE = {"kerb": [(40.0, 100.0), (280.0, 100.0), (280.0, 220.0), (40.0, 220.0)]}
VAN = Stay(
    "s1", ClassGroup.VEHICLE, "van", (100, 120, 200, 200), StayState.OBSERVED, True, 0.0, False, 40.0, Dwell(40.0)
)
VIOLATION = Finding("kerb", Scenario.PARKING, FindingKind.PARKED, FindingState.VIOLATION, 30, 40, 0, VAN)
SEEING = View(CameraState.SEEING)


def grey_frame() -> Frame:
    return Frame(np.full((240, 320, 3), 128, np.uint8), datetime(2026, 5, 17, tzinfo=UTC), 40.0)


def colour_at(image: np.ndarray, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(channel) for channel in image[y, x])


def test_a_violation_is_red_and_a_blind_camera_makes_its_zones_violet() -> None:
    clear = annotate(grey_frame(), ZONE, [], {}, [], SEEING, Detections.empty())
    violated = annotate(grey_frame(), ZONE, [VAN], {}, [VIOLATION], SEEING, Detections.empty())
    blind = annotate(grey_frame(), ZONE, [], {}, [], View(CameraState.DARK), Detections.empty())
    colours = [colour_at(image, 160, 220) for image in (clear, violated, blind)]
    assert len(set(colours)) == 3
    blue, green, red = colours[1]
    assert red > 200 > max(blue, green)


def test_the_time_is_the_sites() -> None:
    here, there = (
        annotate(grey_frame(), ZONE, [], {}, [], SEEING, Detections.empty(), time_zone=zone)
        for zone in (UTC, ZoneInfo("Asia/Shanghai"))
    )
    changed = np.flatnonzero((here != there).any(axis=(1, 2)))
    assert len(changed)
    assert changed.max() < 40


def test_zones_are_drawn_where_the_view_has_shifted_them() -> None:
    image = annotate(grey_frame(), ZONE, [], {}, [], View(CameraState.SEEING, (8.0, -10.0)), Detections.empty())
    assert colour_at(image, 160, 210) != (128, 128, 128)
    assert colour_at(image, 160, 220) == (128, 128, 128)


def test_people_in_annotated_pictures_are_masked_unless_authorised() -> None:
    frame = Frame(
        np.random.default_rng(2).integers(0, 256, (240, 320, 3), np.uint8), datetime(2026, 5, 17, tzinfo=UTC), 0.0
    )
    person = Detections(
        np.array([[100, 80, 160, 220]], np.float32), np.array([0.2], np.float32), ("person",), (ClassGroup.PERSON,)
    )
    inside = np.s_[100:200, 110:150]
    masked = annotate(frame, {}, [], {}, [], SEEING, person)
    shown = annotate(frame, {}, [], {}, [], SEEING, person, mask=False)
    assert len(np.unique(masked[inside].reshape(-1, 3), axis=0)) < 40
    assert np.array_equal(shown[inside], frame.image[inside])


def test_a_frame_in_which_nobody_looked_for_people_is_masked_all_over() -> None:
    noise = np.random.default_rng(2).integers(0, 256, (240, 320, 3), np.uint8)
    frame = Frame(noise, datetime(2026, 5, 17, tzinfo=UTC), 0.0)
    masked = annotate(frame, {}, [], {}, [], View(CameraState.FROZEN), Detections.empty())
    assert len(np.unique(masked[100:].reshape(-1, 3), axis=0)) <= 40 * 30
    shown = annotate(frame, {}, [], {}, [], View(CameraState.FROZEN), Detections.empty(), mask=False)
    assert np.array_equal(shown[100:], noise[100:])


def test_the_frame_that_was_given_stays_as_it_was() -> None:
    frame = grey_frame()
    annotate(frame, ZONE, [VAN], {}, [VIOLATION], SEEING, Detections.empty(), mask=False)
    assert (frame.image == 128).all()


@pytest.mark.parametrize(("seconds", "said"), [(0.9, "0:00"), (61, "1:01"), (3600, "1:00:00"), (86399, "23:59:59")])
def test_durations_are_written_as_clocks(seconds: float, said: str) -> None:
    assert clock(seconds) == said


def pictures(count: int, width: int = 320, height: int = 240) -> list[np.ndarray]:
    return [np.full((height, width, 3), 20 * n, np.uint8) for n in range(count)]


def test_a_video_shows_each_picture_at_its_media_time(tmp_path: Path) -> None:
    path = tmp_path / "out.mp4"
    times = [0.0, 1.0, 2.125, 300.5]
    with AnnotatedVideo(path, 1.0) as video:
        for image, at_s in zip(pictures(4), times, strict=True):
            video.write(image, at_s)
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    assert [frame.time for frame in frames] == pytest.approx(times, abs=0.001)
    assert [frame.to_ndarray(format="bgr24").mean() for frame in frames] == pytest.approx([0, 20, 40, 60], abs=4)


WRITER = """
import sys
from pathlib import Path
import numpy as np
from edge_agent.evidence.annotated_video import AnnotatedVideo

with AnnotatedVideo(Path(sys.argv[1]), 0.2) as video:
    for n in range(10):
        video.write(np.full((240, 320, 3), 20 * n, np.uint8), n / 5)
"""


def test_the_same_pictures_give_the_same_video_whatever_was_in_memory(tmp_path: Path) -> None:
    for filling in ("0", "1", "127"):
        subprocess.run(
            [sys.executable, "-c", WRITER, str(tmp_path / f"{filling}.mp4")],
            env={**os.environ, "MALLOC_PERTURB_": filling},
            check=True,
        )
    assert len({path.read_bytes() for path in tmp_path.glob("*.mp4")}) == 1


def test_odd_sizes_and_a_change_of_size_are_fitted(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    with AnnotatedVideo(path, 1.0) as video:
        video.write(pictures(1, 321, 241)[0], 0.0)
        video.write(pictures(2, 100, 300)[1], 1.0)
    with av.open(str(path)) as container:
        assert [(frame.width, frame.height) for frame in container.decode(video=0)] == [(320, 240)] * 2


@pytest.mark.parametrize("name", ["nowhere/out.mp4", "out.nonsense"])
def test_a_video_that_cannot_be_written_says_so_by_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnnotatedVideoError, match="cannot be written") as refused:
        AnnotatedVideo(tmp_path / name, 1.0)
    assert str(tmp_path / name) in str(refused.value)
