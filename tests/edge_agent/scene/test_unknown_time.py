"""Gaps, blind cameras and restarts: what nobody could see is unknown, and ends nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.stay import StayState
from tests.edge_agent.scene.one_stay import ENDS_WITHIN_S, RESTS_WITHIN_S, only, same_sums
from tests.edge_agent.synthetic_street import (
    DARK,
    SEEING,
    Eye,
    Street,
    Thing,
    standing,
    steps,
    watch,
)


def between(first_s: float, last_s: float, other: View) -> Callable[[float], View]:
    return lambda at_s: other if first_s <= at_s < last_s else SEEING


def test_a_car_exchanged_during_a_gap_is_a_new_stay_told_by_its_looks() -> None:
    street = Street((standing("first", 100, 110, 5, 60), standing("second", 101, 111, 70, 400, seed=9)))
    watched = watch(street, [*steps(0, 50), *steps(90, 140)])
    first, second = watched.stays()
    assert first.gone_from_s == 50
    assert second.from_s == pytest.approx(90, abs=RESTS_WITHIN_S)
    assert first.dwell.unknown_s == 0


def test_a_car_exchanged_while_the_camera_was_dark_is_a_new_stay() -> None:
    street = Street((standing("first", 100, 110, 5, 60), standing("second", 101, 111, 70, 400, seed=9)))
    watched = watch(street, steps(0, 140), view=between(55, 80, DARK))
    first, second = watched.stays()
    assert first.gone_from_s == 54
    assert second.from_s == pytest.approx(80, abs=RESTS_WITHIN_S)


@pytest.mark.parametrize("gap_s", [20.0, 600.0])
def test_a_gap_is_unknown_time(gap_s: float) -> None:
    street = Street((standing("car", 100, 110, 5, 2000),))
    watched = watch(street, [*steps(0, 50), *steps(50 + gap_s, 80 + gap_s)])
    stay = only(watched)
    assert stay.dwell.unknown_s == pytest.approx(gap_s)
    assert stay.dwell.observed_s == pytest.approx(45 + 30, abs=RESTS_WITHIN_S)
    same_sums(stay)


def test_a_dropped_frame_is_no_gap() -> None:
    stay = only(watch(Street((standing("car", 100, 110, 5, 400),)), [t for t in steps(0, 100) if t % 10 not in (3, 4)]))
    assert stay.dwell.unknown_s == 0


def test_a_car_that_left_during_a_gap_ends_soon_after_it_and_the_gap_is_not_its_dwell() -> None:
    watched = watch(Street((standing("car", 100, 110, 5, 60),)), [*steps(0, 50), *steps(150, 180)])
    stay = only(watched)
    ended_s = watched.ended_at(stay.stay_id)
    assert ended_s is not None
    assert 150 < ended_s <= 150 + ENDS_WITHIN_S
    assert stay.gone_from_s == 50
    assert stay.dwell.total_s == pytest.approx(45, abs=RESTS_WITHIN_S)


@pytest.mark.parametrize("state", [state for state in CameraState if state is not CameraState.SEEING])
def test_a_blind_camera_ends_no_stay_and_its_time_is_unknown(state: CameraState) -> None:
    street = Street((standing("car", 100, 110, 5, 400),))
    watched = watch(street, steps(0, 180), view=between(50, 150, View(state)))
    stay = only(watched)
    blind = [s for at_s, s in watched.of(stay.stay_id) if 50 <= at_s < 150]
    assert {s.state for s in blind} == {StayState.UNKNOWN}
    assert len(blind) == 100
    assert stay.state is StayState.OBSERVED
    assert stay.dwell.unknown_s == pytest.approx(100, abs=1)
    same_sums(stay)


def test_the_time_in_which_the_camera_could_not_tell_is_no_evidence_of_absence() -> None:
    """Something nobody detects flutters before the car, the camera goes dark for long, it flutters on, then leaves."""
    flutter = tuple((60.0 + n, 30.0 + 25 * (n % 3), 116.0) for n in range(348))
    cloth = Thing("cloth", flutter, (140, 50), "person", 30)
    street = Street((standing("car", 100, 110, 5, 900), cloth), Eye(blind_to={"cloth": 0.0}))
    watched = watch(street, steps(0, 500), view=between(62, 400, DARK))
    stay = only(watched)
    assert watched.ended_at(stay.stay_id) is None
    assert stay.dwell.unknown_s == pytest.approx(338, abs=3)


def test_a_car_that_left_in_the_dark_ends_only_when_its_place_is_seen_again() -> None:
    street = Street((standing("car", 100, 110, 5, 60),))
    watched = watch(street, steps(0, 180), view=between(50, 150, DARK))
    stay = only(watched)
    ended_s = watched.ended_at(stay.stay_id)
    assert ended_s is not None
    assert 150 < ended_s <= 150 + ENDS_WITHIN_S
    assert stay.gone_from_s == 49
    assert stay.dwell.unknown_s == 0


def test_a_restart_goes_on_with_the_same_stays_and_the_time_between_is_unknown() -> None:
    street = Street((standing("car", 100, 110, 5, 400), standing("other", 200, 110, 20, 400, seed=6)), Eye(miss=0.2))
    before = watch(street, steps(0, 60))
    kept = json.loads(json.dumps(before.memory.dump()))
    memory = SceneMemory("gate", 1.0)
    memory.load(kept)
    after = watch(street, steps(90, 150), memory=memory)
    assert [stay.stay_id for stay in after.stays()] == [stay.stay_id for stay in before.stays()]
    for earlier, later in zip(before.stays(), after.stays(), strict=True):
        assert later.from_s == earlier.from_s
        assert later.dwell.unknown_s == pytest.approx(30, abs=1.5)
        same_sums(later)


def test_a_restart_between_two_frames_changes_nothing_but_the_time_between_them() -> None:
    street = Street((standing("car", 100, 110, 5, 80),), Eye(miss=0.2))
    unbroken = watch(street, steps(0, 120))
    before = watch(street, steps(0, 60))
    memory = SceneMemory("gate", 1.0)
    memory.load(json.loads(json.dumps(before.memory.dump())))
    broken = watch(street, steps(61, 120), memory=memory)
    one, other = only(unbroken), only(broken)
    assert other.dwell.unknown_s == 1
    assert replace(other, dwell=one.dwell, score=one.score, box=one.box) == one
    assert broken.ended_at(other.stay_id) == unbroken.ended_at(one.stay_id)


def test_a_car_that_left_while_the_agent_was_down_is_said_to_be_gone() -> None:
    street = Street((standing("car", 100, 110, 5, 70),))
    memory = SceneMemory("gate", 1.0)
    memory.load(json.loads(json.dumps(watch(street, steps(0, 60)).memory.dump())))
    stay = only(watch(street, steps(90, 120), memory=memory))
    assert (stay.state, stay.gone_from_s) == (StayState.ABSENT, 60)
