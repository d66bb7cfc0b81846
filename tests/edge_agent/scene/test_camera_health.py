"""Whether a camera can see, on a made street."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge_agent.scene.camera_health import CameraHealth
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.health_rules import HealthRules
from tests.edge_agent.watched_camera import (
    FAULTS,
    MOVED,
    SEEING,
    Watched,
    black,
    half_a_hand,
    hand,
    noisy,
    states,
    street,
    view_of,
)


def test_a_street_in_order_is_seen_from_the_first_frame_on() -> None:
    camera = Watched()
    assert states(camera.street(60)) == {SEEING}
    assert camera.stated() == [(SEEING, 0.0)]


@pytest.mark.parametrize("state", list(FAULTS))
def test_a_fault_is_stated_and_ended_within_five_seconds_and_distrusted_at_once(state: CameraState) -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()
    views = camera.street(5, FAULTS[state])
    assert not any(view.can_see for view in views)
    assert camera.stated() == [(state, 20.0)]
    camera.street(7, FAULTS[state])
    views = camera.street(5)
    assert views[-1] == View(SEEING)
    assert camera.stated() == [(SEEING, 33.0)]


def test_a_lens_that_is_covered_by_two_thirds_is_covered() -> None:
    camera = Watched()
    camera.street(20)
    assert states(camera.street(5, half_a_hand)) == {CameraState.COVERED}


def test_a_second_of_darkness_is_distrusted_but_not_stated() -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()
    assert [view.can_see for view in camera.street(1, black) + camera.street(3)] == [False, True, True, True]
    assert camera.stated() == []


def test_one_fault_may_follow_another() -> None:
    camera = Watched()
    camera.street(20)
    camera.street(5, hand)
    camera.street(5, black)
    camera.street(5)
    assert [state for state, _ in camera.stated()] == [SEEING, CameraState.COVERED, CameraState.DARK, SEEING]


@pytest.mark.parametrize("factor", [0.3, 0.6, 1.4])
def test_more_or_less_light_is_no_fault(factor: float) -> None:
    camera = Watched()
    camera.street(20)
    assert states(camera.street(10, lambda image, _: cv2.convertScaleAbs(image, alpha=factor))) == {SEEING}


def test_a_street_lit_by_lamps_alone_is_not_dark() -> None:
    camera = Watched()

    def night(image: np.ndarray, second: int) -> np.ndarray:
        rows, columns = np.mgrid[0 : image.shape[0], 0 : image.shape[1]]
        lamp = np.exp(-(((columns - 240) / 120) ** 2) - ((rows - 150) / 90) ** 2)[..., None]
        return noisy(image * (0.05 + 0.7 * lamp), second, 3)

    assert states(camera.street(30, night)) == {SEEING}


def test_falling_snow_is_no_fault() -> None:
    camera = Watched()

    def snow(image: np.ndarray, second: int) -> np.ndarray:
        image = image.copy()
        random = np.random.default_rng(second)
        for x, y in random.integers((0, 0), (image.shape[1], image.shape[0]), (250, 2)):
            cv2.circle(image, (int(x), int(y)), int(random.integers(1, 3)), (235, 235, 235), -1)
        return image

    camera.street(20)
    assert states(camera.street(30, snow) + camera.street(10)) == {SEEING}


def test_a_lorry_that_fills_half_the_picture_for_a_moment_is_no_fault() -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()

    def lorry(image: np.ndarray, second: int) -> np.ndarray:
        image = image.copy()
        cv2.rectangle(image, (0, 60), (image.shape[1] // 2, 260), (160, 150, 140), -1)
        cv2.rectangle(image, (20, 80), (180, 200), (60, 60, 70), -1)
        return image

    camera.street(2, lorry)
    camera.street(5)
    assert camera.stated() == []


def test_no_signal_is_stated_at_once_and_ends_with_the_next_good_picture() -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()
    assert camera.health.no_signal(25.0) == View(CameraState.NO_SIGNAL)
    assert camera.health.no_signal(26.0) == View(CameraState.NO_SIGNAL)
    camera.second = 40
    assert camera.street(1) == [View(SEEING)]
    assert camera.stated() == [(CameraState.NO_SIGNAL, 25.0), (SEEING, 40.0)]


@pytest.mark.parametrize("state", list(FAULTS))
def test_a_camera_that_starts_with_a_fault_says_so_and_learns_nothing_from_it(state: CameraState) -> None:
    camera = Watched()
    views = camera.street(10, FAULTS[state])
    if state is CameraState.BLURRED:  # nothing to compare with: only a hopeless blur can be told
        camera = Watched()
        views = camera.street(10, lambda image, second: cv2.GaussianBlur(image, (0, 0), 9))
    assert states(views) == {state}
    assert camera.street(3)[-1] == View(SEEING)


def test_after_a_restart_the_reference_is_still_there() -> None:
    camera = Watched()
    camera.street(30)
    state = json.loads(json.dumps(camera.health.dump()))
    restarted = CameraHealth()
    restarted.load(state)
    camera.health = restarted
    views = camera.street(5, right=19)
    assert views[-1].shift_px == pytest.approx((19, 0), abs=1.5)
    assert camera.stated() == []
    assert states(camera.street(5, right=120)) == {MOVED}


def test_a_restart_during_a_fault_does_not_state_it_twice() -> None:
    camera = Watched()
    camera.street(20)
    camera.street(5, black)
    restarted = CameraHealth()
    restarted.load(json.loads(json.dumps(camera.health.dump())))
    camera.health = restarted
    camera.street(5, black)
    camera.street(3)
    assert [state for state, _ in camera.stated()] == [SEEING]


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: state.pop("state"),
        lambda state: state.update(state="asleep"),
        lambda state: state.update(repeats=None),
        lambda state: state["reference"].update(edges="AAAA"),
        lambda state: state["reference"].update(rows=7),
        lambda state: state["reference"].pop("shift"),
    ],
)
def test_a_damaged_state_is_refused(damage: Callable[[dict], object]) -> None:
    camera = Watched()
    camera.street(3)
    state = json.loads(json.dumps(camera.health.dump()))
    damage(state)
    with pytest.raises(ValueError, match="damaged"):
        CameraHealth().load(state)


def test_the_same_frames_give_the_same_views_and_state() -> None:
    one, other = Watched(), Watched()
    assert one.street(30, right=4) == other.street(30, right=4)
    assert json.dumps(one.health.dump()) == json.dumps(other.health.dump())


def test_frames_minutes_apart_are_judged_as_well() -> None:
    camera = Watched()
    for _ in range(10):
        camera.street(3)
        camera.second += 180
    camera.stated()
    camera.street(1, black)
    camera.second += 180
    camera.street(1, black)
    assert [state for state, _ in camera.stated()] == [CameraState.DARK]


def test_thresholds_can_be_given() -> None:
    camera = Watched(CameraHealth(HealthRules(dark_below=200.0)))
    assert camera.street(1)[0].state is CameraState.DARK


def test_a_frame_costs_little() -> None:
    camera = Watched()
    scene = street(width=960, height=540)
    images = [noisy(view_of(scene, width=960, height=540), second) for second in range(6)]
    for image in images:
        camera.show(image)
    started = time.process_time()
    for image in images * 5:
        camera.show(image)
    assert (time.process_time() - started) / 30 < 0.02  # some 2.5 ms on a desktop core, with room for a slow machine
