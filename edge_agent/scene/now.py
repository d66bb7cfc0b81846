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
        self.gap = gap
        self._before = before
        self._rules = rules
        self._similarities: dict[int, float] = {}
        self.table = LookTable(frame.grey, self.shift_px).no_wider(FRAME_PX)
        moved = np.array([*view.shift_px, *view.shift_px], np.float32)
        people = np.array([group is ClassGroup.PERSON for group in detections.groups], bool)
        self.solid: Boxes = detections.boxes - moved if len(detections) else np.zeros((0, 4), np.float32)
        sure = detections.scores >= rules.occluder_score
        self.cover_needed = np.where(sure, rules.occluder_cover, rules.weak_occluder_cover)
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
        """How well the place looks as remembered: as when it was last pictured, or as in any look of its album."""
        if place.picture is None:
            return 0.0
        known = self._similarities.get(id(place))
        if known is None:
            sure = self._rules.sure_appearance
            known = self.table.similarity(place.picture, place.pictured_box or place.box)
            if known < sure:
                known = max(known, place.album.likeness(self.table, sure))
            self._similarities[id(place)] = known
        return known

    def recognises(self, place: Place, least: float) -> bool:
        """True if the place looks as remembered by ``least``; or the upper part of it does, something may stand before
        it, by ``part_appearance`` at least."""
        if self.similarity(place) >= least:
            return True
        least = max(least, self._rules.part_appearance)
        return place.album.upper_likeness(self.table, least) >= least

    def looks_other(self, place: Place, found: int, rules: MemoryRules) -> bool:
        """True if the candidate's last picture does not fit where it is detected now."""
        return place.picture is not None and (
            self.table.similarity(place.picture, self.box(found)) < rules.moving_appearance
        )

    def quiet(self, place: Place, rules: MemoryRules) -> bool:
        """True if nothing has moved at the place since the frame before; after a gap, that can't be asked."""
        if self.gap or self._before is None:
            return True
        before = self._before.picture(place.box)
        return before is None or self.table.still(before, place.box, rules.quiet)
