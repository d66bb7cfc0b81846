"""How a candidate begins to stand, and what becomes of those that were there before it."""

from __future__ import annotations

import hashlib
from datetime import datetime

import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.arrivals import Arrivals
from edge_agent.scene.boxes import Boxes, intersections, iou, iou_of, shared_of_smaller
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place, Sighting
from edge_agent.scene.sightings import Matches
from edge_agent.scene.stay import Stay, StayState


class Settling:
    """Candidates of one camera: born of detections, and on their way to become stays. It changes the list of places
    that it is given."""

    def __init__(self, camera_id: str, period_s: float, gap_s: float, rules: MemoryRules, arrivals: Arrivals) -> None:
        self._camera_id = camera_id
        self._period_s = period_s
        self._gap_s = gap_s
        self._rules = rules
        self._arrivals = arrivals

    def promote(self, places: list[Place], now: Now, started_s: float) -> list[Stay]:
        """Candidates that have kept their place begin to stand."""
        ended: list[Stay] = []
        for place in list(places):
            if place.standing or place.state is not StayState.OBSERVED or place.last_observed_s < now.at_s:
                continue
            start_s = self._arrivals.start_of(place, now)
            if start_s is None:
                continue
            if place.group is ClassGroup.CYCLE:
                place.came = self._arrivals.came(place, start_s, self._gap_s)
            place.box = place.resting_box()
            if self._arrivals.nothing_new(place, start_s, places, now):
                continue
            hidden = self._arrivals.seen_anew(place, start_s, places, now)
            if hidden is not None:
                self._go_on_as(hidden, place, places, now)
                continue
            rival = self._arrivals.rival(place, places)
            sharing = [other for other in self._arrivals.sharing_ground(place, places) if other is not rival]
            if self._arrivals.in_doubt(place, sharing, now, self._gap_s):
                continue
            if rival is not None and in_sight(rival, now):
                places.remove(place)
                continue
            for other in [*([rival] if rival else []), *sharing]:
                if not in_sight(other, now):
                    places.remove(other)
                    other.state = StayState.ABSENT
                    ended.append(other.snapshot(gone_from_s=other.last_observed_s))
            self._stand(place, start_s, now, started_s)
            ended += self._take_over_parts(place, places)
        return ended

    def _go_on_as(self, rival: Place, place: Place, places: list[Place], now: Now) -> None:
        """The candidate's place looked as it does when the rival was last observed: it is the rival, seen anew."""
        places.remove(place)
        if rival.last_observed_s < now.at_s:
            rival.pending_s = max(rival.pending_s - now.elapsed_s, 0.0)  # as missed it was counted before
            rival.observe(1.0, now.at_s, now.elapsed_s, self._rules)
        rival.misses, rival.best_score = 0, max(rival.best_score, place.best_score)
        if iou_of(place.box, rival.box) >= self._rules.same_thing_iou:
            rival.box, rival.broken = place.box, False
            rival.show(now.table, now.at_s)
            rival.likeness_s = now.at_s

    def _take_over_parts(self, place: Place, places: list[Place]) -> list[Stay]:
        """What came to rest together with ``place`` was a part of it: the whole goes on under the first one's id."""
        rules = self._rules
        parts = [
            other
            for other in places
            if other is not place
            and other.standing
            and abs(place.from_s - other.from_s) <= rules.together_s
            and other.best_score <= place.best_score
            and shared_of_smaller(place.box, other.box) >= self._arrivals.together_covered(place, other)
        ]
        ended: list[Stay] = []
        for number, part in enumerate(sorted(parts, key=lambda part: (part.from_s, part.stay_id))):
            places.remove(part)
            if number == 0:
                place.stay_id = part.stay_id
            else:
                part.state = StayState.ABSENT
                ended.append(part.snapshot(gone_from_s=part.last_observed_s))
        return ended

    def _stand(self, place: Place, start_s: float, now: Now, started_s: float) -> None:
        since = [sighting for sighting in place.sightings if sighting.at_s > start_s]
        place.standing = True
        place.from_s = start_s
        counted = [sighting for sighting in since if sighting.at_s > place.first_seen_s]  # else it was looked back upon
        place.observed_s = sum(s.elapsed_s for s in counted if s.state is StayState.OBSERVED)
        place.occluded_s = sum(s.elapsed_s for s in counted if s.state is StayState.OCCLUDED)
        place.observed_s += self._arrivals.watched_s(start_s, place.first_seen_s, self._gap_s)  # it looked the same
        place.unknown_s = max(now.at_s - start_s - place.observed_s - place.occluded_s, 0.0)
        place.came = self._arrivals.came(place, start_s, self._gap_s)
        place.stay_id = self._identify(place, now)
        seen = [sighting for sighting in since if sighting.box is not None]
        place.detected_share = len(seen) / max(len(since), 1)
        place.open_start = start_s - started_s <= 1.5 * self._period_s
        place.show(now.table, now.at_s)
        place.steady_since_s = start_s
        place.sightings.clear()

    def _identify(self, place: Place, now: Now) -> str:
        """An id that the same recording gives again: from camera, time and place."""
        began: datetime = now.frame.captured_at
        text = f"{self._camera_id}|{began.isoformat()}|{place.from_s:.3f}|{[round(side, 1) for side in place.box]}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def be_born(self, places: list[Place], matches: Matches, now: Now) -> None:
        """What was detected where nothing is known becomes a candidate."""
        standing = [place.box for place in places if place.standing and place.last_observed_s >= now.at_s]
        taken: Boxes = np.array(standing, np.float32).reshape(-1, 4)
        for index in matches.unmatched:
            box = now.boxes[index : index + 1]
            if len(taken) and (iou(box, taken) >= self._rules.same_thing_iou).any():
                continue
            if len(taken) and now.score(index) < self._rules.least_best_score:
                shared = intersections(box, taken).max() / max(float(intersections(box, box)[0, 0]), 1.0)
                if shared >= self._rules.part_covered:
                    continue
            place = Place(
                stay_id="",
                box=now.box(index),
                from_s=now.at_s,
                first_seen_s=now.at_s,
                last_observed_s=now.at_s,
                open_start=False,
            )
            place.show(now.table, now.at_s)
            place.sightings.append(Sighting(now.at_s, now.box(index), now.score(index), 0.0, StayState.OBSERVED))
            place.count(now.detections.class_names[index], now.detections.groups[index], now.score(index), self._rules)
            place.part_of_known = self._arrivals.part_of_known(place, places)
            places.append(place)


def in_sight(place: Place, now: Now) -> bool:
    """True if a thing is seen in this frame."""
    return place.state is StayState.OBSERVED and place.last_observed_s >= now.at_s
