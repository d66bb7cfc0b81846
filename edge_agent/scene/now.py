"""One frame as scene memory sees it."""

from __future__ import annotations

import numpy as np

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.appearance import FRAME_PX, LookTable, Picture
from edge_agent.scene.boxes import Boxes
from edge_agent.scene.camera_state import View
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.place import Place
from edge_agent.scene.stay import Box


class Now:
    """One frame and what can be asked of it, in the reference view."""

    def __init__(
        self,
        frame: Frame,
        view: View,
        detections: Detections,
        at_s: float,
        elapsed_s: float,
        gap: bool,
        before: LookTable | None,
        rules: MemoryRules,
    ) -> None:
        self.frame = frame
        self.at_s = at_s
        self.elapsed_s = elapsed_s
        self.shift_px = view.shift_px
        self._gap = gap
        self._before = before
        self.table = LookTable(frame.grey, self.shift_px).no_wider(FRAME_PX)
        moved = np.array([*view.shift_px, *view.shift_px], np.float32)
        people = np.array([group is ClassGroup.PERSON for group in detections.groups], bool)
        solid = detections.keep(detections.scores >= rules.occluder_score)
        self.occluders: Boxes = solid.boxes - moved if len(solid) else np.zeros((0, 4), np.float32)
        self.detections = detections.keep(~people).first(rules.most_detections) if len(detections) else detections
        self.boxes: Boxes = self.detections.boxes - moved if len(self.detections) else np.zeros((0, 4), np.float32)

    def box(self, index: int) -> Box:
        x1, y1, x2, y2 = (float(side) for side in self.boxes[index])
        return x1, y1, x2, y2

    def score(self, index: int) -> float:
        return float(self.detections.scores[index])

    def picture(self, box: Box) -> Picture | None:
        return self.table.picture(box)

    def similarity(self, place: Place) -> float:
        return 0.0 if place.picture is None else self.table.similarity(place.picture, place.pictured_box or place.box)

    def looks_other(self, place: Place, found: int, rules: MemoryRules) -> bool:
        """True if the candidate's last picture does not fit where it is detected now."""
        return place.picture is not None and (
            self.table.similarity(place.picture, self.box(found)) < rules.moving_appearance
        )

    def quiet(self, place: Place, rules: MemoryRules) -> bool:
        """True if nothing has moved at the place since the frame before; after a gap, that can't be asked."""
        if self._gap or self._before is None:
            return True
        before = self._before.picture(place.box)
        return before is None or self.table.still(before, place.box, rules.quiet)
