"""Things that a detector takes for people: boxes in which nothing moves."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.background import Background, Look
from edge_agent.scene.boxes import Boxes, iou
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True)
class LifelessRules:
    """When a person is none. Times are media time."""

    still_s: float = 5.0
    """Nobody looks the same to the pixel for so long, however patiently he waits;"""
    same_share: float = 0.95
    """the same is this share of the pixels of his box, to the noise of the camera,"""
    grain_px: int = 5
    """in the mean of so many pixels each way: noise is stronger in strong colours and in the dark."""
    score: float = 0.5
    """From this score on it is believed that somebody is there: far away, people are too small to be seen to move."""
    same_iou: float = 0.6
    """Overlap from which on two boxes are about the same place."""
    patience_s: float = 10.0
    """Others may pass before such a place for so long, and the detector miss it. What then looks as it did is what it
    was."""


LIFELESS_RULES = LifelessRules()


@dataclass(slots=True, eq=False)
class _Place:
    """A box, the crop's part under it, and what it looked like from ``since_s`` to ``same_s`` at least.

    ``seen_s``: when somebody was last detected there.
    """

    box: NDArray[np.float32]
    part: tuple[slice, slice]
    look: Look
    since_s: float
    same_s: float
    seen_s: float
    same_now: bool = True


class Lifeless:
    """Tells weak detections of people that never move. Feed it frames in order of media time."""

    def __init__(self, crop: ZoneCrop, background: Background, rules: LifelessRules = LIFELESS_RULES) -> None:
        self._crop = crop
        self._background = background
        self._rules = rules
        self._places: list[_Place] = []

    def among(self, people: Boxes, scores: NDArray[np.float32]) -> NDArray[np.bool_]:
        """(n,) which of (n, 4) boxes hold no people, by what was seen up to the last frame."""
        known = [place.box for place in self._places if place.same_now and self._is_proven(place)]
        if not known or not len(people):
            return np.zeros(len(people), bool)
        same = iou(people, np.array(known, np.float32)) >= self._rules.same_iou
        return np.asarray(same.any(axis=1) & (scores < self._rules.score), bool)

    def observe(self, look: Look, people: Boxes, scores: NDArray[np.float32], now_s: float) -> None:
        """Take in a frame: its look and everybody who is detected in it."""
        weak = people[scores < self._rules.score]
        if not (self._places or len(weak)):
            return
        look = np.asarray(cv2.blur(look, (self._rules.grain_px, self._rules.grain_px)), np.float32)
        for place in self._places:
            alike = self._background.alike(look[place.part], place.look)
            place.same_now = float(alike.mean()) >= self._rules.same_share
            if place.same_now:
                place.same_s = now_s
            elif not self._is_proven(place):
                place.look, place.since_s, place.same_s = look[place.part].copy(), now_s, now_s
        for box in weak:
            known = np.array([place.box for place in self._places], np.float32).reshape(-1, 4)
            here = np.flatnonzero(iou(box[None], known)[0] >= self._rules.same_iou)
            for number in here:
                self._places[number].seen_s = now_s
            part = self._crop.part(box)
            if not len(here) and look[part].size:
                self._places.append(_Place(box, part, look[part].copy(), now_s, now_s, now_s))
        self._places = [
            place for place in self._places if now_s - min(place.same_s, place.seen_s) < self._rules.patience_s
        ]

    def _is_proven(self, place: _Place) -> bool:
        return place.same_s - place.since_s >= self._rules.still_s - 1e-6
