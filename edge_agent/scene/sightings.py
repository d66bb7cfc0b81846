"""Which detection belongs to which place."""

from __future__ import annotations

from collections.abc import Sequence
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


def one_of_each(detections: Detections, rules: MemoryRules) -> Detections:
    """Without second detections of the same thing: a car that is also a truck, the cab of a lorry."""
    if len(detections) < 2:
        return detections
    overlap = iou(detections.boxes, detections.boxes)
    inside = covered(detections.boxes, detections.boxes)
    keep = np.ones(len(detections), bool)
    order = np.argsort(-detections.scores, kind="stable")
    for rank, index in enumerate(order):
        for better in order[:rank]:
            if not keep[better] or detections.groups[index] is not detections.groups[better]:
                continue
            part = (
                inside[index, better] >= rules.part_covered
                and detections.scores[index] < rules.least_best_score
                and detections.scores[index] < 0.5 * detections.scores[better]
            )
            if overlap[index, better] >= rules.same_thing_iou or part:
                keep[index] = False
                break
    return detections.keep(keep)


def match(places: Sequence[Place], boxes: Boxes, detections: Detections, rules: MemoryRules) -> Matches:
    """Assign detections to places, the best overlap first. ``boxes`` are the detections' in the reference view."""
    if not places or not len(boxes):
        return Matches({}, tuple(range(len(boxes))))
    overlap = iou(np.array([place.box for place in places], np.float32), boxes)
    claims: list[tuple[float, int, int]] = []
    for i, j in zip(*np.nonzero(overlap >= rules.match_iou), strict=True):
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
    return Matches(of_place, tuple(j for j in range(len(boxes)) if j not in taken))


def _box(boxes: Boxes, index: int) -> Box:
    x1, y1, x2, y2 = (float(side) for side in boxes[index])
    return x1, y1, x2, y2
