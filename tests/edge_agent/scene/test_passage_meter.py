"""The passage meter: what stands narrows the way, who walks does not, and what cannot be seen is not guessed."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.camera_state import CameraState, View
from edge_agent.scene.stay import StayState
from tests.edge_agent.scene.made_deck import (
    SIZE,
    START,
    Deck,
    calibration,
    cuboid,
    detected,
    person,
    silhouette,
)
from tests.edge_agent.scene.watched_deck import CRATE, Watch, stay_of, width


def test_an_empty_deck_is_as_wide_as_it_is_and_says_how_well_that_is_known() -> None:
    passage = Watch().show(Deck().picture(), 6)
    assert width(passage) == pytest.approx(4.0, abs=0.01)
    assert passage.clear_width.uncertainty_m is not None
    assert 0.005 < passage.clear_width.uncertainty_m < 0.15
    assert passage.obstacles == ()
    assert len(passage.path_px) >= 2


def test_nothing_is_said_before_the_scene_is_known() -> None:
    watch, picture = Watch(), Deck().picture()
    assert watch.show(picture, 1).clear_width.width_m is None
    assert watch.show(picture, 5).clear_width.width_m is not None


def test_a_thing_without_a_class_narrows_the_way_and_its_removal_widens_it() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    passage = watch.show(deck.picture(CRATE), 5)
    assert width(passage) == pytest.approx(2.5, abs=0.1)
    (obstacle,) = passage.obstacles
    assert obstacle.stay_id is None
    assert obstacle.limits_width
    assert obstacle.since_s == pytest.approx(8.0, abs=1.0)
    rows, columns = np.nonzero(silhouette(CRATE[0]))
    assert np.allclose(obstacle.box, (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1), atol=4)
    assert passage.narrowest_px is not None
    near, far = (calibration().to_ground([point])[0] for point in passage.narrowest_px)
    assert abs(near[0] - far[0]) == pytest.approx(width(passage), abs=0.05)
    assert width(watch.show(deck.picture(), 5)) == pytest.approx(4.0, abs=0.01)


def test_while_a_thing_comes_its_width_is_bounded_and_not_guessed() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    seen = [watch.show(deck.picture(CRATE), 1) for _ in range(4)]
    assert [passage.clear_width.width_m is None for passage in seen] == [False, True, False, False]
    assert seen[1].at_least_m == pytest.approx(2.5, abs=0.1)
    assert seen[1].at_most_m == pytest.approx(4.0, abs=0.01)
    ((since_s, narrow_m),) = seen[-1].narrowed_since
    assert since_s == pytest.approx(7.5, abs=0.6)
    assert narrow_m == pytest.approx(2.5, abs=0.1)


def test_ground_in_plain_sight_where_a_thing_stood_is_believed_at_once_and_half_of_it_is_not() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    watch.show(deck.picture(CRATE), 6)
    half = watch.show(deck.picture((cuboid(0.1, 9.0, 0.7, 1.2, 0.9), (40, 90, 190))), 1)
    assert half.clear_width.width_m is None
    assert half.at_most_m == pytest.approx(4.0, abs=0.01)
    assert width(watch.show(deck.picture(), 1)) == pytest.approx(4.0, abs=0.01)


def test_a_thing_that_came_while_people_hid_its_place_came_in_the_middle_of_that_time() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    front = [person(0.3, 8.6), person(0.8, 8.5), person(1.3, 8.6)]
    bodies = [(body, (50, 50, 90)) for body in front]
    watch.show(deck.picture(CRATE, *bodies), 6, detected(*front))
    passage = watch.show(deck.picture(CRATE), 6)
    assert passage.obstacles[0].since_s == pytest.approx(10.5, abs=1.1)


def test_people_are_never_obstacles_whether_they_walk_or_stand() -> None:
    deck, watch = Deck(), Watch(0.5)
    watch.show(deck.picture(), 6)
    for step in range(40):
        standing, walking = person(1.0, 9.0), person(2.8, 7.0 + 0.25 * step)
        picture = deck.picture((standing, (60, 40, 160)), (walking, (120, 60, 40)))
        found = detected(standing, walking) if step % 3 else detected(walking)
        assert width(watch.show(picture, 0.5, found)) == pytest.approx(4.0, abs=0.01)


def test_somebody_whom_only_a_second_look_finds_is_no_obstacle_and_leaves_the_width_known() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    widths = []
    for second in range(20):
        waiting = person(1.0 + 0.05 * (second % 3), 9.0)
        closer = detected(person(1.05, 9.0), score=0.3)
        widths.append(watch.show(deck.picture((waiting, (60, 40, 160))), 1, look_at=lambda _, it=closer: it))
    assert all(passage.clear_width.width_m in (None, pytest.approx(4.0, abs=0.01)) for passage in widths)
    assert sum(passage.clear_width.width_m is None for passage in widths) <= 1


def test_a_thing_is_found_where_a_detector_sees_somebody_who_is_not_there() -> None:
    deck, watch = Deck(), Watch()
    nobody = detected(cuboid(0.0, 8.0, 3.5, 3.0, 2.5))
    watch.show(deck.picture(), 6)
    watch.show(deck.picture(), 3, nobody)
    assert width(watch.show(deck.picture(CRATE), 5, nobody)) == pytest.approx(2.5, abs=0.2)


def test_people_who_hide_a_thing_do_not_clear_it() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    before = watch.show(deck.picture(CRATE), 5)
    crowd = [person(0.3, 8.6), person(0.8, 8.5), person(1.3, 8.6)]
    hidden = deck.picture(CRATE, *((body, (50, 50, 90)) for body in crowd)), detected(*crowd)
    passage = watch.show(hidden[0], 2, hidden[1])
    assert width(passage) == pytest.approx(width(before), abs=0.05)
    assert passage.obstacles[0].state is StayState.OCCLUDED
    passage = watch.show(hidden[0], 28, hidden[1])
    assert passage.clear_width.width_m is None
    assert passage.at_least_m == pytest.approx(width(before), abs=0.05)
    assert passage.at_most_m == pytest.approx(4.0, abs=0.01)
    assert width(watch.show(deck.picture(CRATE), 2)) == pytest.approx(width(before), abs=0.05)


def test_standing_people_are_counted_and_walkers_are_not() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 4)
    group = [person(1.0 + 0.5 * i, 10.0 + 0.6 * j) for i in range(3) for j in range(3)]
    for step in range(10):
        everybody = [*group, person(3.0, 6.5 + step)]
        picture = deck.picture(*((body, (60, 40, 160)) for body in everybody))
        passage = watch.show(picture, 1, detected(*everybody))
    assert passage.standing_people == 9
    assert passage.crowd_density == pytest.approx(9 / 10.2, abs=0.25)
    assert watch.show(deck.picture(), 6).standing_people == 0


def test_a_stay_of_known_class_stands_on_the_footprint_of_its_class() -> None:
    deck, watch = Deck(), Watch()
    car = cuboid(0.2, 9.0, 1.8, 4.35, 1.5)
    stay = stay_of(car, "car", ClassGroup.VEHICLE)
    passage = watch.show(deck.picture((car, (60, 60, 60))), 6, stays=(stay,))
    assert width(passage) == pytest.approx(2.0, abs=0.2)
    assert passage.obstacles[0].stay_id == "s1"


def test_a_thing_and_its_stay_count_once() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    bike = cuboid(0.4, 9.0, 1.65, 0.5, 1.0)
    stay = stay_of(bike, "bicycle", ClassGroup.CYCLE, from_s=6.0)
    passage = watch.show(deck.picture((bike, (30, 200, 220))), 6, stays=(stay,))
    assert len(passage.obstacles) == 1


def test_candidates_of_long_ago_absent_stays_and_people_are_left_out() -> None:
    deck, watch = Deck(), Watch()
    body = cuboid(0.4, 9.0, 1.65, 0.5, 1.0)
    stays = (
        stay_of(body, "bicycle", ClassGroup.CYCLE, standing=False, from_s=-60.0, score=0.8),
        stay_of(body, "bicycle", ClassGroup.CYCLE, state=StayState.ABSENT, stay_id="s2"),
        stay_of(person(2, 9), "person", ClassGroup.PERSON, stay_id="s3"),
    )
    assert watch.show(deck.picture(), 6, stays=stays).obstacles == ()


def test_a_bicycle_that_has_just_come_to_rest_is_in_doubt_until_it_stands() -> None:
    deck, watch = Deck(), Watch()
    body = cuboid(1.0, 9.0, 0.6, 1.7, 1.0)
    watch.show(deck.picture(), 8)
    comes = stay_of(body, "bicycle", ClassGroup.CYCLE, standing=False, from_s=8.0, score=0.6)
    assert width(watch.show(deck.picture(), 1, stays=(comes,))) == pytest.approx(4.0, abs=0.01)
    doubtful = watch.show(deck.picture(), 1, stays=(comes,))
    assert doubtful.clear_width.width_m is None
    assert doubtful.at_least_m is not None
    assert doubtful.at_least_m < 3.0
    assert doubtful.at_most_m == pytest.approx(4.0, abs=0.01)


def test_a_bicycle_is_in_doubt_while_what_fills_its_box_is_moved_though_it_is_still_detected() -> None:
    deck, watch = Deck(), Watch()
    whole, half = cuboid(1.2, 9.0, 1.7, 0.4, 1.0), cuboid(1.2, 9.0, 0.8, 0.4, 1.0)
    bicycle = (stay_of(whole, "bicycle", ClassGroup.CYCLE),)
    watch.show(deck.picture(), 12, stays=bicycle)
    assert width(watch.show(deck.picture((whole, (40, 90, 190))), 8, stays=bicycle)) < 2.5
    moved = watch.show(deck.picture((half, (40, 90, 190))), 1, stays=bicycle)
    assert moved.clear_width.width_m is None
    assert moved.at_most_m == pytest.approx(4.0, abs=0.01)


def test_while_the_camera_cannot_see_nothing_is_measured_and_nothing_forgotten() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    before = watch.show(deck.picture(CRATE), 5)
    dark = watch.show(deck.picture(light=0.0), 60, view=View(CameraState.DARK))
    assert dark.clear_width.width_m is None
    assert dark.clear_width.uncertainty_m is None
    assert width(watch.show(deck.picture(CRATE), 2)) == pytest.approx(width(before), abs=0.02)


def test_a_view_that_moved_a_little_is_followed() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 6)
    before = watch.show(deck.picture(CRATE), 5)
    shift = (6.0, -4.0)
    moved = cv2.warpAffine(
        deck.picture(CRATE), np.array([[1, 0, shift[0]], [0, 1, shift[1]]]), SIZE, borderMode=cv2.BORDER_REPLICATE
    )
    after = watch.show(moved, 5, view=View(CameraState.SEEING, shift))
    assert width(after) == pytest.approx(width(before), abs=0.05)
    assert np.allclose(np.subtract(after.obstacles[0].box, before.obstacles[0].box)[:2], shift, atol=1.5)


def test_a_frame_of_another_size_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="320x180"):
        Watch().show(np.zeros((180, 320, 3), np.uint8), 1)


def test_the_same_pictures_give_the_same_measurements() -> None:
    answers = []
    for _ in range(2):
        deck, watch = Deck(), Watch()
        answers.append([watch.show(deck.picture(*bodies), 1) for bodies in [()] * 6 + [(CRATE,)] * 5])
    assert answers[0] == answers[1]


def test_a_day_of_light_never_narrows_an_empty_deck() -> None:
    deck, watch = Deck(), Watch(120.0)
    watch.show(deck.picture(light=0.6), 600)
    unknown = 0
    for step in range(120):
        edge = 4.0 * step / 120
        shade = [(edge - 0.6, 6.0), (edge, 6.0), (edge, 17.5), (edge - 0.6, 17.5)]
        cloud = 0.75 if step in (40, 41, 42, 80) else 1.0
        light = cloud * (0.6 + 0.5 * float(np.sin(np.pi * step / 120)))
        passage = watch.show(deck.picture(shadows=(shade,), light=light), 120)
        unknown += passage.clear_width.width_m is None
        assert passage.at_most_m == pytest.approx(4.0, abs=0.01)
        assert (passage.clear_width.width_m or 4.0) > 3.7
    assert unknown <= 3


@pytest.mark.parametrize(("y", "broad_m"), [(8.0, 0.12), (11.0, 0.3), (15.0, 0.45)])
@pytest.mark.parametrize("depth", [0.4, 0.5])
def test_the_hard_shadow_of_a_post_is_no_thing(y: float, broad_m: float, depth: float) -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(light=0.8), 10)
    strip = [(-0.5, y), (-0.5, y + broad_m), (2.4, y + 1.0 + broad_m), (2.4, y + 1.0)]
    for _ in range(8):
        passage = watch.show(deck.picture(shadows=(strip,), shadow_depth=depth), 1)
        assert passage.at_most_m == pytest.approx(4.0, abs=0.01)
    assert width(passage) == pytest.approx(4.0, abs=0.01)


def test_media_time_is_the_only_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    def forbidden() -> float:
        raise AssertionError("the wall clock was asked")

    monkeypatch.setattr(time, "time", forbidden)
    monkeypatch.setattr(time, "monotonic", forbidden)
    assert width(Watch().show(Deck().picture(), 6)) == pytest.approx(4.0, abs=0.01)
    assert START.tzinfo is not None


def test_what_stands_stands_on_when_the_camera_turns_to_infrared_and_back() -> None:
    deck, watch = Deck(), Watch()

    def infrared(picture: np.ndarray) -> np.ndarray:
        grey = picture.astype(np.float32) @ np.array([0.11, 0.59, 0.3], np.float32)
        return np.repeat((0.7 * grey).astype(np.uint8)[:, :, None], 3, axis=2)

    watch.show(deck.picture(), 10)
    before = watch.show(deck.picture(CRATE), 10)
    at_once = watch.show(infrared(deck.picture(CRATE)), 1)
    assert at_once.clear_width.width_m is None
    night = watch.show(infrared(deck.picture(CRATE)), 20)
    assert width(night) == pytest.approx(width(before), abs=0.05)
    assert [obstacle.since_s for obstacle in night.obstacles] == [obstacle.since_s for obstacle in before.obstacles]
    assert watch.show(deck.picture(CRATE), 1).clear_width.width_m is None
    assert width(watch.show(deck.picture(CRATE), 10)) == pytest.approx(width(before), abs=0.05)
    assert width(watch.show(deck.picture(), 10)) == pytest.approx(4.0, abs=0.05)
