"""One camera at work on a recording of a drawn street, stopped and started again."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import pytest

from edge_agent.assembly import Site
from edge_agent.camera_runner import CameraRunner
from edge_agent.capture.frame import Frame, Image
from edge_agent.config import CameraConfig, DetectionConfig, SiteConfig
from edge_agent.detection.detections import Detections
from edge_agent.detection.model_card import find_card
from edge_agent.emission import said
from edge_agent.incident_event import CloseReason, IncidentEvent
from edge_agent.pace import Pace
from edge_agent.pipeline import Observation
from edge_agent.scene.camera_health import CameraHealth
from edge_agent.scene.camera_state import CameraState
from edge_agent.state_file import StateFile
from edge_agent.turns import Turns
from tests.edge_agent.street_pipeline import parking_zone
from tests.edge_agent.synthetic_street import BEGAN, Street, standing, steps

STREET = Street((standing("car", 100, 110, 10, 70),), noise=3.0)
LAST_S = 90


class StreetModel:
    """Knows what the street's detector says of each of its pictures, told apart by their pixels."""

    def __init__(self, street: Street, times: list[float]) -> None:
        self.card = find_card("nanodet-g-416")
        self.inferences = 0
        self.inference_s = 0.0
        self.failing = False
        self._known = {street.frame(at_s).image.tobytes(): street.detections(at_s) for at_s in times}

    def detect(self, image: Image) -> Detections:
        if self.failing:
            raise RuntimeError("the model broke")
        self.inferences += 1
        return self._known[image.tobytes()]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recording")
    frames = []
    for at_s in steps(0, LAST_S):
        name = f"{int(at_s):04d}.png"
        cv2.imwrite(str(folder / name), STREET.frame(at_s).image)
        frames.append({"file": name, "t_s": at_s})
    (folder / "index.json").write_text(json.dumps({"frames": frames}))
    return folder


@pytest.fixture(scope="module")
def model() -> StreetModel:
    return StreetModel(STREET, steps(0, LAST_S))


class Runs:
    """Starts runners on one recording and one state file, and hears what they emit."""

    def __init__(self, recording: Path, folder: Path, model: StreetModel) -> None:
        self.state = StateFile(folder / "gate.json")
        self.model = model
        self.camera = CameraConfig(
            id="gate",
            source=str(recording),
            zones=(parking_zone(),),
            start_time=BEGAN,
            detection=DetectionConfig(tiles="off"),
        )
        self.heard: list[Observation] = []

    def run(
        self, *, stop_after_s: float | None = None, speed: float | None = None, patient: bool = True
    ) -> CameraRunner:
        def emit(runner: CameraRunner, observation: Observation) -> None:
            self.heard.append(observation)
            if stop_after_s is not None and observation.frame.media_time_s >= stop_after_s:
                runner.stop()

        site = Site("agent", SiteConfig(), "c0nf1g")
        runner = CameraRunner(
            self.camera,
            site,
            self.model,  # type: ignore[arg-type]
            Turns(),
            self.state,
            emit,
            Pace(speed),
            patient=patient,
        )
        runner.start()
        assert runner.ended.wait(60)
        runner.thread.join(10)
        return runner

    @property
    def events(self) -> list[IncidentEvent]:
        return [event for observation in self.heard for event in observation.events]


@pytest.fixture
def runs(recording: Path, tmp_path: Path, model: StreetModel) -> Iterator[Runs]:
    model.failing = False
    yield Runs(recording, tmp_path, model)
    model.failing = False


def test_a_recording_is_played_to_its_end(runs: Runs) -> None:
    runner = runs.run()
    assert [event.phase.value for event in runs.events if event.phase.value != "updated"] == ["opened", "closed"]
    assert not runner.failed
    status = runner.activity().status
    assert (status.state, status.frames_analysed) == (CameraState.ENDED, LAST_S + 1)
    assert {(count.zone, count.phase.value) for count in runner.activity().incidents} >= {
        ("kerb", "opened"),
        ("kerb", "closed"),
    }
    (zone,) = status.zones
    assert (zone.zone, zone.open_incidents, zone.enforced) == ("kerb", 0, True)
    assert 0 < zone.violation_s <= zone.judged_s <= zone.enforced_s == LAST_S


def test_what_a_log_line_says_of_an_event(runs: Runs) -> None:
    runs.run()
    opened, closed = said(runs.events[0]), said(runs.events[-1])
    assert (opened["zone"], opened["what"], "reason" in opened) == ("kerb", "car", False)
    assert (closed["reason"], closed["incident"]) == ("left", opened["incident"])


def turned_since(frame: Frame) -> dict[str, Any]:
    """The health of a camera that saw something else before it was turned to this."""
    health = CameraHealth()
    for at_s in range(10):
        health.observe(Frame(frame.image[::-1], frame.captured_at + timedelta(seconds=at_s), float(at_s)))
    for at_s in range(10, 40):
        health.observe(Frame(frame.image, frame.captured_at + timedelta(seconds=at_s), float(at_s)))
    assert health.state is CameraState.MOVED
    return health.dump()


@pytest.mark.parametrize("drawn_anew", [True, False])
def test_a_camera_that_moved_begins_in_its_new_view_once_its_zones_are_drawn_on_it(
    runs: Runs, drawn_anew: bool
) -> None:
    """Its stays were in the old one: nothing is known of whether they are over."""
    runs.run(stop_after_s=60)
    kept = runs.state.read()
    assert kept is not None
    runs.state.write(kept | {"health": turned_since(STREET.frame(60))})
    opened = runs.events[0]
    runs.heard.clear()
    if drawn_anew:
        zone = parking_zone(polygon=[(20, 88), (202, 90), (200, 120), (20, 120)])
        runs.camera = replace(runs.camera, zones=(zone,))
    runs.run()
    states = {observation.view.state for observation in runs.heard[5:]}
    if not drawn_anew:
        assert (states, runs.events) == ({CameraState.MOVED}, [])
        return
    assert states == {CameraState.SEEING}
    (superseded,) = [event for event in runs.events if event.close_reason is not None]
    assert (superseded.incident_id, superseded.close_reason) == (opened.incident_id, CloseReason.SUPERSEDED)


@pytest.mark.parametrize("stop_after_s", [5, 39, 41, 60])
def test_a_stopped_camera_goes_on_where_it_stopped_and_says_nothing_twice(runs: Runs, stop_after_s: float) -> None:
    runs.run(stop_after_s=stop_after_s)
    first = len(runs.heard)
    runs.run()
    assert first == stop_after_s + 1
    assert [observation.frame.media_time_s for observation in runs.heard] == steps(0, LAST_S)
    phases = [event.phase.value for event in runs.events if event.phase.value != "updated"]
    assert phases == ["opened", "closed"]
    assert len({event.incident_id for event in runs.events}) == 1


def test_a_recording_that_is_known_is_not_played_again_unless_it_is_forgotten(runs: Runs) -> None:
    runs.run()
    heard = len(runs.heard)
    runs.run()
    assert len(runs.heard) == heard
    runs.state.remove()
    runs.run()
    assert len(runs.heard) == 2 * heard


def test_damaged_state_is_set_aside_and_the_camera_works(runs: Runs) -> None:
    runs.run(stop_after_s=50)
    state = json.loads(runs.state.path.read_text())
    state["memory"]["places"] = [{"box": "everywhere"}]
    runs.state.path.write_text(json.dumps(state))
    runner = runs.run()
    assert not runner.failed
    assert runs.heard[-1].frame.media_time_s == LAST_S
    assert runs.state.path.with_suffix(".damaged").exists()


def test_a_fault_in_the_model_is_stated_and_what_was_known_is_kept(runs: Runs) -> None:
    runs.run(stop_after_s=50)
    runs.model.failing = True
    runner = runs.run()
    assert runner.failed
    assert runner.activity().status.state is CameraState.NO_SIGNAL
    runs.model.failing = False
    runs.run()
    assert len({event.incident_id for event in runs.events}) == 1
    assert runs.events[-1].phase.value == "closed"


def test_zones_outside_the_picture_are_a_failure_with_its_reason(runs: Runs, recording: Path) -> None:
    polygon = [(20, 90), (2000, 90), (2000, 120), (20, 120)]
    runs.camera = CameraConfig(id="gate", source=str(recording), zones=(parking_zone(polygon=polygon),))
    assert runs.run().failed
    assert runs.heard == []


def test_a_source_that_is_not_there_is_tried_again_until_it_is(
    runs: Runs, tmp_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_agent.camera_runner.RETRY_FIRST_S", 0.05)
    late = tmp_path / "late"
    runs.camera = CameraConfig(
        id="gate", source=str(late), zones=(parking_zone(),), detection=DetectionConfig(tiles="off")
    )
    timer = threading.Timer(0.3, lambda: late.symlink_to(recording))
    timer.start()
    runner = runs.run()
    timer.join()
    assert not runner.failed
    assert len(runs.heard) == LAST_S + 1


def test_a_source_that_is_not_there_is_a_failure_for_who_waits_for_the_end(runs: Runs, tmp_path: Path) -> None:
    runs.camera = CameraConfig(id="gate", source=str(tmp_path / "never"), zones=(parking_zone(),))
    runner = runs.run(patient=False)
    assert runner.failed
    assert runner.activity().status.state is CameraState.NO_SIGNAL


def test_pace_holds_a_recording_back_and_lets_go_when_told_to_stop(runs: Runs) -> None:
    stop = threading.Event()
    waited: list[float] = []
    stop.wait = lambda timeout=None: bool(waited.append(timeout or 0.0))  # type: ignore[method-assign]
    pace: Callable[..., None] = Pace(10.0).wait
    for at_s in (100.0, 101.0, 105.0):
        pace(STREET.frame(at_s), stop)
    assert waited == [pytest.approx(0.1, abs=0.05), pytest.approx(0.5, abs=0.05)]
    waited.clear()
    Pace(None).wait(STREET.frame(0.0), stop)
    assert waited == []
