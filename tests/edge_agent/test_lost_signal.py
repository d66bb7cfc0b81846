"""A parked car while nothing comes from its camera."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import pytest

from edge_agent.assembly import Site, build_pipeline
from edge_agent.capture.frame import Frame, Image
from edge_agent.config import CameraConfig, DetectionConfig, SiteConfig
from edge_agent.detection.detections import Detections
from edge_agent.detection.model_card import find_card
from edge_agent.pipeline import Observation, Pipeline
from edge_agent.scene.camera_state import CameraState
from tests.edge_agent.street_pipeline import parking_zone
from tests.edge_agent.synthetic_street import BEGAN, Street, standing, steps

STREET = Street((standing("car", 100, 110, 10, 1e9),), noise=3.0)
LIMIT_S = 30.0


class StreetModel:
    """The street's detector, told the time."""

    def __init__(self) -> None:
        self.card = find_card("nanodet-g-416")
        self.inferences = 0
        self.inference_s = 0.0
        self.at_s = 0.0

    def detect(self, image: Image) -> Detections:
        assert image.size, "a frame without a picture must not be looked at"
        self.inferences += 1
        return STREET.detections(self.at_s)


def camera(**zone: object) -> tuple[Pipeline, StreetModel]:
    model = StreetModel()
    config = CameraConfig(
        id="gate", source="rtsp://gate/x", zones=(parking_zone(**zone),), detection=DetectionConfig(tiles="off")
    )
    first = STREET.frame(0.0)
    pipeline = build_pipeline(config, Site("agent", SiteConfig(), "c"), model, first.width, first.height)  # type: ignore[arg-type]
    return pipeline, model


def play(pipeline: Pipeline, model: StreetModel, first_s: float, last_s: float, *, lost: bool) -> list[Observation]:
    observations = []
    for at_s in steps(first_s, last_s):
        model.at_s = at_s
        frame = Frame.nothing(BEGAN + timedelta(seconds=at_s), at_s) if lost else STREET.frame(at_s)
        observations.append(pipeline.process(frame))
    return observations


def test_the_stay_and_its_incident_go_on_and_the_time_between_is_unknown() -> None:
    pipeline, model = camera()
    before = play(pipeline, model, 0, 60, lost=False)
    looked = model.inferences
    dark = play(pipeline, model, 61, 180, lost=True)
    assert model.inferences == looked
    after = play(pipeline, model, 181, 240, lost=False)
    events = [event for seen in (*before, *dark, *after) for event in seen.events]
    assert [event.phase.value for event in events if event.phase.value != "updated"] == ["opened"]
    (stay,) = [stay for stay in after[-1].stays if stay.standing]
    assert stay.stay_id == events[0].stay_id
    assert stay.dwell.unknown_s == pytest.approx(120, abs=2)
    assert pipeline.parts.ledger.state_s[CameraState.NO_SIGNAL] == pytest.approx(120, abs=2)


def test_the_change_is_said_at_once_and_again_on_return() -> None:
    pipeline, model = camera()
    play(pipeline, model, 0, 20, lost=False)
    (lost,) = play(pipeline, model, 25, 25, lost=True)
    assert [(change.from_state, change.to_state) for change in lost.changes] == [
        (CameraState.SEEING, CameraState.NO_SIGNAL)
    ]
    assert not lost.view.can_see
    (back,) = play(pipeline, model, 30, 30, lost=False)
    assert [change.to_state for change in back.changes] == [CameraState.SEEING]


def test_an_incident_is_closed_while_there_is_still_nothing_to_see_if_that_lasts_too_long() -> None:
    pipeline, model = camera(blind_close_s=60.0)
    play(pipeline, model, 0, 60, lost=False)
    dark = play(pipeline, model, 61, 200, lost=True)
    (closed,) = [event for seen in dark for event in seen.events if event.phase.value == "closed"]
    assert closed.close_reason is not None
    assert closed.close_reason.value == "camera_blind_too_long"
    assert closed.media_time_s == pytest.approx(121, abs=3)


def test_what_is_kept_is_the_same_whether_an_outage_was_told_or_only_a_gap() -> None:
    told, model = camera()
    play(told, model, 0, 60, lost=False)
    play(told, model, 61, 120, lost=True)
    after_told = play(told, model, 121, 180, lost=False)
    gap, model = camera()
    play(gap, model, 0, 60, lost=False)
    after_gap = play(gap, model, 121, 180, lost=False)
    for seen in (after_told, after_gap):
        assert all(one.frame.media_time_s < other.frame.media_time_s for one, other in pairwise(seen))
    (one,), (other,) = ([stay for stay in seen[-1].stays if stay.standing] for seen in (after_told, after_gap))
    assert one.stay_id == other.stay_id
    assert one.dwell.unknown_s == pytest.approx(other.dwell.unknown_s, abs=2)
