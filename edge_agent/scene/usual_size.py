"""How large things are where they stand in the picture: learned from what the detector is sure of."""

from __future__ import annotations

from collections import deque
from statistics import median

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.boxes import Boxes, root_area
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box

KEPT = 600
"""Sure detections kept for each class group."""
DUMPED = 200
"""How many of them outlive a restart: the kept state is written often."""


class UsualSizes:
    """Sizes of sure detections by the height of their feet in the picture."""

    def __init__(self, rules: MemoryRules) -> None:
        self._rules = rules
        self._seen: dict[ClassGroup, deque[tuple[float, float]]] = {}

    def learn(self, detections: Detections, boxes: Boxes) -> None:
        """Take in one frame's detections; ``boxes``, (n, 4), are theirs in the reference view."""
        for index, group in enumerate(detections.groups):
            if detections.scores[index] >= self._rules.sure_score:
                x1, y1, x2, y2 = (float(side) for side in boxes[index])
                seen = self._seen.setdefault(group, deque(maxlen=KEPT))
                seen.append((y2, root_area((x1, y1, x2, y2))))

    def dump(self) -> dict[str, list[list[float]]]:
        """What must survive a restart, to a tenth of a pixel: foot and size of the last of each group."""
        return {
            group.value: [[round(foot, 1), round(size, 1)] for foot, size in list(seen)[-DUMPED:]]
            for group, seen in self._seen.items()
        }

    def load(self, state: dict[str, list[list[float]]]) -> None:
        """Go on from ``dump``. Raises ``TypeError`` or ``ValueError`` for anything else."""
        self._seen = {
            ClassGroup(group): deque(((float(foot), float(size)) for foot, size in seen), maxlen=KEPT)
            for group, seen in state.items()
        }

    def odd(self, box: Box, group: ClassGroup, frame_height: int) -> bool:
        """True if a thing of this group can hardly have this size here."""
        band = self._rules.size_band * frame_height
        sizes = [size for foot, size in self._seen.get(group, ()) if abs(foot - box[3]) <= band]
        if len(sizes) < self._rules.size_samples:
            return False
        ratio = root_area(box) / median(sizes)
        return ratio > self._rules.odd_size or ratio < 1 / self._rules.odd_size
