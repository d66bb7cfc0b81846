"""Things without a class that stand in a zone: long-lived change that is no light, no person and no ghost."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.background import Background, Look
from edge_agent.scene.ghost import left_behind, outline_strength
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.stay import StayState


@dataclass(frozen=True, slots=True)
class ObjectRules:
    """What makes a region of change a standing thing, and what ends it. Times are media time."""

    stand_s: float = 2.0
    """A region that has kept its place for so long stands: longer than a step, short enough to be told in time."""
    keep_iou: float = 0.6
    """Overlap with where it was first seen by which a region has kept its place."""
    foot_px: float = 2.0
    foot_share: float = 0.06
    """Most that the foot of a region may move, in pixels and as a share of its height: far away, a thing that is
    pushed along hardly changes but for its foot."""
    person_memory_s: float = 4.0
    """Time constant of the share of time in which a look has been under detected people. A person who stands is
    detected in most frames; one who passes a thing covers it for a second."""
    person_time: float = 0.35
    """Share of that time from which a look is a person's and not a thing's."""
    person_share: float = 0.5
    """Share of a region that must be a person's for it to be one."""
    gone_share: float = 0.35
    """A thing is gone when less than this share of it has not been seen to be ground again."""
    hidden_share: float = 0.5
    """A thing is occluded when more than this share of it is hidden, or shows neither it nor the ground."""
    like_share: float = 0.3
    """Less than this share of what is seen of a thing looks like it: something else is there."""
    calm_share: float = 0.5
    """Less than this share of what is seen of a thing keeps its look: it is being moved."""
    edge_share: float = 0.5
    """Less than this share of the edges along its outline is left: its sides are no longer there."""
    like_slack: float = 2.0
    """Times the noise by which a thing may differ from how it looked when it came: the light on it changes."""
    other_s: float = 2.0
    """A thing of which nothing is seen for so long although nobody stands before it has been moved."""
    same_thing_share: float = 0.12
    """A region that touches a thing and is smaller than this share of it is a part of it that was not seen at first."""
    check_s: float = 5.0
    """How often a standing thing is asked again whether it is a ghost: its surroundings may have been hidden."""
    close_share: float = 0.45
    """Gaps narrower than this share of the smallest thing's side belong to a thing (spokes, handles): 11 cm."""
    margin_px: int = 4
    """The background learns nothing so near to a thing: its blurred border is neither."""
    most_objects: int = 60
    """More regions than this are no things but a scene out of hand: the smallest are dropped."""


OBJECT_RULES = ObjectRules()


@dataclass(slots=True, eq=False)
class StandingObject:
    """One thing without a class, or (not ``standing``) a candidate for one.

    ``region``: where it is in the crop; ``anchor``: where it was when it was first seen; ``look``: what it looked like
    there when it came to stand; ``edges``: how strong its outline was then. ``version`` changes with the region.
    """

    object_id: int
    region: Patch
    anchor: Patch
    look: Look
    first_area_px: int
    since_s: float
    first_seen_s: float
    last_observed_s: float
    state: StayState
    standing: bool
    version: int = 0
    other_s: float = 0.0
    checked_s: float = 0.0
    edges: float = 0.0


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
        self._under_people_s = np.zeros(watched.shape, np.float32)
        self._look_s = np.zeros(watched.shape, np.float32)
        self._last_s: float | None = None
        side_px = float(np.sqrt(np.median(least_area_px[ground]))) if ground.any() else 5.0
        close_px = max(5, round(rules.close_share * side_px)) | 1
        self._close = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close_px, close_px))
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
        elapsed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._count_people(background, hidden, now_s, elapsed_s)
        settled = background.has_settled(now_s)
        for thing in self.objects:
            self._review(thing, background, look, settled, changed, hidden, now_s, elapsed_s)
        self.objects = [thing for thing in self.objects if thing.state is not StayState.ABSENT]
        for thing in list(self.objects):
            due = thing.standing and now_s - thing.checked_s >= self.rules.check_s
            if due and thing.state is StayState.OBSERVED:
                thing.checked_s = now_s
                if not self._lay_ghost(thing, background):
                    self.objects.remove(thing)
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
        elapsed_s: float,
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
        other = np.count_nonzero(alike) < self.rules.like_share * shown
        restless = np.count_nonzero(settled[part] & visible) < self.rules.calm_share * shown
        strange = bool(shown > self.rules.hidden_share * left and (other or restless))
        edges = outline_strength(thing.region, look, ~hidden)
        strange = strange or (edges is not None and edges < self.rules.edge_share * thing.edges)
        covered = shown < (1 - self.rules.hidden_share) * left
        if strange:
            thing.other_s += elapsed_s
        elif not covered:
            thing.other_s = 0.0
        if thing.other_s >= self.rules.other_s:
            thing.state = StayState.ABSENT
            return
        if strange or covered:
            thing.state = StayState.OCCLUDED
        else:
            thing.state, thing.last_observed_s = StayState.OBSERVED, now_s
        if left < 0.9 * thing.region.area:
            region = thing.region.kept(remaining)
            dy, dx = region.y - thing.region.y, region.x - thing.region.x
            height, width = region.mask.shape
            thing.look = thing.look[dy : dy + height, dx : dx + width].copy()
            thing.region, thing.version = region, thing.version + 1
            # Its new border runs through it where a part of it left: what is there now is what to compare with.
            thing.edges = min(thing.edges, outline_strength(region, look) or 0.0)

    def _match(self, background: Background, shown: Mask, now_s: float) -> None:
        standing = [thing for thing in self.objects if thing.standing]
        candidates = [thing for thing in self.objects if not thing.standing]
        taken = np.zeros(shown.shape, bool)
        for thing in standing:
            thing.region.add_to(taken)
        kept = list(standing)
        for region in self._regions(shown & ~taken):
            same = [old for old in candidates if self._keeps_place(old, region)]
            if same:
                thing = max(same, key=lambda old: old.anchor.iou(region))
                candidates.remove(thing)
                thing.region, thing.last_observed_s, thing.state = region, now_s, StayState.OBSERVED
            else:
                since_s = float(np.median(background.settled_since_s[region.part][region.mask]))
                thing = StandingObject(
                    self.next_id,
                    region,
                    region,
                    _NO_LOOK,
                    0,
                    since_s,
                    now_s - background.rules.settle_s,
                    now_s,
                    StayState.OBSERVED,
                    standing=False,
                )
                self.next_id += 1
            thing.first_area_px = region.area
            thing.look = background.settled[region.part].copy()
            waits = now_s - thing.first_seen_s < self.rules.stand_s - 1e-6 or self._is_person(region)
            if waits or self._rises(thing, standing, background):
                kept.append(thing)
        # A candidate that is hidden for a moment is waited for.
        kept += [thing for thing in candidates if now_s - thing.last_observed_s < self.rules.stand_s]
        kept.sort(key=lambda thing: (not thing.standing, -thing.region.area, thing.object_id))
        self.objects = sorted(kept[: self.rules.most_objects], key=lambda thing: thing.object_id)

    def _keeps_place(self, candidate: StandingObject, region: Patch) -> bool:
        foot, height = candidate.anchor.box[3], candidate.anchor.mask.shape[0]
        moved = abs(region.box[3] - foot) > max(self.rules.foot_px, self.rules.foot_share * height)
        return not moved and candidate.anchor.iou(region) >= self.rules.keep_iou

    def _regions(self, shown: Mask) -> list[Patch]:
        closed = cv2.morphologyEx(shown.view(np.uint8), cv2.MORPH_CLOSE, self._close)
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
                thing.edges = outline_strength(thing.region, background.settled) or 0.0
                thing.version += 1
                return True
        return False

    def _count_people(self, background: Background, hidden: Mask, now_s: float, elapsed_s: float) -> None:
        """Keep, for each pixel, the share of the last seconds of its present look in which people covered it."""
        kept = np.float32(np.exp(-elapsed_s / self.rules.person_memory_s))
        for seconds in (self._under_people_s, self._look_s):
            seconds *= kept
        self._look_s += np.float32(elapsed_s)
        self._under_people_s += np.float32(elapsed_s) * hidden
        fresh = (background.settled_since_s == now_s) & ~hidden
        self._under_people_s[fresh], self._look_s[fresh] = 0, 0

    def _is_person(self, region: Patch) -> bool:
        part = region.part
        under = (self._under_people_s[part] > self.rules.person_time * self._look_s[part]) & region.mask
        return int(np.count_nonzero(under)) > self.rules.person_share * region.area

    def _rises(self, thing: StandingObject, standing: list[StandingObject], background: Background) -> bool:
        """True if a candidate that has kept its place is a thing of its own: no ghost, and no part of another."""
        if not self._lay_ghost(thing, background):
            return False
        if self._joins(thing.region, standing, background):
            return False
        thing.edges = outline_strength(thing.region, background.settled) or 0.0
        thing.standing = True
        thing.version += 1
        return True

    def _lay_ghost(self, thing: StandingObject, background: Background) -> bool:
        """Give the pixels of a region that something left back to the background; false if nothing remains."""
        ghost, stands = left_behind(thing.region, background, self._ground & background.known & ~self.held())
        if not ghost.any():
            return True
        gone = np.zeros(self._ground.shape, bool)
        Patch(thing.region.x, thing.region.y, ghost).add_to(gone)
        background.adopt(gone)
        remaining = self._regions_of(thing.region, stands)
        if remaining is None:
            return False
        thing.region, thing.first_area_px = remaining, remaining.area
        thing.look = background.settled[remaining.part].copy()
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
