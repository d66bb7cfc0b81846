"""Which detections in a passage are people, and what they hide."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.boxes import Boxes, iou
from edge_agent.scene.meter_rules import MeterRules
from edge_agent.scene.patch import Mask
from edge_agent.scene.pose import Pose
from edge_agent.scene.stay import Stay, StayState
from edge_agent.scene.zone_crop import ZoneCrop


def people_boxes(
    detections: Detections, stays: tuple[Stay, ...], pose: Pose, rules: MeterRules
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(n, 4) boxes of people in the reference view and their scores, without things that were taken for people."""
    groups = np.array([group.value for group in detections.groups], object)
    boxes = pose.boxes_to_reference(detections.boxes)
    is_person = (groups == ClassGroup.PERSON.value) & (detections.scores >= rules.hiding_score)
    people, scores = boxes[is_person], detections.scores[is_person]
    is_thing = groups != ClassGroup.PERSON.value
    rivals, rival_scores = [boxes[is_thing]], [detections.scores[is_thing]]
    needed = [np.where(groups[is_thing] == ClassGroup.CYCLE.value, rules.not_person_score, 1.0)]
    for stay in stays:
        if stay.standing and stay.class_group is ClassGroup.CYCLE and stay.state is not StayState.ABSENT:
            rivals.append(np.array([stay.box], np.float32))
            rival_scores.append(np.array([stay.score], np.float32))
            needed.append(np.array([rules.not_person_score]))
    things, thing_scores, shares = np.concatenate(rivals), np.concatenate(rival_scores), np.concatenate(needed)
    if len(people) and len(things):
        same = (iou(people, things) >= rules.not_person_iou) & (scores[:, None] * shares <= thing_scores[None, :])
        real = ~same.any(axis=1)
        people, scores = people[real], scores[real]
    return np.asarray(people, np.float32).reshape(-1, 4), np.asarray(scores, np.float32)


def covered_by(people: Boxes, crop: ZoneCrop, margin: float) -> Mask:
    """The pixels of the crop that boxes, (n, 4), cover when they are grown by a share of their sides."""
    covered = np.zeros(crop.shape, bool)
    for box in people:
        crop.cover(covered, box, margin)
    return covered


def are_changed(people: Boxes, changed: Mask, crop: ZoneCrop, rules: MeterRules) -> NDArray[np.bool_]:
    """For each box of a person, (n, 4), whether what of it lies in the crop has changed since nobody was there.

    A box is judged by what the boxes of others, of which more has changed, leave of it.
    """
    own = [crop.part(box) for box in people]
    shares = [np.count_nonzero(changed[part]) / max(changed[part].size, 1) for part in own]
    real = np.ones(len(people), bool)
    taken = np.zeros(crop.shape, bool)
    for row in sorted(range(len(people)), key=lambda row: (-shares[row], row)):
        left = ~taken[own[row]]
        real[row] = np.count_nonzero(changed[own[row]] & left) >= rules.person_changed * np.count_nonzero(left)
        if real[row]:
            taken[own[row]] = True
    return real
