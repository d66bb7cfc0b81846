"""Things without a class that stand in a zone: long-lived change that is no light, no person and no ghost."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.background import Background, Look
from edge_agent.scene.ghost import left_behind, outline_share, outline_strength
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.railing import Railing
from edge_agent.scene.second_look import SecondLook
from edge_agent.scene.seen_pixels import SeenPixels
from edge_agent.scene.sparse import morphed
from edge_agent.scene.standing_object import OBJECT_RULES, ObjectRules, StandingObject, keeps_place
from edge_agent.scene.stay import StayState
from edge_agent.scene.thing_parts import is_part


class StandingObjects:
    """The things of one crop. ``least_area_px`` gives, for each pixel, how large a thing whose foot is there must be.

    ``ground`` is the zone itself, ``watched`` it and what rises above it; ``railing`` may stand before it.
    """

    def __init__(
        self,
        ground: Mask,
        watched: Mask,
        least_area_px: NDArray[np.float32],
        railing: Railing | None = None,
        rules: ObjectRules = OBJECT_RULES,
    ) -> None:
        self.rules = rules
        self.objects: list[StandingObject] = []
        self.next_id = 1
        self._ground = ground
        self._watched = watched
        self._least_area_px = least_area_px
        self._pixels = SeenPixels(watched.shape, rules)
        self._last_s: float | None = None
        self._railing = railing
        self.rails: Mask | None = None
        self._rails_s = -np.inf
        self._close = self._gap(ground, rules.close_share)
        self._post = self._gap(ground, rules.post_share)
        self._margin = np.ones((2 * rules.margin_px + 1, 2 * rules.margin_px + 1), np.uint8)

    def held(self) -> Mask:
        """Pixels of all things and candidates and a margin round them: the background learns nothing there."""
        held = np.zeros(self._watched.shape, bool)
        for thing in self.objects:
            thing.region.add_to(held)
        if self.objects:
            held = cv2.dilate(held.view(np.uint8), self._margin) > 0
        return held

    def standing(self) -> Mask:
        """Pixels of the things that stand."""
        standing = np.zeros(self._watched.shape, bool)
        for thing in self.objects:
            if thing.standing:
                thing.region.add_to(standing)
        return standing

    def relearn(self, look: Look, hidden: Mask, now_s: float) -> None:
        """Take what stands to be what it was, though it looks otherwise from this frame on."""
        for thing in self.objects:
            seen = ~hidden[thing.region.part]
            thing.look[:, :, 1:] = 0
            thing.look[seen] = look[thing.region.part][seen]
            thing.edges = outline_strength(thing.region, look) or 0.0
            thing.doubted_s, thing.version = now_s, thing.version + 1

    def observe(
        self,
        background: Background,
        look: Look,
        ground: Mask,
        changed: Mask,
        hidden: Mask,
        still: Mask,
        now_s: float,
        second_look: SecondLook,
    ) -> None:
        """Bring the things up to date after ``background`` has taken in a frame.

        ``look`` is the frame's, ``ground`` where that is the background, ``changed`` what ``background`` says shows a
        thing, ``hidden`` where people are, ``still`` where people are who look as they have looked; ``second_look`` is
        taken of what may be a thing.
        """
        elapsed_s = 0.0 if self._last_s is None else now_s - self._last_s
        self._last_s = now_s
        self._pixels.observe(background, ground, hidden, still, now_s, elapsed_s)
        if self._railing is not None and now_s - self._rails_s >= self.rules.check_s:
            self.rails = self._railing.among(np.ascontiguousarray(background.background[:, :, 0]), self._post)
            self._rails_s = now_s
        kept = background.has_kept(now_s)
        for thing in self.objects:
            self._review(thing, background, look, kept, changed, hidden, now_s, elapsed_s)
        self.objects = [thing for thing in self.objects if thing.state is not StayState.ABSENT]
        for thing in list(self.objects):
            due = thing.standing and now_s - thing.checked_s >= self.rules.check_s
            if due and thing.state is StayState.OBSERVED:
                thing.checked_s = now_s
                if not self._lay_ghost(thing, background):
                    self.objects.remove(thing)
        self._match(background, changed & self._watched, kept, hidden, now_s, second_look)

    def _gap(self, where: Mask, share: float) -> NDArray[np.uint8]:
        """What closes gaps of this share of the smallest thing's side."""
        side_px = float(np.sqrt(np.median(self._least_area_px[where]))) if where.any() else 5.0
        gap_px = max(5, round(share * side_px)) | 1
        return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (gap_px, gap_px)), np.uint8)

    def regions(self, change: Mask) -> list[Patch]:
        """Regions of ``change`` that are large enough for things."""
        return self._regions(change & self._watched)

    def regions_beside(self, change: Mask) -> list[Patch]:
        """Regions of ``change`` beside all things, and candidates that are in doubt already."""
        known = np.zeros(change.shape, bool)
        for thing in self.objects:
            if thing.standing or self.is_doubtful(thing, self._last_s or 0.0):
                thing.region.add_to(known)
            if thing.person_box is not None:
                x1, y1, x2, y2 = thing.person_box
                known[y1:y2, x1:x2] = True
        near = cv2.dilate(known.view(np.uint8), self._margin) > 0
        return self.regions(change & ~near)

    def is_doubtful(self, thing: StandingObject, now_s: float) -> bool:
        """Whether nobody can tell now if a thing stands there: it has only come, or is just being moved."""
        unseen_s = now_s - thing.shown_s
        if not thing.standing:
            # Seen once in pictures minutes apart it is more likely the sun than a thing.
            known = thing.shown > 1 or now_s - thing.look_s <= self.rules.patience_s
            return known and not (thing.person or thing.moves) and unseen_s < self.rules.doubt_s
        return now_s - thing.doubted_s < self.rules.doubt_s or unseen_s >= self.rules.unseen_s - 1e-6

    def _review(
        self,
        thing: StandingObject,
        background: Background,
        look: Look,
        kept: Mask,
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
        to_ground_now = np.abs(look[part] - background.background[part]).sum(axis=2)
        to_thing_now = np.abs(look[part] - thing.look).sum(axis=2)
        seen = ~hidden[part]
        bare = kept[part] & ~changed[part] & seen & (to_ground < to_thing)
        # Ground in plain sight is believed at once, but in specks only when it lasts.
        plain = mask & (to_ground_now < to_thing_now)
        plain &= background.alike(look[part], background.background[part])
        plain &= ~background.alike(thing.look, background.background[part], self.rules.like_slack)
        plain = cv2.morphologyEx(plain.view(np.uint8), cv2.MORPH_OPEN, _SPECK) > 0
        told = mask
        if self.rails is not None:
            # A railing before a thing looks the same with and without it.
            told = mask & ~(self.rails[part] & background.alike(thing.look, background.background[part]))
        whole = thing.region.area / max(int(np.count_nonzero(told)), 1)
        bare |= plain & seen
        remaining = mask & ~(bare & told)
        left = round(np.count_nonzero(remaining & told) * whole)
        # Beside somebody in his box the ground shows too, but his coat may look like a part of it.
        beside = round(np.count_nonzero(remaining & told & ~plain) * whole)
        if min(left, beside) < self.rules.gone_share * thing.first_area_px:
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
        restless = np.count_nonzero((kept[part] & visible) | alike) < self.rules.calm_share * shown
        odd = bool(shown > self.rules.glimpse_share * left and (other or restless))
        strange = odd and shown > self.rules.hidden_share * left
        edges = outline_strength(thing.region, look, ~hidden)
        if edges is None and left - beside > self.rules.gone_share * left:
            edges = outline_strength(thing.region, look)
        strange = strange or (edges is not None and edges < self.rules.edge_share * thing.edges)
        covered = shown < (1 - self.rules.hidden_share) * left
        if odd or strange:
            thing.doubted_s = now_s - self.rules.doubt_s / 2
        if strange:
            thing.other_s += elapsed_s
        elif not covered:
            thing.other_s = 0.0
        if thing.other_s >= self.rules.other_s:
            thing.state = StayState.ABSENT
            return
        if shown <= self.rules.glimpse_share * left:
            thing.doubted_s += elapsed_s  # who hides a thing that was in doubt ends no doubt
        elif not strange:
            thing.shown_s = now_s
        if strange or covered:
            thing.state = StayState.OCCLUDED
        else:
            thing.state, thing.last_observed_s = StayState.OBSERVED, now_s
        if left < self.rules.whole_share * thing.region.area:
            region = thing.region.kept(remaining)
            dy, dx = region.y - thing.region.y, region.x - thing.region.x
            height, width = region.mask.shape
            thing.look = thing.look[dy : dy + height, dx : dx + width].copy()
            thing.region, thing.version, thing.doubted_s = region, thing.version + 1, now_s
            # Its new border runs through it where a part of it left: what is there now is what to compare with.
            thing.edges = min(thing.edges, outline_strength(region, look) or 0.0)

    def _match(
        self,
        background: Background,
        changed: Mask,
        kept_look: Mask,
        hidden: Mask,
        now_s: float,
        second_look: SecondLook,
    ) -> None:
        standing = [thing for thing in self.objects if thing.standing]
        candidates = [thing for thing in self.objects if not thing.standing]
        taken = np.zeros(changed.shape, bool)
        for thing in standing:
            thing.region.add_to(taken)
        kept = list(standing)
        judged = kept_look & ~hidden
        changed = changed & ~taken
        # What was just uncovered has not kept its look either, but does not move for that.
        labels = cv2.connectedComponents(self._closed(changed & (kept_look | ~(hidden | self._pixels.uncovered))))[1]
        sizes = np.bincount(labels.ravel())
        for region in self._regions(changed & kept_look):
            same = [old for old in candidates if keeps_place(old.anchor, old.judged, region, judged, self.rules)]
            if same:
                thing = max(same, key=lambda old: old.anchor.iou(region))
                candidates.remove(thing)
                thing.region, thing.last_observed_s, thing.state = region, now_s, StayState.OBSERVED
                thing.version += 1
            else:
                thing = self._candidate(region, background, judged, now_s)
            thing.first_area_px = region.area
            thing.look = background.settled[region.part].copy()
            in_sight = region.count_in(hidden) < self.rules.hidden_share * region.area
            if in_sight:
                thing.shown_s, thing.shown = now_s, thing.shown + 1
            inside = labels[region.part][region.mask & (labels[region.part] > 0)]
            whole = sizes[np.bincount(inside).argmax()] if len(inside) else region.area
            placed_s = now_s - thing.first_seen_s + 1e-6
            thing.moves = placed_s < self.rules.patience_s and region.area < self.rules.still_share * whole
            if in_sight:
                self._look_again(thing, second_look, now_s)
            thing.person = thing.person_box is not None or self._pixels.were_people(region)
            waits = (
                not in_sight
                or thing.shown < 2
                or thing.person
                or thing.moves
                or now_s - thing.look_s < self.rules.stand_s - 1e-6
                or placed_s < self.rules.place_s
            )
            thing.checked_s = now_s
            if waits or self._rises(thing, standing, background):
                kept.append(thing)
        # A candidate that is hidden for a moment is waited for.
        kept += [thing for thing in candidates if now_s - thing.last_observed_s < self.rules.stand_s]
        kept.sort(key=lambda thing: (not thing.standing, -thing.region.area, thing.object_id))
        self.objects = sorted(kept[: self.rules.most_objects], key=lambda thing: thing.object_id)

    def _look_again(self, thing: StandingObject, second_look: SecondLook, now_s: float) -> None:
        """Ask whether a candidate is a part of a person, unless that was asked just now."""
        rules = self.rules
        apart_s = max(rules.ask_s, rules.ask_share * (now_s - thing.first_seen_s))
        if thing.moves or now_s - thing.asked_s < apart_s - 1e-6:
            return
        thing.asked_s = now_s
        person = second_look.person_at(thing.region)
        thing.not_person = 0 if person is not None else thing.not_person + 1
        if person is not None or thing.not_person >= rules.ask_again:
            thing.person_box = person

    def _candidate(self, region: Patch, background: Background, judged: Mask, now_s: float) -> StandingObject:
        look_s = float(np.median(background.settled_since_s[region.part][region.mask]))
        before_s = self._pixels.before_s(region)
        since_s = max((look_s + min(before_s, look_s)) / 2, look_s - self.rules.hidden_arrival_s)
        self.next_id += 1
        return StandingObject(
            object_id=self.next_id - 1,
            region=region,
            anchor=region,
            look=_NO_LOOK,
            first_area_px=0,
            since_s=since_s,
            look_s=look_s,
            first_seen_s=now_s,
            last_observed_s=now_s,
            state=StayState.OBSERVED,
            standing=False,
            judged=judged,
        )

    def _closed(self, shown: Mask) -> NDArray[np.uint8]:
        closed = morphed(shown, cv2.MORPH_CLOSE, self._close)
        if self.rails is not None:
            closed |= morphed(shown, cv2.MORPH_CLOSE, self._post) & self.rails
        return np.asarray(cv2.morphologyEx(closed.view(np.uint8), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), np.uint8)

    def _regions(self, shown: Mask) -> list[Patch]:
        contours, _ = cv2.findContours(self._closed(shown), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        filled = morphed(shown, cv2.MORPH_CLOSE, self._close) if self.rails is not None and contours else None
        regions = []
        for contour in contours:
            x, y, width, height = cv2.boundingRect(contour)
            least_px = self._least_area_px[y + height - 1, x + width // 2]
            if cv2.contourArea(contour) >= least_px:
                region = Patch.of_contour(contour)
                # What is seen between the posts must be enough for a thing.
                if filled is None or region.count_in(filled) >= least_px:
                    regions.append(region)
        return regions

    def _joins(self, region: Patch, standing: list[StandingObject], background: Background) -> bool:
        """True if the region is a part of a thing it touches; the thing then has it."""
        ground_s = self._pixels.ground_s(region)
        for thing in standing:
            if thing.state is not StayState.OBSERVED or not is_part(region, ground_s, thing, self.rules):
                continue
            thing.region = thing.region.joined(region)
            thing.look = background.settled[thing.region.part].copy()
            thing.first_area_px = max(thing.first_area_px, thing.region.area)
            thing.edges = outline_strength(thing.region, background.settled) or 0.0
            thing.version += 1
            return True
        return False

    def _rises(self, thing: StandingObject, standing: list[StandingObject], background: Background) -> bool:
        """True if a candidate that has kept its place is a thing of its own: no ghost, and no part of another."""
        if not self._lay_ghost(thing, background):
            return False
        if outline_share(thing.region, background.settled, self.rules.own_edge) < self.rules.own_outline:
            return False
        if self._joins(thing.region, standing, background):
            return False
        thing.edges = outline_strength(thing.region, background.settled) or 0.0
        thing.standing = True
        thing.version += 1
        return True

    def _lay_ghost(self, thing: StandingObject, background: Background) -> bool:
        """Give the pixels of a region that something left back to the background; false if nothing remains."""
        ground = self._ground & background.known & ~self.held()
        ghost, stands = left_behind(thing.region, background, ground, thing.standing and self._is_alone(thing))
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

    def _is_alone(self, thing: StandingObject) -> bool:
        """True if nothing else is near that it might be a part of."""
        x1, y1, x2, y2 = thing.region.box
        reach = self.rules.beside_px
        others = [other.region.box for other in self.objects if other is not thing]
        return not any(
            left < x2 + reach and x1 - reach < right and top < y2 + reach and y1 - reach < bottom
            for left, top, right, bottom in others
        )

    def _regions_of(self, region: Patch, keep: Mask) -> Patch | None:
        """The part of a region that is left of it, if that is large enough for a thing."""
        left = region.kept(keep)
        if left.area == 0:
            return None
        foot = left.box[3] - 1, (left.box[0] + left.box[2]) // 2
        return left if left.area >= self._least_area_px[foot] else None


_NO_LOOK: Look = np.zeros((0, 0, 3), np.float32)
_SPECK = np.ones((5, 5), np.uint8)
