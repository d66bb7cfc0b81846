"""Cameras that ask for more than the box carries: what each gets, what is said, and how soon it is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from edge_agent.capture.decode_plan import DecodePlan
from edge_agent.capture.frame import Image
from edge_agent.capture.live import LiveSource, Reading
from edge_agent.capture.shot import Shot
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import CameraConfig
from edge_agent.detection.detections import Detections
from edge_agent.lifetime.progress import Progress
from edge_agent.status import CameraActivity
from tests.edge_agent.scripted_camera import STREET, Box, BoxModel

PERIOD_S = 0.25
CAMERAS = 4
LOOK_S = 0.15
"""Four looks take well over two periods."""
OVERLOAD_S = 3.0


class BusyModel(BoxModel):
    """A detector for which the box has little time at first."""

    def __init__(self) -> None:
        super().__init__()
        self.look_s = LOOK_S

    def detect(self, image: object) -> Detections:
        """The car, after a while."""
        time.sleep(self.look_s)
        return super().detect(image)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A picture of the street."""

    image: Image

    def develop(self) -> Image:
        """The image."""
        return self.image


class DrawnStream:
    """A camera that sends a picture in each period."""

    hardware = None

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        reading.clock.restart()

    def shots(self, stop: Event) -> Iterator[Shot]:
        """Pictures that differ by their noise, as a sensor's do."""
        began_s, number = time.monotonic(), 0
        while not stop.wait(max(0.0, began_s + number * PERIOD_S - time.monotonic())):
            taken_s = self._reading.clock.taken_s(number * PERIOD_S, time.monotonic())
            yield Shot(Drawn(STREET.frame(20.0 + number * PERIOD_S).image), taken_s)
            number += 1

    def close(self) -> None:
        """Nothing is held."""


def until(so: Callable[[], bool], seconds: float) -> float:
    """Seconds until it was so."""
    began_s = time.monotonic()
    while not so():
        assert time.monotonic() - began_s < seconds, "it did not come to be so"
        time.sleep(0.02)
    return time.monotonic() - began_s


def test_what_is_too_much_stretches_all_periods_alike_is_counted_and_is_over_as_soon_as_the_load_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def live(camera: CameraConfig, *_: object) -> LiveSource:
        def connect(reading: Reading, _: bool) -> DrawnStream:
            return DrawnStream(reading)

        return LiveSource(SourceKind.RTSP, connect, camera.period_s, DecodePlan("auto", camera.period_s))

    monkeypatch.setattr("edge_agent.camera_runner.open_source", live)
    box = Box(tmp_path, time.monotonic, BusyModel())
    model = box.model
    assert isinstance(model, BusyModel)
    runners = []
    for number in range(CAMERAS):
        camera = box.camera(f"camera-{number}", source="rtsp://camera.example/1", period_s=PERIOD_S)
        always = replace(camera.detection, recheck_s=0.0)
        runners.append(box.runner(replace(camera, detection=always)))
        runners[-1].progress = Progress(time.monotonic)

    def now() -> list[CameraActivity]:
        return [runner.activity() for runner in runners]

    def kept_s() -> list[float]:
        return [activity.period_kept_s or 0.0 for activity in now()]

    try:
        for runner in runners:
            runner.start()
        until(lambda: all(len(box.moments(runner.camera.id)) > 2 for runner in runners), 20)
        time.sleep(OVERLOAD_S)
        during, stretched_s = now(), kept_s()
        model.look_s = 0.0
        released = {runner.camera.id: len(box.moments(runner.camera.id)) for runner in runners}
        recovered_s = until(lambda: max(kept_s()) <= 1.2 * PERIOD_S, 20)
        after = now()
    finally:
        for runner in runners:
            runner.stop()
        for runner in runners:
            assert runner.ended.wait(10)
    assert min(stretched_s) > 1.5 * PERIOD_S
    assert max(stretched_s) < 1.5 * min(stretched_s)  # nobody pays for the others
    for activity in during:
        assert activity.frames_late > 3
        assert activity.turns.missed > 3
        assert activity.period_s == PERIOD_S  # what is asked for stays what it was
    # The mean over ten frames is a periodic one again when ten have come; the frames themselves at once.
    assert recovered_s < 10 * PERIOD_S + 3
    for runner in runners:
        moments = box.moments(runner.camera.id)[released[runner.camera.id] + 1 :]
        apart_s = sorted(later - earlier for earlier, later in pairwise(moments[:8]))
        assert apart_s[len(apart_s) // 2] <= 1.3 * PERIOD_S
    late = [later.frames_late - earlier.frames_late for earlier, later in zip(during, after, strict=True)]
    assert max(late) <= 3
    print({"stretched_s": [round(each, 2) for each in stretched_s], "recovered_s": round(recovered_s, 2), "late": late})
