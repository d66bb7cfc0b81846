"""Is it somebody? A second look at a change that is about to be believed to be a thing.

Detectors miss people who stand, by infrared and far away most of all, and find them in an enlarged part of the picture.
Cut so closely, bags and boxes look like people too, but such boxes are larger than what has changed there: they hold
ground. Who came is changed from head to foot.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.boxes import Boxes
from edge_agent.scene.lifeless import Lifeless
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.pose import Pose
from edge_agent.scene.stay import Box
from edge_agent.scene.zone_crop import ZoneCrop

LookAt = Callable[[Box], Detections]
"""What a second look at a box of the frame shows, in pixels of the frame."""
CropBox = tuple[int, int, int, int]
"""xyxy in pixels of the crop."""


@dataclass(frozen=True, slots=True)
class SecondLookRules:
    """When a person found by a second look is believed. Measured on the passage suite by day and by infrared light."""

    score: float = 0.2
    """Least score: people whom the first look had missed have 0.2 to 0.8, in nearly every frame."""
    covered: float = 0.6
    """Share of the region that must lie in the person's box for it to be a part of the person."""
    changed: float = 0.4
    """Share of that box which must have changed: 0.44 to 0.75 where people are, 0.1 to 0.35 where bags were taken for
    some."""


SECOND_LOOK_RULES = SecondLookRules()


class SecondLook:
    """The second looks at one frame, which lies in ``pose`` against the reference view.

    ``changed``: pixels of the crop that do not show the background in the light it had; ``lifeless`` knows boxes that
    hold nobody.
    """

    def __init__(
        self,
        look_at: LookAt,
        crop: ZoneCrop,
        changed: Mask,
        pose: Pose,
        lifeless: Lifeless,
        rules: SecondLookRules = SECOND_LOOK_RULES,
    ) -> None:
        self._look_at = look_at
        self._crop = crop
        self._changed = changed
        self._pose = pose
        self._lifeless = lifeless
        self._rules = rules
        self._people: list[CropBox] = []
        self.seen: Boxes = np.zeros((0, 4), np.float32)
        """(n, 4): everybody who was detected, in the reference view."""
        self.scores = np.zeros(0, np.float32)

    def person_at(self, region: Patch) -> CropBox | None:
        """Where the person is of whom a region is a part; None if it is nobody's."""
        known = self._whose(region, self._people)
        if known is not None:
            return known
        found = self._look_at(self._pose.box_to_frame(self._crop.to_frame(region.box)))
        likely = [
            group is ClassGroup.PERSON and score >= self._rules.score
            for score, group in zip(found.scores, found.groups, strict=True)
        ]
        found = found.keep(np.array(likely, bool))
        boxes = self._pose.boxes_to_reference(found.boxes)
        self.seen = np.concatenate([self.seen, boxes])
        self.scores = np.concatenate([self.scores, found.scores])
        people = [self._in_crop(box) for box in boxes[~self._lifeless.among(boxes, found.scores)]]
        person = self._whose(region, people)
        if person is not None:
            self._people.append(person)
        return person

    def _whose(self, region: Patch, people: list[CropBox]) -> CropBox | None:
        for x1, y1, x2, y2 in people:
            own = np.zeros(self._changed.shape, bool)
            own[y1:y2, x1:x2] = True
            whole = max((x2 - x1) * (y2 - y1), 1)
            if (
                region.count_in(own) >= self._rules.covered * region.area
                and np.count_nonzero(self._changed[y1:y2, x1:x2]) >= self._rules.changed * whole
            ):
                return x1, y1, x2, y2
        return None

    def _in_crop(self, box: np.ndarray) -> CropBox:
        """What of a box of the reference view lies in the crop."""
        rows, columns = self._crop.shape
        corners = (box - np.array([self._crop.left, self._crop.top] * 2)) * self._crop.scale
        x1, y1, x2, y2 = (int(side) for side in np.clip(np.round(corners), 0, [columns, rows] * 2))
        return x1, y1, x2, y2
