"""The footprints of what stands in one passage, found once and kept while a thing looks the same."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.background import Background
from edge_agent.scene.boxes import Boxes, covered
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.contours import Contours
from edge_agent.scene.footprint import Footprint, footprint_of_box, footprint_of_wheels
from edge_agent.scene.meter_rules import METER_RULES, MeterRules
from edge_agent.scene.patch import Patch
from edge_agent.scene.shapes import GROUP_SHAPES, shape_for
from edge_agent.scene.silhouette import Cut, footprint_of_silhouette
from edge_agent.scene.standing_object import StandingObject
from edge_agent.scene.stay import Box, Stay
from edge_agent.scene.upright import Upright
from edge_agent.scene.zone_crop import ZoneCrop

_EDGE_PX = 3
"""What ends so near to the picture's border may go on beyond it."""
_CYCLE = GROUP_SHAPES[ClassGroup.CYCLE]


@dataclass(slots=True, eq=False)
class _OfRegion:
    """What is known of a region of change: its footprint as a thing of unknown shape, and as a cycle if it is one.

    ``asked_s``: when it was last asked whether it is one.
    """

    version: int
    footprint: Footprint | None
    cycle: Footprint | None = None
    asked_s: float = -np.inf


class KeptFootprints:
    """Footprints of stays by their id and of regions of change by theirs."""

    def __init__(
        self,
        crop: ZoneCrop,
        calibration: Calibration,
        upright: Upright,
        frame_size: tuple[int, int],
        background: Background,
        rules: MeterRules = METER_RULES,
    ) -> None:
        self._crop = crop
        self._calibration = calibration
        self._upright = upright
        self._frame_size = frame_size
        self._background = background
        self._rules = rules
        self._stays: dict[str, tuple[Box, Footprint | None]] = {}
        self._regions: dict[int, _OfRegion] = {}
        self._roofed: dict[tuple[int, int, int, int], Footprint | None] = {}

    def of_stay(self, stay: Stay, box: Box) -> Footprint | None:
        """That of a stay whose best box is ``box``; None without a known size, or if the size does not fit."""
        shape = shape_for(stay.class_group, stay.class_name)
        if shape is None:
            return None
        kept = self._stays.get(stay.stay_id)
        size = max(box[2] - box[0], box[3] - box[1], 1.0)
        if kept is None or np.abs(np.subtract(kept[0], box)).max() > self._rules.box_change * size:
            found = footprint_of_box(box, shape, self._upright, self._calibration, self._frame_size, self._contours())
            kept = self._stays[stay.stay_id] = (box, found)
        return kept[1]

    def of_candidate(self, stay: Stay) -> Footprint | None:
        """A rough one of what may come to stand."""
        shape = shape_for(stay.class_group, stay.class_name)
        if shape is None:
            return None
        return footprint_of_box(stay.box, shape, self._upright, self._calibration, self._frame_size)

    def of_thing(self, thing: StandingObject, cycles: Boxes, now_s: float) -> Footprint | None:
        """That of a thing without a class. ``cycles`` (n, 4): where cycles are seen; it may be the one seen there."""
        kept = self._regions.get(thing.object_id)
        if kept is None or kept.version != thing.version:
            kept = self._regions[thing.object_id] = _OfRegion(thing.version, self.of_region(thing.region))
        if kept.cycle is None and thing.standing and now_s - kept.asked_s >= self._rules.ask_s:
            box = self._crop.to_frame(thing.region.box)
            if lies_in(box, cycles, self._rules.same_thing_share):
                kept.asked_s = now_s
                kept.cycle = footprint_of_wheels(
                    box, _CYCLE, self._upright, self._calibration, self._frame_size, self._contours()
                )
        return kept.cycle or kept.footprint

    def of_roofed(self, thing: StandingObject, roof: StandingObject) -> Footprint | None:
        """That of a thing and a roof over it, whose posts are too thin to be seen: what is between is theirs."""
        key = thing.object_id, thing.version, roof.object_id, roof.version
        if key not in self._roofed:
            both = thing.region.joined(roof.region)
            outline = cv2.convexHull(np.argwhere(both.mask)[:, ::-1].astype(np.int32))
            whole = np.zeros(both.mask.shape, np.uint8)
            cv2.fillConvexPoly(whole, outline, 1)
            self._roofed[key] = self.of_region(Patch(both.x, both.y, whole > 0))
        return self._roofed[key]

    def of_region(self, region: Patch) -> Footprint | None:
        """That of a thing of unknown shape whose silhouette is ``region``."""
        crop = self._crop
        origin = (crop.left + region.x / crop.scale, crop.top + region.y / crop.scale)
        left, _, right, bottom = crop.to_frame(region.box)
        width, height = self._frame_size
        cut = Cut(left <= _EDGE_PX, right >= width - _EDGE_PX, bottom >= height - _EDGE_PX)
        return footprint_of_silhouette(region.mask, origin, crop.scale, self._upright, self._calibration, cut)

    def reaches(self, box: Box, top_px: float) -> bool:
        """True if what stands at the foot of a box and is as high as a stall reaches up to a line of the picture."""
        (foot,) = self._calibration.to_ground([[(box[0] + box[2]) / 2, box[3]]])
        highest = self._upright.to_pixels(np.array([*foot, self._rules.roof_m]))
        return bool(np.isfinite(highest).all() and highest[1] <= top_px)

    def forget_others(self, stays: Collection[str], things: Collection[int]) -> None:
        """Keep only those of the stays and things named."""
        self._stays = {name: kept for name, kept in self._stays.items() if name in stays}
        self._regions = {name: kept for name, kept in self._regions.items() if name in things}
        self._roofed = {key: kept for key, kept in self._roofed.items() if key[0] in things and key[2] in things}

    def _contours(self) -> Contours:
        """The contours of what stands in the crop, without people."""
        crop = self._crop
        return Contours.of(self._background.settled, (crop.left, crop.top), crop.scale)


def lies_in(box: Box, others: Boxes, share: float) -> bool:
    """True if so large a share of a box lies in one of (n, 4) others."""
    return bool((covered(np.array([box], np.float32), others) >= share).any())
