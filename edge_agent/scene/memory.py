"""Scene memory: what stands still, since when, and is it still there.

Every analysed frame is matched against remembered places, never against tracks. A detection that keeps its place
becomes a stay; a stay goes on while it is detected, while its remembered appearance still fits at its place, while
something is in front of it, and while the camera cannot tell. It ends when its place is seen without it.
"""

from __future__ import annotations

from typing import Any

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import Detections
from edge_agent.scene.appearance import LookTable
from edge_agent.scene.arrivals import Arrivals
from edge_agent.scene.camera_state import View
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.memory_state import dump_place, load_place
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place
from edge_agent.scene.presence import Presence
from edge_agent.scene.settling import Settling
from edge_agent.scene.sightings import match
from edge_agent.scene.stay import Stay, StayState


class SceneMemory:
    """The places of one camera. Feed it every analysed frame in order of media time."""

    def __init__(self, camera_id: str, period_s: float, rules: MemoryRules | None = None) -> None:
        self._rules = rules or MemoryRules()
        self.gap_s = max(period_s * self._rules.gap_factor, self._rules.gap_least_s)
        self.places: list[Place] = []
        self.started_s: float | None = None
        self.last_s: float | None = None
        self._before: LookTable | None = None
        self._resumed = False
        self._arrivals = Arrivals(self._rules)
        self._presence = Presence(self._rules, self._arrivals)
        self._settling = Settling(camera_id, period_s, self.gap_s, self._rules, self._arrivals)

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
        others = {index for index, place in enumerate(self.places) if self._presence.looks_other(place, now)}
        matches = match(self.places, now.boxes, now.detections, self._rules, others)
        ended: list[Stay] = []
        kept: list[Place] = []
        for index, place in enumerate(self.places):
            found = matches.of_place.get(index)
            stays = self._presence.look(place, found, self.places, now, looked)
            if stays:
                kept.append(place)
            elif place.standing:
                place.state = StayState.ABSENT
                ended.append(place.snapshot(gone_from_s=place.last_observed_s))
        self.places = kept
        if looked:
            ended += self._settling.promote(self.places, now, self.started_s)
        self._arrivals.remember(now, looked)
        if looked:
            self._settling.be_born(self.places, matches, now)
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
