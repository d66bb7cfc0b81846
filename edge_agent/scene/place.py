"""One remembered place: a candidate, or a thing that stands there. Scene memory's own record."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.album import Album, Portrait
from edge_agent.scene.appearance import LookTable, Picture
from edge_agent.scene.boxes import Boxes, offset
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box, Dwell, Stay, StayState

HISTORY = 24
"""Sightings kept of a candidate: enough to say when it came to rest."""
CLASSES_KEPT = 8
_CANNOT_SAY = (StayState.OCCLUDED, StayState.UNKNOWN)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One frame of a place: its box if it was detected, in the reference view, and the time since the frame before."""

    at_s: float
    box: Box | None
    score: float
    elapsed_s: float
    state: StayState


@dataclass(slots=True)
class Place:
    """What is remembered of one place. ``box`` is in the reference view."""

    stay_id: str
    box: Box
    from_s: float
    last_observed_s: float
    open_start: bool
    votes: dict[str, float] = field(default_factory=dict)
    group_votes: dict[ClassGroup, float] = field(default_factory=dict)
    sightings: deque[Sighting] = field(default_factory=lambda: deque(maxlen=HISTORY))
    picture: Picture | None = None
    pictured_box: Box | None = None
    """Where the picture was taken: ``box`` follows the detector, and the picture fits at its own place alone."""
    pictured_s: float = 0.0
    album: Album = field(default_factory=Album)
    """Its looks so far, once it stands."""
    best_score: float = 0.0
    score: float = 0.0
    standing: bool = False
    state: StayState = StayState.OBSERVED
    observed_s: float = 0.0
    occluded_s: float = 0.0
    unknown_s: float = 0.0
    pending_s: float = 0.0
    """Time since it was last observed that is occluded if it comes back and void if it is gone."""
    pending_unknown_s: float = 0.0
    """The same, of time in which the camera could not tell."""
    unlooked_s: float = 0.0
    """Time since the last sighting of a candidate in which the detector did not look."""
    detected_share: float = 0.0
    """Share of the last frames in which it was detected."""
    misses: int = 0
    """Frames in a row in which it was not detected."""
    likeness_s: float = 0.0
    """When its appearance was last as remembered."""
    steady_since_s: float = 0.0
    """Since when its place has looked the same, frame by frame."""
    first_seen_s: float = 0.0
    """When it was first detected, at rest or not."""
    part_of_known: bool = False
    """True if what stands there looks as it did before this was first seen: it is a part of that."""
    came: bool = False
    """True if its place was seen without it shortly before it began to stand."""
    missing_since_s: float | None = None
    missing_sightings: int = 0
    broken: bool = False
    """True after any time in which it was not observed, until its appearance is confirmed."""

    @property
    def group(self) -> ClassGroup:
        """The class group by vote."""
        return max(self.group_votes.items(), key=lambda item: (item[1], item[0].value))[0]

    @property
    def class_name(self) -> str:
        """The class by vote, among those of the group that won."""
        return max(self.votes.items(), key=lambda item: (item[1], item[0]))[0]

    def vote(self, class_name: str, group: ClassGroup, score: float) -> None:
        """Count one detection's class, weighted by its score."""
        self.votes[class_name] = self.votes.get(class_name, 0.0) + score
        self.group_votes[group] = self.group_votes.get(group, 0.0) + score
        if len(self.votes) > CLASSES_KEPT:
            del self.votes[min(self.votes, key=lambda name: self.votes[name])]

    def count(self, class_name: str, group: ClassGroup, score: float, rules: MemoryRules) -> None:
        """Take in one detection."""
        weight = rules.share_memory
        self.detected_share = weight + (1 - weight) ** (self.misses + 1) * self.detected_share
        self.misses = 0
        self.vote(class_name, group, score)
        self.score, self.best_score = score, max(self.best_score, score)

    def observe(self, similarity: float, at_s: float, elapsed_s: float, rules: MemoryRules) -> None:
        """It was seen there, looking as much like itself as ``similarity`` says: what was pending is settled."""
        if similarity < rules.sure_appearance:
            self.steady_since_s = at_s
        self.state = StayState.OBSERVED
        self.observed_s += elapsed_s
        self.occluded_s += self.pending_s
        self.unknown_s += self.pending_unknown_s
        self.pending_s = self.pending_unknown_s = 0.0
        self.last_observed_s = at_s
        self.missing_since_s, self.missing_sightings = None, 0

    def show(self, table: LookTable, at_s: float) -> None:
        """Remember what ``table`` shows at ``box``."""
        self.picture, self.pictured_box, self.pictured_s = table.picture(self.box), self.box, at_s
        if self.standing and self.picture is not None:
            self.album.add(Portrait(self.picture, self.box), table)

    def rest_from(self, rules: MemoryRules) -> float | None:
        """Since when it has kept its place, or None if it has not."""
        seen = [sighting for sighting in self.sightings if sighting.box is not None]
        if len(seen) < 2:
            return None
        boxes: Boxes = np.array([sighting.box for sighting in seen], np.float32)
        resting = np.median(boxes[-5:], axis=0)[None].astype(np.float32)
        strays = offset(boxes, np.repeat(resting, len(boxes), axis=0))
        size = float(np.sqrt(max((resting[0, 2] - resting[0, 0]) * (resting[0, 3] - resting[0, 1]), 1)))
        in_place = strays <= max(rules.rest_offset, rules.rest_offset_px / size)
        start: float | None = None
        for index in range(len(seen) - 1, -1, -1):
            if in_place[index] and in_place[index:].mean() >= rules.rest_share:
                start = seen[index].at_s
        return start if in_place[-3:].any() else None

    def resting_box(self) -> Box:
        """The median of the last boxes."""
        boxes = np.array([sighting.box for sighting in self.sightings if sighting.box is not None], np.float32)
        middle = np.median(boxes[-5:], axis=0)
        return float(middle[0]), float(middle[1]), float(middle[2]), float(middle[3])

    def snapshot(self, gone_from_s: float | None = None) -> Stay:
        """The place as an immutable value."""
        return Stay(
            stay_id=self.stay_id,
            class_group=self.group,
            class_name=self.class_name,
            box=self.box,
            state=self.state,
            standing=self.standing,
            from_s=self.from_s,
            open_start=self.open_start,
            last_observed_s=self.last_observed_s,
            dwell=Dwell(
                self.observed_s,
                self.occluded_s + (self.pending_s if self.state is StayState.OCCLUDED else 0.0),
                self.unknown_s + (self.pending_unknown_s if self.state in _CANNOT_SAY else 0.0),
            ),
            gone_from_s=gone_from_s,
            score=self.best_score,
            came=self.came,
        )
