"""Scene memory: what stands still, since when, and is it still there.

Every analysed frame is matched against remembered places, never against tracks. A detection that keeps its place
becomes a stay; a stay goes on while it is detected, while its remembered appearance still fits at its place, while
something is in front of it, and while the camera cannot tell. It ends when its place is seen without it.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

import numpy as np

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import Detections
from edge_agent.scene.appearance import LookTable
from edge_agent.scene.arrivals import Arrivals
from edge_agent.scene.boxes import (
    Boxes,
    covered,
    intersections,
    iou,
    iou_of,
    root_area,
    shared_of_smaller,
    strayed,
)
from edge_agent.scene.camera_state import View
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.memory_state import dump_place, load_place
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place, Sighting
from edge_agent.scene.sightings import Matches, match
from edge_agent.scene.stay import Stay, StayState


class SceneMemory:
    """The places of one camera. Feed it every analysed frame in order of media time."""

    def __init__(self, camera_id: str, period_s: float, rules: MemoryRules | None = None) -> None:
        self._camera_id = camera_id
        self._rules = rules or MemoryRules()
        self.gap_s = max(period_s * self._rules.gap_factor, self._rules.gap_least_s)
        self._period_s = period_s
        self.places: list[Place] = []
        self.started_s: float | None = None
        self.last_s: float | None = None
        self._before: LookTable | None = None
        self._resumed = False
        self._arrivals = Arrivals(self._rules)

    def observe(self, frame: Frame, view: View, detections: Detections, looked: bool = True) -> tuple[Stay, ...]:
        """The stays after this frame, candidates included; a stay that has ended is in it once, as ``absent``.

        Unless the detector has ``looked`` at this frame, ``detections`` are what it found on an earlier one: they hide
        and keep what stands, but say nothing new of a candidate.
        """
        at_s = frame.media_time_s
        elapsed_s = 0.0 if self.last_s is None else max(at_s - self.last_s, 0.0)
        if self.started_s is None:
            self.started_s = at_s
        self.last_s = at_s
        gap = elapsed_s > self.gap_s or self._resumed
        self._resumed = False
        if not view.can_see:
            self._before = None
            return self._cannot_tell(elapsed_s)
        now = Now(frame, view, detections, at_s, elapsed_s, gap, self._before, self._rules)
        self._before = now.table
        if gap:
            for place in self.places:
                self._pass_unknown(place, elapsed_s)
            now.elapsed_s = 0.0
        self._arrivals.learn(now)
        others = {index for index, place in enumerate(self.places) if self._looks_other(place, now)}
        matches = match(self.places, now.boxes, now.detections, self._rules, others)
        ended: list[Stay] = []
        kept: list[Place] = []
        for index, place in enumerate(self.places):
            found = matches.of_place.get(index)
            stays = self._look(place, found, matches, now, looked)
            if stays:
                kept.append(place)
            elif place.standing:
                place.state = StayState.ABSENT
                ended.append(place.snapshot(gone_from_s=place.last_observed_s))
        self.places = kept
        if looked:
            ended += self._promote(now)
        self._arrivals.remember(now, looked)
        if looked:
            self._be_born(matches, now)
        self.places.sort(key=lambda place: (not place.standing, place.from_s, place.stay_id))
        self._keep_within_bounds()
        return (*ended, *(place.snapshot() for place in self.places))

    def _keep_within_bounds(self) -> None:
        """Forget the weakest candidates when there are too many; what stands is never forgotten."""
        spare = len(self.places) - self._rules.most_places
        if spare > 0:
            candidates = sorted(
                (place for place in self.places if not place.standing), key=lambda place: place.best_score
            )
            dropped = {id(place) for place in candidates[:spare]}
            self.places = [place for place in self.places if id(place) not in dropped]

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, as JSON values."""
        return {
            "started_s": self.started_s,
            "last_s": self.last_s,
            "places": [dump_place(place) for place in self.places],
            "arrivals": self._arrivals.dump(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``: the time until the next frame is unknown to every stay."""
        self.places = [load_place(place) for place in state["places"]]
        self.started_s, self.last_s = state["started_s"], state["last_s"]
        if "arrivals" in state:  # it was not always kept
            self._arrivals.load(state["arrivals"])
        self._before = None
        self._resumed = True

    def _cannot_tell(self, elapsed_s: float) -> tuple[Stay, ...]:
        for place in self.places:
            self._pass_unknown(place, elapsed_s)
            place.state = StayState.UNKNOWN
        return tuple(place.snapshot() for place in self.places)

    def _pass_unknown(self, place: Place, elapsed_s: float) -> None:
        place.pending_unknown_s += elapsed_s
        if place.missing_since_s is not None:
            place.missing_since_s += elapsed_s  # what nobody could see is no evidence of absence
        place.broken = True

    def _look(self, place: Place, found: int | None, matches: Matches, now: Now, looked: bool) -> bool:
        """Say what the frame shows of ``place``; False if it is to be forgotten or has ended."""
        similarity = now.similarity(place)
        if not looked and not place.standing:
            return self._wait(place, similarity, matches, now)
        if found is not None:
            return self._detected(place, found, similarity, now)
        place.misses += 1
        if similarity >= self._appearance_needed(place):
            self._observed(place, similarity, now)
            place.likeness_s, place.broken = now.at_s, False
            elapsed_s, place.unlooked_s = now.elapsed_s + place.unlooked_s, 0.0
            place.sightings.append(Sighting(now.at_s, None, 0.0, elapsed_s, StayState.OBSERVED))
            return True
        if not place.standing:
            place.pending_s += now.elapsed_s
            recent = now.at_s - place.last_observed_s < self._rules.candidate_s
            return recent and self._hidden(place, matches, now)  # seen without it: if it comes, it comes later
        return self._missed(place, matches, now)

    def _wait(self, place: Place, similarity: float, matches: Matches, now: Now) -> bool:
        """A candidate on a frame that the detector has left out: no evidence for it, and against it only if it left."""
        if similarity >= self._rules.same_appearance:
            self._observed(place, similarity, now)
            place.unlooked_s += now.elapsed_s
            return True
        recent = now.at_s - place.last_observed_s < self._rules.candidate_s
        return recent and self._hidden(place, matches, now)

    def _looks_other(self, place: Place, now: Now) -> bool:
        """True if what is seen in a place after a break cannot be what stood there: it may have been replaced."""
        if not place.standing or not place.broken or place.picture is None:
            return False
        needed = self._rules.other_appearance + (self._rules.doubt if place.missing_sightings else 0.0)
        return now.similarity(place) < needed

    def _appearance_needed(self, place: Place) -> float:
        """Similarity that keeps an undetected thing; more for one that the detector has never lost before."""
        reliable = place.standing and place.detected_share >= self._rules.reliable_share
        missed = place.misses >= self._rules.reliable_misses
        return self._rules.sure_appearance if reliable and missed else self._rules.same_appearance

    def _detected(self, place: Place, found: int, similarity: float, now: Now) -> bool:
        rules = self._rules
        stranger = place.broken and place.picture is not None and similarity < rules.other_appearance
        if not place.standing:
            elapsed_s, place.unlooked_s = now.elapsed_s + place.unlooked_s, 0.0
            place.sightings.append(Sighting(now.at_s, now.box(found), now.score(found), elapsed_s, StayState.OBSERVED))
            if stranger or (place.picture is not None and now.looks_other(place, found, rules)):
                place.sightings = type(place.sightings)([place.sightings[-1]], place.sightings.maxlen)
                place.votes, place.group_votes, place.best_score = {}, {}, 0.0
                place.observed_s = place.occluded_s = place.unknown_s = 0.0
                place.from_s = place.first_seen_s = now.at_s
                place.part_of_known = False
            place.box = now.box(found)
            self._observed(place, similarity, now)
            self._count(place, found, now)
            place.part_of_known = place.part_of_known or self._arrivals.part_of_known(place, self.places)
            place.broken = False
            place.show(now.picture(place.box), now.at_s)
            return True
        self._observed(place, similarity, now)
        self._count(place, found, now)
        place.broken = place.broken and similarity < rules.same_appearance
        weight = rules.box_memory
        old, new = place.box, now.box(found)
        if strayed(new, old) > max(rules.rest_offset, rules.rest_offset_px / root_area(old)):
            return True
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
            place.show(now.picture(place.box), now.at_s)
        return True

    def _count(self, place: Place, found: int, now: Now) -> None:
        score = now.score(found)
        weight = self._rules.share_memory
        place.detected_share = weight + (1 - weight) ** (place.misses + 1) * place.detected_share
        place.misses = 0
        place.vote(now.detections.class_names[found], now.detections.groups[found], score)
        place.score, place.best_score = score, max(place.best_score, score)

    def _observed(self, place: Place, similarity: float, now: Now) -> None:
        if similarity < self._rules.sure_appearance:
            place.steady_since_s = now.at_s
        place.state = StayState.OBSERVED
        place.observed_s += now.elapsed_s
        place.occluded_s += place.pending_s
        place.unknown_s += place.pending_unknown_s
        place.pending_s = place.pending_unknown_s = 0.0
        place.last_observed_s = now.at_s
        place.missing_since_s, place.missing_sightings = None, 0

    def _missed(self, place: Place, matches: Matches, now: Now) -> bool:
        """A standing thing was neither detected nor recognised: hidden, or on its way out."""
        rules = self._rules
        place.pending_s += now.elapsed_s
        place.broken = True
        hidden = self._hidden(place, matches, now)
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
        if place.missing_sightings >= rules.gone_sightings and empty_s >= rules.gone_s - 1e-6:
            return False
        return empty_s < rules.hidden_s

    def _hidden(self, place: Place, matches: Matches, now: Now) -> bool:
        """True if a detection that is no longer-standing neighbour covers enough of the place, from in front."""
        if not len(now.occluders):
            return False
        target = np.array([place.box], np.float32)
        cover = covered(target, now.occluders)[0]
        in_front = now.occluders[:, 3] >= place.box[3] - 0.15 * (place.box[3] - place.box[1])
        neighbours = [
            other.box
            for other in self.places
            if other is not place and other.standing and other.from_s <= place.last_observed_s
        ]
        if neighbours:
            known = iou(now.occluders, np.array(neighbours, np.float32)).max(axis=1)
            in_front &= known < self._rules.same_thing_iou
        return bool((cover[in_front] >= self._rules.occluder_cover).any())

    def _promote(self, now: Now) -> list[Stay]:
        """Candidates that have kept their place begin to stand."""
        ended: list[Stay] = []
        for place in list(self.places):
            if place.standing or place.state is not StayState.OBSERVED or place.last_observed_s < now.at_s:
                continue
            start_s = self._arrivals.start_of(place, now)
            if start_s is None:
                continue
            place.box = place.resting_box()
            if self._arrivals.nothing_new(place, start_s, self.places, now):
                continue
            hidden = self._arrivals.seen_anew(place, start_s, self.places, now)
            if hidden is not None:
                self._go_on_as(hidden, place, now)
                continue
            rival = self._arrivals.rival(place, self.places)
            if rival is not None:
                if rival.state is StayState.OBSERVED and rival.last_observed_s >= now.at_s:
                    self.places.remove(place)
                    continue
                self.places.remove(rival)
                rival.state = StayState.ABSENT
                ended.append(rival.snapshot(gone_from_s=rival.last_observed_s))
            self._stand(place, start_s, now)
            ended += self._take_over_parts(place)
        return ended

    def _go_on_as(self, rival: Place, place: Place, now: Now) -> None:
        """The candidate's place looked as it does when the rival was last observed: it is the rival, seen anew."""
        self.places.remove(place)
        if rival.last_observed_s < now.at_s:
            rival.pending_s = max(rival.pending_s - now.elapsed_s, 0.0)  # as missed it was counted before
            self._observed(rival, 1.0, now)
        rival.misses, rival.best_score = 0, max(rival.best_score, place.best_score)
        if iou_of(place.box, rival.box) >= self._rules.same_thing_iou:
            rival.box, rival.broken = place.box, False
            rival.show(now.picture(rival.box), now.at_s)
            rival.likeness_s = now.at_s

    def _take_over_parts(self, place: Place) -> list[Stay]:
        """What came to rest together with ``place`` was a part of it: the whole goes on under the first one's id."""
        rules = self._rules
        parts = [
            other
            for other in self.places
            if other is not place
            and other.standing
            and abs(place.from_s - other.from_s) <= rules.together_s
            and other.best_score <= place.best_score
            and shared_of_smaller(place.box, other.box) >= rules.together_covered
        ]
        ended: list[Stay] = []
        for number, part in enumerate(sorted(parts, key=lambda part: (part.from_s, part.stay_id))):
            self.places.remove(part)
            if number == 0:
                place.stay_id = part.stay_id
            else:
                part.state = StayState.ABSENT
                ended.append(part.snapshot(gone_from_s=part.last_observed_s))
        return ended

    def _stand(self, place: Place, start_s: float, now: Now) -> None:
        since = [sighting for sighting in place.sightings if sighting.at_s > start_s]
        place.standing = True
        place.from_s = start_s
        counted = [sighting for sighting in since if sighting.at_s > place.first_seen_s]  # else it was looked back upon
        place.observed_s = sum(s.elapsed_s for s in counted if s.state is StayState.OBSERVED)
        place.occluded_s = sum(s.elapsed_s for s in counted if s.state is StayState.OCCLUDED)
        place.observed_s += self._arrivals.watched_s(start_s, place.first_seen_s, self.gap_s)  # it looked the same
        place.unknown_s = max(now.at_s - start_s - place.observed_s - place.occluded_s, 0.0)
        place.stay_id = self._identify(place, now)
        seen = [sighting for sighting in since if sighting.box is not None]
        place.detected_share = len(seen) / max(len(since), 1)
        place.open_start = self.started_s is not None and start_s - self.started_s <= 1.5 * self._period_s
        place.show(now.picture(place.box), now.at_s)
        place.steady_since_s = start_s
        place.sightings.clear()

    def _identify(self, place: Place, now: Now) -> str:
        """An id that the same recording gives again: from camera, time and place."""
        began: datetime = now.frame.captured_at
        text = f"{self._camera_id}|{began.isoformat()}|{place.from_s:.3f}|{[round(side, 1) for side in place.box]}"
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def _be_born(self, matches: Matches, now: Now) -> None:
        standing = [place.box for place in self.places if place.standing and place.last_observed_s >= now.at_s]
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
            place.show(now.picture(place.box), now.at_s)
            place.sightings.append(Sighting(now.at_s, now.box(index), now.score(index), 0.0, StayState.OBSERVED))
            self._count(place, index, now)
            place.part_of_known = self._arrivals.part_of_known(place, self.places)
            self.places.append(place)
