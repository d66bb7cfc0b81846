"""Things without a class that stand in a zone: long-lived change that is no light, no person and no ghost."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.background import Background, Look
from edge_agent.scene.ghost import left_behind
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.stay import StayState


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """What makes a region of change a standing thing, and what ends it. Times are media time."""

    stand_s: float = 2.0
    """A region that has kept its place for so long stands: longer than a step, short enough to be told in time."""
    keep_iou: float = 0.6
    """Overlap with where it was first seen by which a region has kept its place."""
    person_memory_s: float = 4.0
    """A look that settled under a detected person is that person for so long after the last detection: detectors
    miss a standing person now and then, rarely for longer."""
    person_share: float = 0.5
    """Share of a region that must have been under people for it to be one."""
    gone_share: float = 0.35
    """A thing is gone when less than this share of it has not been seen to be ground again."""
    hidden_share: float = 0.5
    """A thing is occluded when more than this share of it is hidden, or shows neither it nor the ground."""
    like_share: float = 0.3
    """Less than this share of what is seen of a thing looks like it: something else is there."""
    like_slack: float = 2.0
    """Times the noise by which a thing may differ from how it looked when it came: the light on it changes."""
    other_s: float = 2.5
    """A thing of which nothing is seen for so long although nobody stands before it has been moved."""
    same_thing_share: float = 0.12
    """A region that touches a thing and is smaller than this share of it is a part of it that was not seen at first."""
    close_px: int = 5
    """Gaps narrower than this belong to the thing (spokes, handles)."""
    margin_px: int = 4
    """The background learns nothing so near to a thing: its blurred border is neither."""
    most_objects: int = 60
    """More regions than this are no things but a scene out of hand: the smallest are dropped."""


OBJECT_RULES = ObjectRules()


@dataclass(slots=True, eq=False)
class StandingObject:
    """One thing without a class, or (not ``standing``) a candidate for one.

    ``region``: where it is in the crop. ``look``: what it looked like there when it came to stand. ``version`` changes
    with the region.
    """

    object_id: int
    region: Patch
    look: Look
    first_area_px: int
    since_s: float
    last_observed_s: float
    state: StayState
    standing: bool
    version: int = 0
    other_since_s: float | None = None


class StandingObjects:
    """The things of one crop. ``least_area_px`` gives, for each pixel, how large a thing whose foot is there must be.

    ``ground`` is the zone itself, ``watched`` it and what rises above it.
    """

    def __init__(
        self, ground: Mask, watched: Mask, least_area_px: NDArray[np.float32], rules: ObjectRules = OBJECT_RULES
    ) -> None:
        self.rules = rules
        self.objects: list[StandingObject] = []
        self.next_id = 1
        self._ground = ground
        self._watched = watched
        self._least_area_px = least_area_px
        self._person_seen_s = np.full(watched.shape, -np.inf)
        self._margin = np.ones((2 * rules.margin_px + 1, 2 * rules.margin_px + 1), np.uint8)

    def held(self) -> Mask:
        """Pixels of all things and candidates and a margin round them: the background learns nothing there."""
        held = np.zeros(self._watched.shape, bool)
        for thing in self.objects:
            thing.region.add_to(held)
        if self.objects:
            held = cv2.dilate(held.view(np.uint8), self._margin) > 0
        return held

    def observe(self, background: Background, look: Look, changed: Mask, hidden: Mask, now_s: float) -> None:
        """Bring the things up to date after ``background`` has taken in a frame.

        ``look`` is the frame's, ``changed`` what ``background`` says shows a thing, ``hidden`` where people are.
        """
        self._person_seen_s[hidden] = now_s
        settled = background.has_settled(now_s)
        for thing in self.objects:
            self._review(thing, background, look, settled, changed, hidden, now_s)
        self.objects = [thing for thing in self.objects if thing.state is not StayState.ABSENT]
        self._match(background, settled & changed & self._watched, now_s)

    def _review(
        self,
        thing: StandingObject,
        background: Background,
        look: Look,
        settled: Mask,
        changed: Mask,
        hidden: Mask,
        now_s: float,
    ) -> None:
        """What this frame says of a known thing: pixels that look more like the ground than like it leave it."""
        part, mask = thing.region.part, thing.region.mask
        now = background.settled[part]
        to_ground = np.abs(now - background.background[part]).sum(axis=2)
        to_thing = np.abs(now - thing.look).sum(axis=2)
        seen = ~hidden[part]
        bare = settled[part] & ~changed[part] & seen & (to_ground < to_thing)
        remaining = mask & ~bare
        left = int(np.count_nonzero(remaining))
        if left < self.rules.gone_share * thing.first_area_px:
            thing.state = StayState.ABSENT
            return
        if not thing.standing:
            return
        visible = remaining & seen
        likeness = look[part].copy()
        if visible.any():
            likeness[:, :, 0] -= np.median((likeness - thing.look)[:, :, 0][visible])
        alike = background.alike(likeness, thing.look, self.rules.like_slack) & visible
        shown = int(np.count_nonzero(visible))
        strange = shown > self.rules.hidden_share * left and np.count_nonzero(alike) < self.rules.like_share * shown
        if not strange:
            thing.other_since_s = None
        elif thing.other_since_s is None:
            thing.other_since_s = now_s
        elif now_s - thing.other_since_s >= self.rules.other_s:
            thing.state = StayState.ABSENT
            return
        if strange or shown < (1 - self.rules.hidden_share) * left:
            thing.state = StayState.OCCLUDED
        else:
            thing.state, thing.last_observed_s = StayState.OBSERVED, now_s
        if left < 0.9 * thing.region.area:
            region = thing.region.kept(remaining)
            dy, dx = region.y - thing.region.y, region.x - thing.region.x
            height, width = region.mask.shape
            thing.look = thing.look[dy : dy + height, dx : dx + width].copy()
            thing.region, thing.version = region, thing.version + 1

    def _match(self, background: Background, shown: Mask, now_s: float) -> None:
        standing = [thing for thing in self.objects if thing.standing]
        candidates = [thing for thing in self.objects if not thing.standing]
        taken = np.zeros(shown.shape, bool)
        for thing in standing:
            thing.region.add_to(taken)
        kept = list(standing)
        for region in self._regions(shown & ~taken):
            same = [old for old in candidates if old.region.iou(region) >= self.rules.keep_iou]
            if same:
                thing = max(same, key=lambda old: old.region.iou(region))
                candidates.remove(thing)
                thing.region, thing.last_observed_s, thing.state = region, now_s, StayState.OBSERVED
            else:
                since_s = float(np.median(background.settled_since_s[region.part][region.mask]))
                thing = StandingObject(
                    self.next_id, region, _NO_LOOK, 0, since_s, now_s, StayState.OBSERVED, standing=False
                )
                self.next_id += 1
            thing.first_area_px = region.area
            thing.look = background.settled[region.part].copy()
            if self._is_person(thing, now_s):
                continue
            if now_s - thing.since_s < self.rules.stand_s - 1e-6 or (self._stands_up(thing, background) and not self._joins(thing.region, standing, background)):
                kept.append(thing)
        # A candidate that is hidden for a moment is waited for.
        kept += [thing for thing in candidates if now_s - thing.last_observed_s < self.rules.stand_s]
        kept.sort(key=lambda thing: (not thing.standing, -thing.region.area, thing.object_id))
        self.objects = sorted(kept[: self.rules.most_objects], key=lambda thing: thing.object_id)

    def _regions(self, shown: Mask) -> list[Patch]:
        size = self.rules.close_px
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
        closed = cv2.morphologyEx(shown.view(np.uint8), cv2.MORPH_CLOSE, disc)
        closed = cv2.morphologyEx(closed, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
        contours, _ = cv2.findContours(closed, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        regions = []
        for contour in contours:
            x, y, width, height = cv2.boundingRect(contour)
            if cv2.contourArea(contour) >= self._least_area_px[y + height - 1, x + width // 2]:
                regions.append(Patch.of_contour(contour))
        return regions

    def _joins(self, region: Patch, standing: list[StandingObject], background: Background) -> bool:
        """True if the region is a small part of a thing it touches; the thing then has it."""
        grown = Patch(region.x - 2, region.y - 2, cv2.dilate(np.pad(region.mask, 2).astype(np.uint8), _TOUCH) > 0)
        for thing in standing:
            small = region.area < self.rules.same_thing_share * thing.region.area
            if small and thing.state is StayState.OBSERVED and thing.region.shared(grown):
                thing.region = thing.region.joined(region)
                thing.look = background.settled[thing.region.part].copy()
                thing.first_area_px = max(thing.first_area_px, thing.region.area)
                thing.version += 1
                return True
        return False

    def _is_person(self, thing: StandingObject, now_s: float) -> bool:
        recent = now_s - self._person_seen_s[thing.region.part] < self.rules.person_memory_s
        under = int(np.count_nonzero(recent & thing.region.mask))
        return under > self.rules.person_share * thing.region.area

    def _stands_up(self, thing: StandingObject, background: Background) -> bool:
        """True if a candidate that has kept its place is a thing and not a ghost, in whole or for the most part."""
        ground = self._ground & background.known & ~self.held()
        ghost = left_behind(thing.region, background, ground)
        if ghost.any():
            gone = np.zeros(self._ground.shape, bool)
            Patch(thing.region.x, thing.region.y, ghost).add_to(gone)
            background.adopt(gone)
            remaining = self._regions_of(thing.region, ~ghost)
            if remaining is None:
                return False
            thing.region = remaining
            thing.first_area_px = remaining.area
            thing.look = background.settled[remaining.part].copy()
        thing.standing = True
        thing.version += 1
        return True

    def _regions_of(self, region: Patch, keep: Mask) -> Patch | None:
        """The part of a region that is left of it, if that is large enough for a thing."""
        left = region.kept(keep)
        if left.area == 0:
            return None
        foot = left.box[3] - 1, (left.box[0] + left.box[2]) // 2
        return left if left.area >= self._least_area_px[foot] else None


_NO_LOOK: Look = np.zeros((0, 0, 3), np.float32)
_TOUCH = np.ones((5, 5), np.uint8)
