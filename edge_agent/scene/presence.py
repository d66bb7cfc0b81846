"""Is a remembered thing still there? What one frame shows of one place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge_agent.scene.arrivals import Arrivals
from edge_agent.scene.boxes import covered, iou, root_area, strayed
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place, Sighting
from edge_agent.scene.stay import StayState


class Presence:
    """Judges remembered places, candidates among them, on each frame that can be seen."""

    def __init__(self, rules: MemoryRules, arrivals: Arrivals) -> None:
        self._rules = rules
        self._arrivals = arrivals

    def look(self, place: Place, found: int | None, places: Sequence[Place], now: Now, looked: bool) -> bool:
        """Say what the frame shows of ``place``; False if it is to be forgotten or has ended.

        ``found`` is the index of the detection that is its own, if there is one.
        """
        similarity = now.similarity(place)
        if not looked and not place.standing:
            return self._wait(place, similarity, places, now)
        if found is not None:
            if place.standing:
                self._detected(place, found, similarity, now)
            else:
                self._detected_candidate(place, found, similarity, places, now)
            return True
        place.misses += 1
        if now.recognises(place, self._appearance_needed(place)):
            place.observe(similarity, now.at_s, now.elapsed_s, self._rules)
            place.likeness_s, place.broken = now.at_s, False
            elapsed_s, place.unlooked_s = now.elapsed_s + place.unlooked_s, 0.0
            place.sightings.append(Sighting(now.at_s, None, 0.0, elapsed_s, StayState.OBSERVED))
            return True
        if not place.standing:
            place.pending_s += now.elapsed_s
            recent = now.at_s - place.last_observed_s < self._rules.candidate_s
            return recent and self._hidden(place, places, now)  # seen without it: if it comes, it comes later
        return self._missed(place, places, now)

    def _wait(self, place: Place, similarity: float, places: Sequence[Place], now: Now) -> bool:
        """A candidate on a frame that the detector has left out: no evidence for it, and against it only if it left."""
        if similarity >= self._rules.same_appearance:
            place.observe(similarity, now.at_s, now.elapsed_s, self._rules)
            place.unlooked_s += now.elapsed_s
            return True
        recent = now.at_s - place.last_observed_s < self._rules.candidate_s
        return recent and self._hidden(place, places, now)

    def looks_other(self, place: Place, now: Now) -> bool:
        """True if what is seen in a place after a break cannot be what stood there: it may have been replaced."""
        if not place.standing or not place.broken or place.picture is None:
            return False
        needed = self._rules.other_appearance + (self._rules.doubt if place.missing_sightings else 0.0)
        return not now.recognises(place, needed)

    def _appearance_needed(self, place: Place) -> float:
        """Similarity that keeps an undetected thing; more for one that the detector has never lost before."""
        reliable = place.standing and place.detected_share >= self._rules.reliable_share
        missed = place.misses >= self._rules.reliable_misses
        return self._rules.sure_appearance if reliable and missed else self._rules.same_appearance

    def _detected_candidate(
        self, place: Place, found: int, similarity: float, places: Sequence[Place], now: Now
    ) -> None:
        rules = self._rules
        stranger = place.broken and place.picture is not None and similarity < rules.other_appearance
        elapsed_s, place.unlooked_s = now.elapsed_s + place.unlooked_s, 0.0
        place.sightings.append(Sighting(now.at_s, now.box(found), now.score(found), elapsed_s, StayState.OBSERVED))
        if stranger or (similarity < rules.sure_appearance and now.looks_other(place, found, rules)):
            place.sightings = type(place.sightings)([place.sightings[-1]], place.sightings.maxlen)
            place.votes, place.group_votes, place.best_score = {}, {}, 0.0
            place.observed_s = place.occluded_s = place.unknown_s = 0.0
            place.from_s = place.first_seen_s = now.at_s
            place.part_of_known = False
        place.box = now.box(found)
        place.observe(similarity, now.at_s, now.elapsed_s, rules)
        _count(place, found, now, rules)
        place.part_of_known = place.part_of_known or self._arrivals.part_of_known(place, places)
        place.broken = False
        place.show(now.table, now.at_s)

    def _detected(self, place: Place, found: int, similarity: float, now: Now) -> None:
        rules = self._rules
        place.observe(similarity, now.at_s, now.elapsed_s, rules)
        _count(place, found, now, rules)
        place.broken = place.broken and similarity < rules.same_appearance
        weight = rules.box_memory
        old, new = place.box, now.box(found)
        if strayed(new, old) > max(rules.rest_offset, rules.rest_offset_px / root_area(old)):
            return
        place.box = (
            old[0] + weight * (new[0] - old[0]),
            old[1] + weight * (new[1] - old[1]),
            old[2] + weight * (new[2] - old[2]),
            old[3] + weight * (new[3] - old[3]),
        )
        if similarity >= rules.renewing_appearance:
            place.likeness_s = now.at_s
        renew_s = rules.picture_memory_s if similarity >= rules.renewing_appearance else rules.relit_s
        due = now.at_s - max(place.pictured_s, place.likeness_s) >= renew_s or (
            similarity >= rules.renewing_appearance and now.at_s - place.pictured_s >= renew_s
        )
        if place.picture is None or (due and now.quiet(place, rules)):
            place.show(now.table, now.at_s)

    def _missed(self, place: Place, places: Sequence[Place], now: Now) -> bool:
        """A standing thing was neither detected nor recognised: hidden, or on its way out."""
        rules = self._rules
        place.pending_s += now.elapsed_s
        place.broken = True
        hidden = self._hidden(place, places, now)
        if place.missing_since_s is None:
            place.missing_since_s = now.at_s
        if hidden:
            place.state = StayState.OCCLUDED
            place.missing_sightings = 0
            return True
        if now.quiet(place, rules):
            place.state = StayState.UNKNOWN
            place.missing_sightings += 1
        else:
            place.state = StayState.OCCLUDED
        empty_s = now.at_s - place.missing_since_s
        watched = place.missing_sightings >= rules.gone_sightings and empty_s >= rules.gone_s - 1e-6
        if watched or (now.gap and place.missing_sightings >= rules.gone_stills):
            return False
        return empty_s < rules.hidden_s

    def _hidden(self, place: Place, places: Sequence[Place], now: Now) -> bool:
        """True if a detection that is no longer-standing neighbour covers enough of the place, from in front."""
        if not len(now.solid):
            return False
        target = np.array([place.box], np.float32)
        cover = covered(target, now.solid)[0]
        in_front = now.solid[:, 3] >= place.box[3] - 0.15 * (place.box[3] - place.box[1])
        neighbours = [
            other.box
            for other in places
            if other is not place and other.standing and other.from_s <= place.last_observed_s
        ]
        if neighbours:
            known = iou(now.solid, np.array(neighbours, np.float32)).max(axis=1)
            in_front &= known < self._rules.same_thing_iou
        return bool((in_front & (cover >= now.cover_needed)).any())


def _count(place: Place, found: int, now: Now, rules: MemoryRules) -> None:
    detections = now.detections
    place.count(detections.class_names[found], detections.groups[found], now.score(found), rules)
