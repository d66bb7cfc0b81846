"""The detector is asked when something has come to rest, has gone, or is in doubt; otherwise now and then."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from edge_agent.capture.frame import Frame, Grey
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.evidence.store import EvidenceStore
from edge_agent.pipeline import Pipeline
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.change_gate import Attention, ChangeGate, GateRules, GateZone
from edge_agent.scene.place import Place
from tests.edge_agent.street_pipeline import Watch
from tests.edge_agent.synthetic_street import DARK, SEEING, Eye, Street, passing, standing, steps

SIZE = (640, 360)
ZONE = ((200.0, 200.0), (520.0, 200.0), (520.0, 300.0), (200.0, 300.0))
PERIOD_S = 2.0
CAR = (300, 210, 400, 270)
NONE, GLANCE, CLOSE = Attention.NONE, Attention.GLANCE, Attention.CLOSE


def ground() -> Grey:
    """A street with structure everywhere."""
    rough = np.random.default_rng(7).integers(60, 190, (90, 160)).astype(np.uint8)
    return np.asarray(cv2.resize(rough, SIZE, interpolation=cv2.INTER_CUBIC), np.uint8)


def with_thing(grey: Grey, box: tuple[int, int, int, int]) -> Grey:
    """The street with something in it."""
    x1, y1, x2, y2 = box
    changed = grey.copy()
    pattern = np.random.default_rng(3).integers(0, 255, (8, 10)).astype(np.uint8)
    changed[y1:y2, x1:x2] = cv2.resize(pattern, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    return changed


def lit(grey: Grey, gain: float, lift: float, noise: float, seed: int) -> Grey:
    """The same under other light, through a noisy sensor."""
    noisy = grey * gain + lift + np.random.default_rng(seed).normal(0, noise, grey.shape)
    return np.asarray(np.clip(noisy, 0, 255), np.uint8)


def car(score: float = 0.6, box: tuple[int, int, int, int] = CAR) -> Detections:
    return Detections(np.array([box], np.float32), np.array([score], np.float32), ("car",), (ClassGroup.VEHICLE,))


class Asked:
    """A gate with one zone that is asked frame by frame, and told what each close look found."""

    def __init__(
        self,
        *,
        restless: bool = False,
        rules: GateRules | None = None,
        found: Detections | None = None,
        glances: bool = True,
    ) -> None:
        self.gate = ChangeGate(SIZE, [GateZone(ZONE, restless)], rules, glances=glances)
        self.found = found if found is not None else Detections.empty()
        self.at_s = 0.0

    def see(self, grey: Grey, view: View = SEEING, places: Iterable[Place] = ()) -> Attention:
        image = np.repeat(grey[:, :, None], 3, axis=2)
        began = datetime(2026, 3, 2, tzinfo=UTC)
        frame = Frame(image, began + timedelta(seconds=self.at_s), self.at_s)
        self.at_s += PERIOD_S
        attention = self.gate.asks(frame, view, tuple(places))
        if attention is CLOSE:
            self.gate.looked(self.found)
        return attention

    def settle(self, grey: Grey) -> Asked:
        """Look at a still picture until the gate is closed."""
        for _ in range(2):
            self.see(grey)
        assert self.see(grey) is NONE
        return self


def test_the_first_frame_is_looked_at_and_a_street_that_stays_the_same_is_not() -> None:
    asked = Asked()
    assert asked.see(ground()) is CLOSE
    assert [asked.see(ground()) for _ in range(5)] == [NONE] * 5
    assert (asked.gate.looks, asked.gate.glances, asked.gate.postponed) == (1, 0, 5)


def test_whatever_happens_there_is_a_close_look_within_the_recheck_period() -> None:
    asked = Asked(rules=GateRules(recheck_s=10.0))
    seen = [asked.see(ground()) for _ in range(16)]
    assert [number for number, attention in enumerate(seen) if attention is CLOSE] == [0, 5, 10, 15]


@pytest.mark.parametrize(("gain", "lift"), [(0.7, 0.0), (1.2, 10.0), (0.9, 40.0), (1.0, -30.0)])
def test_light_and_noise_are_no_change(gain: float, lift: float) -> None:
    asked = Asked().settle(ground())
    assert [asked.see(lit(ground(), gain, lift, 4.0, seed)) for seed in range(4)] == [NONE] * 4


def test_flat_pictures_with_strong_edges_are_compared_without_numbers_that_are_none() -> None:
    for seed in range(300):
        random = np.random.default_rng(seed)
        flat = np.full(SIZE[::-1], 128, np.uint8)
        for _ in range(random.integers(1, 6)):
            y, x = random.integers(0, SIZE[1] - 10), random.integers(0, SIZE[0] - 10)
            flat[y : y + random.integers(1, SIZE[1] // 3), x : x + random.integers(1, SIZE[0] // 3)] = random.choice(
                [0, 255]
            )
        with np.errstate(invalid="raise"):
            Asked().see(flat)


def test_what_comes_to_rest_in_the_zone_is_looked_at_once_and_what_leaves_as_well() -> None:
    asked = Asked(rules=GateRules(moving_s=60.0)).settle(ground())
    parked = with_thing(ground(), CAR)
    assert asked.see(parked) is GLANCE  # it has only just come
    assert asked.see(parked) is CLOSE
    assert [asked.see(parked) for _ in range(2)] == [NONE, NONE]
    assert asked.see(ground()) in (GLANCE, CLOSE)
    assert asked.see(ground()) is CLOSE
    assert asked.see(ground()) is NONE


def test_what_happens_away_from_the_zone_does_not_matter() -> None:
    asked = Asked().settle(ground())
    far = with_thing(ground(), (20, 20, 120, 80))
    assert [asked.see(far) for _ in range(3)] == [NONE] * 3


def test_what_only_passes_gets_glances_and_a_close_look_now_and_then() -> None:
    asked = Asked(rules=GateRules(moving_s=6.0)).settle(ground())
    seen = [asked.see(with_thing(ground(), (10 + 120 * step, 210, 100 + 120 * step, 270))) for step in range(5)]
    assert GLANCE in seen
    assert CLOSE in seen
    assert NONE not in seen[2:]
    asked.see(ground())
    asked.see(ground())
    assert asked.see(ground()) is NONE  # the road itself was never taken for something new


def test_where_a_glance_costs_as_much_what_passes_gets_a_close_look_now_and_then_and_none_between() -> None:
    asked = Asked(glances=False).settle(ground())
    seen = [asked.see(with_thing(ground(), (220 + 40 * step, 210, 300 + 40 * step, 270))) for step in range(6)]
    assert GLANCE not in seen
    assert CLOSE in seen
    close = [step for step, attention in enumerate(seen) if attention is CLOSE]
    assert all(after - before <= GateRules().moving_s / PERIOD_S for before, after in pairwise(close))


def test_on_a_passage_any_movement_is_looked_at_closely() -> None:
    asked = Asked(restless=True).settle(ground())
    seen = [asked.see(with_thing(ground(), (210 + 60 * step, 210, 240 + 60 * step, 270))) for step in range(4)]
    assert seen == [CLOSE] * 4


def standing_place(**fields: object) -> Place:
    place = Place("a", tuple(map(float, CAR)), 0.0, 0.0, False, standing=True)  # type: ignore[arg-type]
    for name, value in fields.items():
        setattr(place, name, value)
    return place


def test_a_stay_that_looks_gone_or_is_hidden_for_long_gets_a_real_look() -> None:
    for doubt in ({"missing_sightings": 1}, {"missing_since_s": -110.0}):
        asked = Asked().settle(ground())
        assert asked.see(ground(), places=[standing_place(**doubt)]) is CLOSE
        assert asked.see(ground(), places=[standing_place()]) is NONE


def test_doubts_about_a_place_far_from_every_zone_cost_nothing() -> None:
    asked = Asked().settle(ground())
    assert asked.see(ground(), places=[standing_place(missing_sightings=2, box=(20.0, 20.0, 120.0, 80.0))]) is NONE


def test_a_detection_goes_on_counting_only_while_its_place_looks_as_it_did() -> None:
    parked = with_thing(ground(), CAR)
    asked = Asked(rules=GateRules(moving_s=60.0), found=car()).settle(parked)
    assert asked.gate.kept().boxes.tolist() == [list(CAR)]
    hidden = with_thing(parked, (280, 200, 420, 300))
    hidden[200:300, 280:420] = 255 - hidden[200:300, 280:420]
    asked.see(hidden)
    assert len(asked.gate.kept()) == 0


def test_a_view_that_has_moved_or_was_blind_is_looked_at_anew() -> None:
    asked = Asked().settle(ground())
    assert asked.see(ground(), View(CameraState.SEEING, (12.0, 0.0))) is CLOSE
    asked.see(ground(), View(CameraState.SEEING, (12.0, 0.0)))
    asked.gate.forget()
    assert len(asked.gate.kept()) == 0
    assert asked.see(ground(), View(CameraState.SEEING, (12.0, 0.0))) is CLOSE


def gated(watch: Watch, recheck_s: float = 20.0) -> Watch:
    """The same camera with a change gate."""
    zones = [GateZone(zone.polygon, restless=False) for zone in watch.zones]
    gate = ChangeGate((320, 180), zones, GateRules(recheck_s=recheck_s))
    watch.pipeline = Pipeline(replace(watch.pipeline.parts, gate=gate))
    return watch


BUSY = Street(
    (standing("car", 100, 110, 10, 70), passing("bus", 150, 50, 5, size=(140, 80), class_name="bus", seed=3)),
    Eye(miss=0.2),
    noise=3.0,
)


def test_incidents_are_the_same_with_the_gate_and_looks_are_few() -> None:
    plain = Watch(BUSY).see(steps(0, 100))
    with_gate = gated(Watch(BUSY)).see(steps(0, 100))
    assert with_gate.story == plain.story
    for ours, theirs in zip(with_gate.events, plain.events, strict=True):
        assert ours.media_time_s == pytest.approx(theirs.media_time_s, abs=3)
        assert ours.dwell.observed_s == pytest.approx(theirs.dwell.observed_s, abs=4)
    assert with_gate.told.looks < plain.told.looks / 2


def test_no_stay_ends_on_a_frame_that_nobody_looked_at() -> None:
    watch = gated(Watch(BUSY)).see(steps(0, 100))
    closing = [seen for seen in watch.observations if any(event.close_reason for event in seen.events)]
    assert closing
    assert all(seen.looked for seen in closing)


def test_a_gated_frame_is_no_absence_and_dwell_goes_on_as_observed() -> None:
    watch = gated(Watch(Street((standing("car", 100, 110, 2, 200),), noise=2.0)), recheck_s=60.0).see(steps(0, 120))
    last = watch.observations[-1]
    (stay,) = [stay for stay in last.stays if stay.standing]
    assert stay.dwell.observed_s == pytest.approx(118, abs=3)
    assert stay.dwell.occluded_s == stay.dwell.unknown_s == 0
    assert watch.told.looks < 20


def test_every_picture_that_is_kept_was_looked_at_for_people_first(tmp_path: Path) -> None:
    watch = gated(Watch(BUSY, store=EvidenceStore(tmp_path, 10**7)))
    looks_on: dict[float, int] = {}
    taken: list[float] = []
    illustrator = watch.pipeline.parts.illustrator
    assert illustrator is not None
    take = illustrator._recorder.take  # type: ignore[attr-defined]

    def noted(frame: Frame, *rest: object, **named: object) -> object:
        taken.append(frame.media_time_s)
        return take(frame, *rest, **named)

    illustrator._recorder.take = noted  # type: ignore[attr-defined]
    for at_s in steps(0, 100):
        before = watch.told.looks
        watch.see([at_s])
        looks_on[at_s] = watch.told.looks - before
    assert taken
    assert all(looks_on[at_s] for at_s in taken)


def test_a_camera_that_was_blind_is_looked_at_as_soon_as_it_sees() -> None:
    watch = gated(Watch(Street((standing("car", 100, 110, 0, 200),))), recheck_s=60.0)
    watch.told.views = lambda at_s: DARK if 20 <= at_s < 30 else SEEING
    watch.see(steps(0, 40))
    looked = {seen.frame.media_time_s for seen in watch.observations if seen.looked}
    assert not any(20 <= at_s < 30 for at_s in looked)
    assert 30 in looked


def test_the_same_street_gives_the_same_looks() -> None:
    def looked() -> list[bool]:
        return [seen.looked for seen in gated(Watch(BUSY)).see(steps(0, 60)).observations]

    assert looked() == looked()


@dataclass(frozen=True, slots=True)
class Flickering(Street):
    """An empty street in which the detector takes something for a car in one look of eight or so."""

    def detections(self, at_s: float) -> Detections:
        if np.random.default_rng(int(at_s * 7 + 3)).random() >= 0.12:
            return Detections.empty()
        box = np.array([(100, 74, 160, 110)], np.float32)
        return Detections(box, np.array([0.45], np.float32), ("car",), (ClassGroup.VEHICLE,))


def test_what_was_seen_once_is_no_evidence_on_frames_that_nobody_looked_at() -> None:
    watch = gated(Watch(Flickering(()))).see(steps(0, 400))
    assert any(len(seen.detections) for seen in watch.observations if seen.looked)
    assert watch.events == []
    assert watch.told.looks < 60
