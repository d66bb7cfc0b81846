"""Everything that stands in one passage, each thing once: stays with a class, and regions of change without one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.boxes import Boxes, areas, intersections, iou
from edge_agent.scene.footprint import Footprint
from edge_agent.scene.kept_footprints import KeptFootprints, lies_in
from edge_agent.scene.meter_rules import METER_RULES, MeterRules
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.shapes import shape_for
from edge_agent.scene.standing_object import StandingObject
from edge_agent.scene.standing_objects import StandingObjects
from edge_agent.scene.stay import Box, Stay, StayState
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True, eq=False)
class Thing:
    """One thing that may stand in the passage. ``sure`` is false while nobody can tell whether it does."""

    box: Box
    state: StayState
    since_s: float
    footprint: Footprint
    sure: bool
    stay_id: str | None = None


class PassageThings:
    """Puts stays and regions of change together. Ask it once for each frame, in order of media time."""

    def __init__(
        self, crop: ZoneCrop, objects: StandingObjects, footprints: KeptFootprints, rules: MeterRules = METER_RULES
    ) -> None:
        self._crop = crop
        self._objects = objects
        self._footprints = footprints
        self._rules = rules
        self._stay_regions: dict[str, tuple[Patch, float]] = {}

    def standing(
        self,
        stays: Sequence[Stay],
        cycles: Boxes,
        bare: Mask,
        hidden: Mask,
        at_most: Mapping[int, Patch],
        now_s: float,
    ) -> list[Thing]:
        """The things of this frame.

        ``cycles`` (n, 4): boxes of cycles that are detected, in the reference view; ``bare``: pixels of the crop that
        show the ground; ``hidden``: those that show people; ``at_most``: by the ids of things without a class what they
        are if they go on behind people.
        """
        regions = [
            thing for thing in self._objects.objects if thing.standing or self._objects.is_doubtful(thing, now_s)
        ]
        own_boxes = {thing.object_id: self._crop.to_frame(thing.region.box) for thing in regions}
        found: list[Thing] = []
        taken: set[int] = set()
        shown = [
            stay
            for stay in stays
            if stay.standing and stay.state is not StayState.ABSENT and stay.class_group is not ClassGroup.PERSON
        ]
        for stay in shown:
            box, parts = self._own_regions(stay, own_boxes, regions)
            if self._has_left(stay, parts, bare, now_s):
                continue
            footprint = self._footprints.of_stay(stay, box)
            if footprint is not None:
                taken.update(thing.object_id for thing in parts)
                # What is seen of it now is in its box, whenever that came.
                sure = self._is_sure(stay, parts, self._filling(stay, own_boxes, regions), hidden, now_s)
                found.append(Thing(stay.box, stay.state, stay.from_s, footprint, sure, stay.stay_id))
        present = {stay.stay_id for stay in shown}
        self._stay_regions = {name: kept for name, kept in self._stay_regions.items() if name in present}
        known = _boxes(stay.box for stay in shown if stay.class_group is ClassGroup.CYCLE)
        cycles = np.concatenate([cycles, known])
        candidates = [
            stay
            for stay in stays
            if not stay.standing and stay.state is StayState.OBSERVED and shape_for(stay.class_group, stay.class_name)
        ]
        found += self._coming(candidates, now_s)
        coming = _boxes(stay.box for stay in candidates)
        own = [own_boxes[thing.object_id] for thing in regions]
        roofs = self._roofs([thing for thing in regions if thing.object_id not in taken], own_boxes)
        taken.update(roof.object_id for roof in roofs.values())
        for thing in regions:
            if thing.object_id in taken or self._is_top(own_boxes[thing.object_id], own):
                continue
            roof = roofs.get(thing.object_id)
            if roof is not None:
                footprint = self._footprints.of_roofed(thing, roof)
            else:
                footprint = self._footprints.of_thing(thing, cycles, now_s)
            if footprint is not None:
                known_soon = lies_in(own_boxes[thing.object_id], coming, self._rules.same_thing_share)
                known_soon = known_soon and now_s - thing.since_s < self._rules.known_soon_s
                sure = not known_soon and not self._objects.is_doubtful(thing, now_s)
                found.append(Thing(own_boxes[thing.object_id], thing.state, thing.since_s, footprint, sure))
            if thing.object_id in at_most:
                footprint = self._footprints.of_region(at_most[thing.object_id])
                if footprint is not None:
                    box = own_boxes[thing.object_id]
                    found.append(Thing(box, StayState.UNKNOWN, thing.since_s, footprint, sure=False))
        self._footprints.forget_others(present, {thing.object_id for thing in regions})
        return found

    def _coming(self, candidates: Sequence[Stay], now_s: float) -> list[Thing]:
        """Things with a class that keep their place, but not for long enough to stand."""
        found = []
        for stay in candidates:
            waits_s = now_s - stay.from_s
            if stay.score >= self._rules.coming_score and self._rules.coming_s <= waits_s < self._rules.known_soon_s:
                footprint = self._footprints.of_candidate(stay)
                if footprint is not None:
                    found.append(Thing(stay.box, StayState.UNKNOWN, stay.from_s, footprint, sure=False))
        return found

    def unexplained(self, change: Sequence[Patch], stays: Sequence[Stay], now_s: float) -> list[Thing]:
        """What may stand where regions of change are none of the things that are known."""
        known = _boxes(
            stay.box
            for stay in stays
            if stay.standing and stay.state is not StayState.ABSENT and stay.class_group is not ClassGroup.PERSON
        )
        found = []
        for region in sorted(change, key=lambda region: (-region.area, region.box))[: self._rules.most_unexplained]:
            box = self._crop.to_frame(region.box)
            footprint = self._footprints.of_region(region)
            if footprint is not None and not lies_in(box, known, self._rules.same_thing_share):
                found.append(Thing(box, StayState.UNKNOWN, now_s, footprint, sure=False))
        return found

    def _roofs(self, things: list[StandingObject], boxes: dict[int, Box]) -> dict[int, StandingObject]:
        """For things by their ids what is over them as the roof of a stall is: it came with them, and floats."""
        rules = self._rules
        found: dict[int, StandingObject] = {}
        standing = [thing for thing in things if thing.standing]
        for roof in standing:
            over = boxes[roof.object_id]
            for thing in standing:
                under = boxes[thing.object_id]
                shared = min(over[2], under[2]) - max(over[0], under[0])
                if thing is roof or shared < rules.roof_overlap * (under[2] - under[0]):
                    continue
                came = abs(thing.since_s - roof.since_s) <= rules.roof_s
                if came and over[3] <= under[1] + rules.top_gap_px and self._footprints.reaches(under, over[1]):
                    found.setdefault(thing.object_id, roof)
        return {name: roof for name, roof in found.items() if roof.object_id not in found}

    def _is_top(self, box: Box, others: list[Box]) -> bool:
        """True for the small upper end of a larger change, a saddle over its wheels: its foot is not on the ground."""
        rules = self._rules
        for other in others:
            small = (box[2] - box[0]) * (box[3] - box[1]) < rules.top_share * (other[2] - other[0]) * (
                other[3] - other[1]
            )
            over = min(box[2], other[2]) - max(box[0], other[0]) >= rules.top_overlap * (box[2] - box[0])
            if small and over and box[3] - other[1] + rules.top_gap_px >= 0 and box[3] < (other[1] + other[3]) / 2:
                return True
        return False

    def _has_left(self, stay: Stay, parts: list[StandingObject], bare: Mask, now_s: float) -> bool:
        """True if the ground shows again where a stay had changed it, while the detector does not see it."""
        if parts:
            region = parts[0].region
            for part in parts[1:]:
                region = region.joined(part.region)
            self._stay_regions[stay.stay_id] = region, now_s
        if stay.stay_id not in self._stay_regions or stay.state is StayState.OBSERVED:
            return False
        own, _ = self._stay_regions[stay.stay_id]
        return own.count_in(bare) >= self._rules.ground_share * own.area

    def _is_sure(
        self, stay: Stay, parts: list[StandingObject], inside: list[StandingObject], hidden: Mask, now_s: float
    ) -> bool:
        doubtful = sum(thing.region.area for thing in inside if self._objects.is_doubtful(thing, now_s))
        if 2 * doubtful > sum(thing.region.area for thing in inside if thing.standing) > 0:
            return False
        if stay.state is StayState.OBSERVED:
            # Something like it is detected there, but the change that it made is gone: perhaps it is wheeled away.
            _, seen_s = self._stay_regions.get(stay.stay_id, (None, -np.inf))
            return not 0 < now_s - seen_s < self._rules.known_soon_s
        if (not parts and stay.stay_id in self._stay_regions) or now_s - stay.last_observed_s >= self._rules.unseen_s:
            return False
        box = np.zeros(self._crop.shape, bool)
        self._crop.cover(box, stay.box, 0.0)
        covered = int(np.count_nonzero(box & hidden))
        return covered >= self._rules.hidden_share * max(int(np.count_nonzero(box)), 1)

    def _own_regions(
        self, stay: Stay, own_boxes: dict[int, Box], regions: list[StandingObject]
    ) -> tuple[Box, list[StandingObject]]:
        """The best box of a stay, and the regions of change that are it: those in its box that came with it."""
        came_with_it = [thing for thing in regions if stay.from_s >= thing.since_s - self._rules.same_thing_s]
        target = np.array([stay.box], np.float32)
        box, best_iou = stay.box, self._rules.tight_iou
        for thing in came_with_it:
            overlap = float(iou(np.array([own_boxes[thing.object_id]], np.float32), target)[0, 0])
            if overlap >= best_iou:
                box, best_iou = own_boxes[thing.object_id], overlap
        return box, self._filling(stay, own_boxes, came_with_it)

    def _filling(self, stay: Stay, own_boxes: dict[int, Box], regions: list[StandingObject]) -> list[StandingObject]:
        """The regions of change in a stay's box, if together they fill it."""
        target, filled = np.array([stay.box], np.float32), 0.0
        inside: list[StandingObject] = []
        for thing in regions:
            own = np.array([own_boxes[thing.object_id]], np.float32)
            shared, whole = float(intersections(own, target)[0, 0]), max(float(areas(own)[0]), 1.0)
            if shared >= self._rules.same_thing_share * whole:
                inside.append(thing)
                filled += shared
        return inside if filled >= self._rules.filled_share * float(areas(target)[0]) else []


def _boxes(boxes: Iterable[Box]) -> Boxes:
    return np.array(list(boxes), np.float32).reshape(-1, 4)
