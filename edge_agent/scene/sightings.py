"""Which detection belongs to which place."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.detection.detections import Detections
from edge_agent.scene.boxes import Boxes, covered, iou, strayed
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.place import Place
from edge_agent.scene.stay import Box

OTHER_GROUP_PENALTY = 0.2
"""Overlap that a detection of another class group must have more: a van is at times a motorcycle to a small model."""
STANDING_BONUS = 0.1
"""A thing that stands has the better claim than a candidate."""


@dataclass(frozen=True, slots=True)
class Matches:
    """``of_place`` maps the index of a place to that of its detection; ``unmatched`` are the other detections."""

    of_place: dict[int, int]
    unmatched: tuple[int, ...]


def match(
    places: Sequence[Place], boxes: Boxes, detections: Detections, rules: MemoryRules, others: Collection[int] = ()
) -> Matches:
    """Assign detections to places, the best overlap first. ``boxes`` are the detections' in the reference view.

    ``others`` are the indexes of places that look other than remembered: what is detected there is not theirs.
    """
    if not len(boxes):
        return Matches({}, ())
    if not places:
        return Matches({}, _one_of_each(boxes, detections, (), rules))
    overlap = iou(np.array([place.box for place in places], np.float32), boxes)
    claims: list[tuple[float, int, int]] = []
    for i, j in zip(*np.nonzero(overlap >= rules.match_iou), strict=True):
        if i in others:
            continue
        claim = float(overlap[i, j])
        if detections.groups[j] is not places[i].group:
            claim -= OTHER_GROUP_PENALTY
        strays = places[i].standing and strayed(_box(boxes, int(j)), places[i].box) > rules.move_offset
        if claim >= rules.match_iou and not strays:
            claims.append((claim + (STANDING_BONUS if places[i].standing else 0.0), int(i), int(j)))
    of_place: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in sorted(claims, key=lambda claim: (-claim[0], claim[1], claim[2])):
        if i not in of_place and j not in taken:
            of_place[i] = j
            taken.add(j)
    return Matches(of_place, _one_of_each(boxes, detections, sorted(taken), rules))


def _one_of_each(boxes: Boxes, detections: Detections, taken: Sequence[int], rules: MemoryRules) -> tuple[int, ...]:
    """The detections that are neither taken nor second sights of one thing: a car that is a truck too."""
    overlap, inside = iou(boxes, boxes), covered(boxes, boxes)
    kept = list(taken)
    for index in np.argsort(-detections.scores, kind="stable"):
        if index in taken:
            continue
        score = detections.scores[index]
        again = False
        for other in kept:
            weaker = score < rules.least_best_score and score < 0.5 * detections.scores[other]
            same_group = detections.groups[index] is detections.groups[other]
            part = same_group and weaker and inside[index, other] >= rules.part_covered
            again = again or part or overlap[index, other] >= rules.same_thing_iou
        if not again:
            kept.append(int(index))
    return tuple(sorted(set(kept) - set(taken)))


def _box(boxes: Boxes, index: int) -> Box:
    x1, y1, x2, y2 = (float(side) for side in boxes[index])
    return x1, y1, x2, y2
