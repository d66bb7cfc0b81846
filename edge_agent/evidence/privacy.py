"""People are made unrecognisable before a picture is shown or kept."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.capture.frame import Image
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.stay import Box


@dataclass(frozen=True, slots=True)
class MaskRules:
    """How people are masked.

    ``blocks``: how many blocks the longer side of a person's box is cut into. A head is an eighth of a standing
    figure, so it becomes one block, and of a head and shoulders alone some three by three: far below the 10 or so
    pixels across a face by which one is recognised.
    ``least_block_px``: blocks are never finer than this, whatever the box.
    ``blocks_across``: into how many blocks a whole picture is cut where nobody looked for people: somebody who is half
    as tall as the picture has a head of one or two.
    ``margin``: share of the box's sides by which it grows on each side, for boxes that cut off head or feet.
    ``spared_overlap``, ``spared_below_score``: a weak person box that coincides with the subject (IoU) is taken to be
    the subject itself, seen wrongly; a strong one is masked even then.
    """

    blocks: int = 6
    least_block_px: int = 5
    blocks_across: int = 40
    margin: float = 0.15
    spared_overlap: float = 0.6
    spared_below_score: float = 0.5


RULES = MaskRules()


def mask_people(
    image: Image, detections: Detections, subject: Box | None = None, rules: MaskRules = RULES
) -> tuple[Image, int]:
    """A copy of ``image`` in which every detected person is cut into coarse blocks, and how many there were.

    All persons in ``detections`` count, whatever their score: give the weakest that the detector still reports.
    """
    masked = image.copy()
    boxes = [
        tuple(float(side) for side in detections.boxes[n])
        for n in range(len(detections))
        if detections.groups[n] is ClassGroup.PERSON
        and not _is_subject(detections.boxes[n], float(detections.scores[n]), subject, rules)
    ]
    # Largest last: coarse blocks go over the finer ones of a smaller box inside, never the other way round.
    for box in sorted(boxes, key=lambda b: ((b[2] - b[0]) * (b[3] - b[1]), b)):
        _pixelate(masked, box, rules)
    return masked, len(boxes)


def mask_all(image: Image, rules: MaskRules = RULES) -> Image:
    """The whole picture in coarse blocks, for one in which nobody looked for people."""
    height, width = image.shape[:2]
    block = max(height, width) / rules.blocks_across
    small = cv2.resize(
        image, (max(1, round(width / block)), max(1, round(height / block))), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)


def _is_subject(person: np.ndarray, score: float, subject: Box | None, rules: MaskRules) -> bool:
    if subject is None or score >= rules.spared_below_score:
        return False
    return overlap((person[0], person[1], person[2], person[3]), subject) >= rules.spared_overlap


def overlap(one: Box, other: Box) -> float:
    """Intersection over union of two boxes, 0-1."""
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    if width <= 0 or height <= 0:
        return 0.0
    both = width * height
    areas = (one[2] - one[0]) * (one[3] - one[1]) + (other[2] - other[0]) * (other[3] - other[1])
    return float(both / (areas - both))


def _pixelate(image: Image, box: tuple[float, ...], rules: MaskRules) -> None:
    x1, y1, x2, y2 = box
    grow_x, grow_y = (x2 - x1) * rules.margin, (y2 - y1) * rules.margin
    left, top = max(0, int(x1 - grow_x)), max(0, int(y1 - grow_y))
    right, bottom = min(image.shape[1], int(x2 + grow_x) + 1), min(image.shape[0], int(y2 + grow_y) + 1)
    if right <= left or bottom <= top:
        return
    block = max(rules.least_block_px, max(x2 - x1, y2 - y1) / rules.blocks)
    across, down = max(1, round((right - left) / block)), max(1, round((bottom - top) / block))
    region = image[top:bottom, left:right]
    small = cv2.resize(region, (across, down), interpolation=cv2.INTER_AREA)
    image[top:bottom, left:right] = cv2.resize(
        small, (region.shape[1], region.shape[0]), interpolation=cv2.INTER_NEAREST
    )
