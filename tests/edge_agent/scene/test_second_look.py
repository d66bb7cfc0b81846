"""A second look at a change: a person's box counts if it covers the change and what is in it has changed."""

from __future__ import annotations

import numpy as np

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.background import Background
from edge_agent.scene.lifeless import Lifeless
from edge_agent.scene.patch import Patch
from edge_agent.scene.pose import Pose
from edge_agent.scene.second_look import SecondLook
from edge_agent.scene.zone_crop import ZoneCrop

SHAPE = (120, 160)
ALL = np.ones(SHAPE, bool)
CROP = ZoneCrop(100, 50, 420, 290, 0.5, ALL, ALL, np.full(SHAPE, 30.0, np.float32))
"""Half as large as the part of the frame it shows."""
CHEST = Patch(60, 40, np.ones((16, 20), bool))
BODY = np.zeros(SHAPE, bool)
BODY[20:80, 58:82] = True


def look(
    box: tuple[float, float, float, float],
    changed: np.ndarray = BODY,
    *,
    group: ClassGroup = ClassGroup.PERSON,
    score: float = 0.3,
    shift_px: tuple[float, float] = (0.0, 0.0),
    lifeless: Lifeless | None = None,
) -> tuple[SecondLook, list[tuple[float, float, float, float]]]:
    """A second look that finds one box of the frame, and where it was asked to look."""
    asked: list[tuple[float, float, float, float]] = []

    def look_at(place: tuple[float, float, float, float]) -> Detections:
        asked.append(place)
        return Detections(np.array([box], np.float32), np.array([score], np.float32), (group.value,), (group,))

    known = Lifeless(CROP, Background(SHAPE)) if lifeless is None else lifeless
    return SecondLook(look_at, CROP, changed, Pose.shifted(shift_px), known), asked


PERSON = (100 + 2 * 56.0, 50 + 2 * 18.0, 100 + 2 * 84.0, 50 + 2 * 82.0)


def test_a_change_within_a_person_who_has_changed_from_head_to_foot_is_that_person() -> None:
    second, asked = look(PERSON)
    assert second.person_at(CHEST) == (56, 18, 84, 82)
    assert asked == [(220.0, 130.0, 260.0, 162.0)]


def test_a_box_that_holds_mostly_ground_is_no_person() -> None:
    second, _ = look((100 + 2 * 30.0, 50.0, 100 + 2 * 120.0, 290.0))
    assert second.person_at(CHEST) is None


def test_a_person_beside_the_change_a_weak_one_and_another_group_explain_nothing() -> None:
    beside = (100 + 2 * 74.0, 50 + 2 * 18.0, 100 + 2 * 102.0, 50 + 2 * 82.0)
    assert look(beside, ALL)[0].person_at(CHEST) is None
    assert look(PERSON, score=0.1)[0].person_at(CHEST) is None
    assert look(PERSON, group=ClassGroup.CYCLE)[0].person_at(CHEST) is None


def test_one_look_serves_all_parts_of_a_person() -> None:
    second, asked = look(PERSON)
    legs = Patch(62, 64, np.ones((14, 12), bool))
    assert second.person_at(CHEST) == second.person_at(legs)
    assert len(asked) == 1


def test_a_view_that_moved_is_looked_at_where_the_change_is_now() -> None:
    second, asked = look(tuple(side + 6.0 for side in PERSON), shift_px=(6.0, 6.0))  # type: ignore[arg-type]
    assert second.person_at(CHEST) == (56, 18, 84, 82)
    assert asked == [(226.0, 136.0, 266.0, 168.0)]


def test_who_looks_the_same_to_the_pixel_for_seconds_is_a_thing_taken_for_a_person() -> None:
    lifeless = Lifeless(CROP, Background(SHAPE))
    picture = np.full((*SHAPE, 3), 4.0, np.float32)
    for now_s in range(7):
        second, _ = look(PERSON, lifeless=lifeless)
        assert (second.person_at(CHEST) is None) == (now_s > 5)
        lifeless.observe(picture, second.seen, second.scores, float(now_s))
    assert look(PERSON, lifeless=lifeless, score=0.6)[0].person_at(CHEST) is not None
