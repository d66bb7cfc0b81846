"""Who is believed to be in a passage, by what has changed where a person is detected."""

from __future__ import annotations

import numpy as np

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.meter_rules import METER_RULES
from edge_agent.scene.passage_people import are_changed, covered_by, people_boxes
from edge_agent.scene.pose import Pose
from edge_agent.scene.zone_crop import ZoneCrop

SHAPE = (120, 160)
ALL = np.ones(SHAPE, bool)
CROP = ZoneCrop(0, 0, 160, 120, 1.0, ALL, ALL, np.full(SHAPE, 30.0, np.float32))
WALKER = (60.0, 40.0, 80.0, 90.0)
STAIRS = (10.0, 5.0, 110.0, 115.0)


def believed(*boxes: tuple[float, float, float, float], changed: np.ndarray) -> list[bool]:
    return are_changed(np.array(boxes, np.float32).reshape(-1, 4), changed, CROP, METER_RULES).tolist()


def body(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    """What has changed where somebody is: the middle of their box."""
    mask = np.zeros(SHAPE, bool)
    inset = (right - left) // 5
    mask[top:bottom, left + inset : right - inset] = True
    return mask


def test_a_person_where_the_ground_is_seen_is_none() -> None:
    assert believed(STAIRS, changed=np.zeros(SHAPE, bool)) == [False]
    assert believed(WALKER, changed=body(60, 40, 80, 90)) == [True]


def test_who_walks_through_a_false_box_does_not_make_it_true() -> None:
    assert believed(STAIRS, WALKER, changed=body(60, 40, 80, 90)) == [False, True]


def test_people_behind_one_another_are_all_believed() -> None:
    second = (68.0, 30.0, 88.0, 80.0)
    assert believed(WALKER, second, changed=body(60, 40, 80, 90) | body(68, 30, 88, 80)) == [True, True]


def test_who_is_outside_the_crop_is_believed_and_hides_nothing_of_it() -> None:
    outside = (-80.0, 10.0, -40.0, 90.0)
    assert believed(outside, changed=np.zeros(SHAPE, bool)) == [True]
    assert not covered_by(np.array([outside], np.float32), CROP, 0.0).any()


def test_nobody_is_nobody() -> None:
    assert believed(changed=ALL) == []


def seen(person_score: float, thing_score: float, thing: tuple[float, float, float, float] = WALKER) -> int:
    """How many people there are where a person and a suitcase are detected."""
    detections = Detections(
        np.array([WALKER, thing], np.float32),
        np.array([person_score, thing_score], np.float32),
        ("person", "suitcase"),
        (ClassGroup.PERSON, ClassGroup.OBJECT),
    )
    return len(people_boxes(detections, (), Pose.shifted((0.0, 0.0)), METER_RULES)[0])


def test_a_person_who_is_sooner_a_suitcase_is_one() -> None:
    assert seen(0.25, 0.5) == 0
    assert seen(0.5, 0.25) == 1
    assert seen(0.25, 0.5, thing=(76.0, 60.0, 96.0, 90.0)) == 1
