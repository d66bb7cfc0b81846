"""When a candidate has arrived: it rests, there is enough evidence of it, and it is not something known seen again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.boxes import covered_by_all, iou, iou_of, root_area, shared_of_smaller
from edge_agent.scene.foot import foot_of, on_one_line
from edge_agent.scene.look_back import APART_S, LookBack
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place, Sighting
from edge_agent.scene.stay import Box, StayState
from edge_agent.scene.usual_size import UsualSizes

UNLOOKED_KEPT = 600
"""Times kept of frames that the detector left out: those that are looked back at, at any usual rate of frames."""
EDGE_PX = 2
"""A box that ends this near to the picture's edge is cut by it."""


class Arrivals:
    """Judges candidates against what is known of the scene."""

    def __init__(self, rules: MemoryRules) -> None:
        self._rules = rules
        self._sizes = UsualSizes(rules)
        self._past = LookBack()
        self._unlooked: deque[float] = deque(maxlen=UNLOOKED_KEPT)

    def learn(self, now: Now) -> None:
        """Take in one frame's sure detections, before candidates are judged on it."""
        self._sizes.learn(now.detections, now.boxes)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values: the frames that were kept do not."""
        return {"sizes": self._sizes.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        self._sizes.load(state["sizes"])

    def remember(self, now: Now, looked: bool) -> None:
        """Keep the frame itself, after candidates were judged on it."""
        if not looked:
            self._unlooked.append(now.at_s)
        self._past.remember(now.at_s, now.table)

    def start_of(self, place: Place, now: Now) -> float | None:
        """Since when a candidate has stood, or None while it may not be standing yet."""
        rules = self._rules
        start_s = place.rest_from(rules)
        if start_s is None or now.at_s - start_s < rules.settle_s - 1e-6:
            return None
        since = [sighting for sighting in place.sightings if sighting.at_s >= start_s]
        seen = [sighting for sighting in since if sighting.box is not None]
        if len(seen) < rules.settle_sightings:
            return None
        if not self._enough(place, seen, len(seen) / len(since), now.at_s):
            return None  # what it looked like before cannot make it more
        alike = []
        if place.picture is not None:
            if self._past.steadiness(place.picture, place.box, start_s, rules.moving_appearance) < rules.steady_share:
                return None
            alike = self._past.alike(place.picture, place.box, start_s - APART_S, rules.sure_appearance)
        detected = {*self._unlooked, *(sighting.at_s for sighting in place.sightings if sighting.box is not None)}
        share = len(seen) / (len(since) + len([at_s for at_s in alike if at_s not in detected]))
        if not self._enough(place, seen, share, now.at_s):
            return None
        return min([start_s, *(at_s for at_s in alike if at_s < place.first_seen_s - APART_S)])

    def _enough(self, place: Place, seen: list[Sighting], share: float, now_s: float) -> bool:
        """True if a candidate was detected often and surely enough, in this share of the frames."""
        rules = self._rules
        scores = [sighting.score for sighting in seen]
        if place.best_score >= rules.least_best_score:
            least_share = rules.settle_detected_share if place.best_score >= rules.sure_score else rules.fair_share
            return sum(scores) >= rules.settle_score and share >= least_share
        if place.group is ClassGroup.CYCLE:
            return False  # branches, railings and racks are weak bicycles for as long as anyone looks
        above = sum(max(score - rules.weak_floor, 0.0) for score in scores)
        if above < rules.weak_evidence or share < rules.weak_detected_share:
            return False
        needed = rules.weak_evidence * len(scores) / above  # sights; frames within a second of each other say the same
        return now_s - place.first_seen_s >= (needed - 1) * rules.weak_apart_s - 1e-6

    def watched_s(self, from_s: float, to_s: float, gap_s: float) -> float:
        """How much of a time before an arrival was noticed the camera could see."""
        return self._past.watched_s(from_s, to_s, gap_s) if to_s > from_s else 0.0

    def nothing_new(self, place: Place, start_s: float, places: list[Place], now: Now) -> bool:
        """True if a weak candidate lies for the most part on things that stand there already, in sight when it was."""
        rules = self._rules
        seen = [other for other in places if other.standing and other.last_observed_s >= place.first_seen_s]
        if place.part_of_known:
            return True
        for other in seen:
            apart_s = min(abs(start_s - other.from_s), abs(place.first_seen_s - other.first_seen_s))
            together = apart_s <= rules.together_s
            least_shared = self.together_covered(place, other) if together else rules.part_covered
            lesser = place.best_score < (1.0 if together else rules.lesser_score) * other.best_score
            shared = shared_of_smaller(place.box, other.box)
            if lesser and shared >= least_shared:
                return True
        if place.best_score >= self._rules.sure_score:
            return False
        if place.group is ClassGroup.CYCLE and not place.came:
            return True  # signs, railings and racks have looked like bicycles all along
        if self._slender(place, now):
            return True
        if self._sizes.odd(place.box, place.group, now.frame.height):
            return True
        if root_area(place.box) ** 2 >= self._rules.vast_share * now.frame.width * now.frame.height:
            return True
        return covered_by_all(place.box, [other.box for other in seen]) >= self._rules.known_cover

    def together_covered(self, place: Place, other: Place) -> float:
        """Share of the smaller that two things have in common when they are one that came at once."""
        weak = max(place.best_score, other.best_score) < self._rules.sure_score
        same = weak and place.group is other.group
        return self._rules.together_weak_covered if same else self._rules.together_covered

    def _slender(self, place: Place, now: Now) -> bool:
        x1, y1, x2, y2 = place.box
        cut = x1 <= EDGE_PX or x2 >= now.frame.width - EDGE_PX
        return place.group is ClassGroup.VEHICLE and not cut and (x2 - x1) < self._rules.slender * (y2 - y1)

    def sharing_ground(self, place: Place, places: list[Place]) -> list[Place]:
        """The standing things of its group on whose ground the candidate is: two vehicles cannot stand there, so it is
        one of those, or a part of it, or has come in its place."""
        rules = self._rules
        return [
            other
            for other in places
            if other.standing
            and other is not place
            and other.group is place.group
            and self._can_be_part(place.box, other.box)
            and on_one_line(place.box, other.box)
            and shared_of_smaller(foot_of(place.box), foot_of(other.box)) >= rules.same_ground
        ]

    def in_doubt(self, place: Place, others: list[Place], now: Now, gap_s: float) -> bool:
        """True while a candidate may be one of the things on whose ground it is.

        One that is in sight is not replaced, but what was seen to come may stand before it. One that was lost may be
        seen anew, in part: until the candidate was watched for as long as it takes to believe that a thing is gone.
        """
        rules = self._rules
        if any(other.state is StayState.OBSERVED and other.last_observed_s >= now.at_s for other in others):
            return not self._was_seen_to_come(place, gap_s)
        watched_s = sum(sighting.elapsed_s for sighting in place.sightings)
        return bool(others) and watched_s < rules.gone_s and len(place.sightings) < rules.gone_stills

    def _was_seen_to_come(self, place: Place, gap_s: float) -> bool:
        """True if its place looked otherwise in the frame before it was first seen."""
        if place.picture is None:
            return False
        before = self._past.likeness_before(place.picture, place.box, place.first_seen_s, gap_s)
        return before is not None and before < self._rules.moving_appearance

    def came(self, place: Place, start_s: float, gap_s: float) -> bool:
        """True if its place was seen shortly before it was noticed, and had not looked as it does until then."""
        if place.picture is None:
            return False
        noticed_s, box = min(start_s, place.first_seen_s), place.pictured_box or place.box
        before = self._past.likeness_before(place.picture, box, noticed_s, gap_s)
        least = self._rules.same_appearance
        return before is not None and not self._past.alike(place.picture, box, noticed_s - APART_S, least)

    def rival(self, place: Place, places: list[Place]) -> Place | None:
        """The standing thing in whose place the candidate is, if any."""
        others = [other for other in places if other.standing and other is not place]
        if not others:
            return None
        overlap = iou(np.array([place.box], np.float32), np.array([other.box for other in others], np.float32))[0]
        best = int(overlap.argmax())
        return others[best] if overlap[best] >= self._rules.same_thing_iou else None

    def seen_anew(self, place: Place, start_s: float, places: list[Place], now: Now) -> Place | None:
        """The thing lost from sight that the candidate is: its place looked as it does when that was last observed.

        What looked so before that one came is another thing, which it hid.
        """
        for other in places:
            lost = other.standing and other.last_observed_s < now.at_s
            stood_then = other.from_s - self._rules.together_s <= start_s < other.last_observed_s
            if lost and stood_then and self._of_it(place.box, other.box):
                return other
        return None

    def part_of_known(self, place: Place, places: Sequence[Place]) -> bool:
        """True if something stands there that looks as it did before: whatever had come would show in its picture."""
        return any(
            other.standing
            and other.state is StayState.OBSERVED
            and other.steady_since_s < place.first_seen_s
            and self._of_it(place.box, other.box)
            for other in places
        )

    def _of_it(self, box: Box, known: Box) -> bool:
        """True if a box is a sight of a known thing, or of a part of it, as far as boxes tell."""
        rules = self._rules
        if iou_of(box, known) >= rules.match_iou:
            return True
        return self._can_be_part(box, known) and shared_of_smaller(box, known) >= rules.part_covered

    def _can_be_part(self, box: Box, known: Box) -> bool:
        """True if neither is so much larger than the other that it would be the scene itself."""
        ratio = (root_area(known) / root_area(box)) ** 2
        return 1 / self._rules.part_size <= ratio <= self._rules.part_size
