"""Change that the detector sees as a bag, a chair, a box: a thing, though light could explain it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.background import Background
from edge_agent.scene.boxes import Boxes
from edge_agent.scene.patch import Mask
from edge_agent.scene.pose import Pose
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True)
class NamedRules:
    """When a detection says that a change is a thing."""

    score: float = 0.2
    """Least score: bags far away and in the dark have 0.2 to 0.3."""
    evidence: float = 0.25
    """The sum of its scores from which it is believed: somebody whom the detector misses is a weak suitcase once."""
    changed: float = 0.4
    """Share of a thing's box that must have changed: bags fill 0.5 to 0.8 of theirs;"""
    in_sight: float = 0.8
    """of the box this share must be in sight, for people carry bags."""
    bare: float = 0.8
    """A detector that sees a thing where this share of the box looks as it always has sees it in the ground,"""
    old: float = 0.5
    """and says nothing new of a box of which it has seen this share so, or that has a part of a thing that stands:
    beside that it is what the thing throws on the ground."""
    shown: float = 0.5
    """What shows by itself on this share of its change has its outline from that: the rest is its shadow."""


NAMED_RULES = NamedRules()


class NamedThings:
    """The pixels of one crop that have changed and are seen as things. Feed it every frame in order of media time."""

    def __init__(self, crop: ZoneCrop, background: Background, rules: NamedRules = NAMED_RULES) -> None:
        self._crop = crop
        self._background = background
        self._rules = rules
        self._evidence = np.zeros(crop.shape, np.float32)
        self._old: Mask = np.zeros(crop.shape, bool)

    def observe(
        self, detections: Detections, pose: Pose, shown: Mask, standing: Mask, hidden: Mask, now_s: float
    ) -> Mask:
        """What has been seen as things often enough since it took on its look, after ``background`` learnt a frame.

        ``shown``: what shows a thing by itself; ``standing``: the things that stand; ``hidden``: where people are.
        """
        rules, background = self._rules, self._background
        self._evidence[(background.settled_since_s >= now_s) & ~hidden] = 0
        named = np.array([group is ClassGroup.OBJECT for group in detections.groups], bool)
        named &= detections.scores >= rules.score
        boxes = pose.boxes_to_reference(detections.boxes[named])
        if len(boxes):
            self._evidence += self._seen_as_things(boxes, detections.scores[named], shown, standing, hidden)
        return np.asarray(self._evidence >= rules.evidence, bool)

    def _seen_as_things(
        self, boxes: Boxes, scores: NDArray[np.float32], shown: Mask, standing: Mask, hidden: Mask
    ) -> NDArray[np.float32]:
        """The best score at each pixel that has changed in boxes of things, (n, 4), where it can be new."""
        rules, background = self._rules, self._background
        things = np.zeros(hidden.shape, np.float32)
        for box, score in zip(boxes, scores, strict=True):
            part = self._crop.part(box)
            size = hidden[part].size
            if not size or np.count_nonzero(hidden[part]) > (1 - rules.in_sight) * size:
                continue
            changed = ~background.alike(background.settled[part], background.background[part])
            changed &= background.known[part] & ~hidden[part]
            change = int(np.count_nonzero(changed))
            if change <= (1 - rules.bare) * size:
                self._old[part] = True
                continue
            new = np.count_nonzero(self._old[part]) < rules.old * size and not standing[part].any()
            if new and change >= rules.changed * size and np.count_nonzero(shown[part]) < rules.shown * change:
                things[part] = np.maximum(things[part], score * changed)
        return things
