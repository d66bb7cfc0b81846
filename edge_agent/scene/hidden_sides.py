"""How far things may reach behind the people before them: where the end of one is hidden, it may go on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.scene.boxes import Boxes
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.standing_object import StandingObject
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True)
class SideRules:
    """When the ends of a thing have been seen. Times are media time."""

    border_px: int = 4
    """The border of a region is what lies so near to it."""
    unseen_share: float = 0.2
    """A region may go on if this share of its border was never seen to be ground."""
    patience_s: float = 8.0
    """Who hides an end for longer says no more about it: somebody who sells at a stall, or waits."""


SIDE_RULES = SideRules()


@dataclass(slots=True, eq=False)
class _Known:
    """A thing that came at ``since_s``, and the pixels of the crop that were seen to be ground at some time since."""

    since_s: float
    ground: Mask


class HiddenSides:
    """The things of one crop whose ends nobody has seen yet. Feed it every frame in order of media time.

    What shows beside somebody's leg may go on behind it, and what shows above his head stands at his feet.
    A person's box is grown by ``person_margin``, a share of its sides.
    """

    def __init__(self, crop: ZoneCrop, person_margin: float, rules: SideRules = SIDE_RULES) -> None:
        self._crop = crop
        self._margin = person_margin
        self._rules = rules
        self._known: dict[int, _Known] = {}
        self._people: list[tuple[slice, slice]] = []
        self._changed: Mask = np.zeros(crop.shape, bool)

    def observe(self, things: Iterable[StandingObject], people: Boxes, changed: Mask, now_s: float) -> dict[int, Patch]:
        """By the ids of things whose ends are hidden, what they are at most.

        ``people`` (n, 4): boxes of the people in this frame; ``changed``: pixels of the crop that show no ground in it.
        """
        self._people = [self._crop.part(box, self._margin) for box in people]
        self._changed = changed
        before, self._known = self._known, {}
        found: dict[int, Patch] = {}
        for thing in things:
            if thing.standing and thing.object_id not in before:
                continue  # its ends were seen
            known = before.get(thing.object_id) or _Known(now_s, np.zeros(self._crop.shape, bool))
            late = now_s - known.since_s > self._rules.patience_s
            whole = None if late else self.with_people(thing.region, known.ground)
            if whole is not None:
                found[thing.object_id] = whole
            if whole is not None or not thing.standing:
                self._known[thing.object_id] = known
        return found

    def with_people(self, region: Patch, ground: Mask | None = None) -> Patch | None:
        """A region of the frame observed last, and whatever hides its ends; None if its ends are in sight.

        ``ground``: pixels that were seen to be ground while it stood there, brought up to date.
        """
        hides = np.zeros(self._crop.shape, bool)
        for rows, columns in self._people:
            if rows.stop >= region.box[3]:  # whose feet are further up stands behind it
                hides[rows, columns] = True
        beyond = hides | self._changed
        if ground is not None:
            ground |= ~beyond
            beyond &= ~ground
        border = self._border(region)
        if border.count_in(beyond) < self._rules.unseen_share * border.area:
            return None
        region.add_to(beyond)
        labels = cv2.connectedComponents(beyond.view(np.uint8))[1]
        whole = labels == np.bincount(labels[region.part][region.mask]).argmax()
        return Patch.of(whole) if (whole & hides).any() else None

    def _border(self, region: Patch) -> Patch:
        reach = self._rules.border_px
        around = np.pad(region.mask, reach).view(np.uint8)
        border = (cv2.dilate(around, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) > 0) & (around == 0)
        rows, columns = self._crop.shape
        top, left = max(reach - region.y, 0), max(reach - region.x, 0)
        x, y = region.x - reach + left, region.y - reach + top
        return Patch(x, y, border[top : top + rows - y, left : left + columns - x])
