"""When each pixel of a crop was last seen, when it last showed ground, and how much of its look was under people."""

from __future__ import annotations

import numpy as np

from edge_agent.scene.background import Background
from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.standing_object import ObjectRules


class SeenPixels:
    """The times of the pixels of one crop of this ``shape``. Feed it every frame in order of media time."""

    def __init__(self, shape: tuple[int, ...], rules: ObjectRules) -> None:
        self._rules = rules
        self._under_people_s = np.zeros(shape, np.float32)
        self._look_s = np.zeros(shape, np.float32)
        self._seen_s = np.full(shape, -np.inf)
        self._before_s = np.full(shape, -np.inf)
        self._ground_s = np.full(shape, -np.inf)
        self.uncovered = np.zeros(shape, bool)
        """Pixels whose look is new because people had hidden them until then."""

    def observe(
        self, background: Background, ground: Mask, hidden: Mask, still: Mask, now_s: float, elapsed_s: float
    ) -> None:
        """Take in a frame: ``ground`` shows the background, people are where it is ``hidden``, and ``still`` where they
        look as they have looked."""
        counted_s = np.float32(min(elapsed_s, self._rules.person_step_s))
        kept = np.exp(-counted_s / np.float32(self._rules.person_memory_s))
        for seconds in (self._under_people_s, self._look_s):
            seconds *= kept
        self._look_s += counted_s * (still | ~hidden)
        self._under_people_s += counted_s * still
        fresh = (background.settled_since_s == now_s) & ~hidden
        np.copyto(self._before_s, self._seen_s, where=fresh)
        np.copyto(self.uncovered, self._seen_s < now_s - elapsed_s - 1e-6, where=fresh)
        np.putmask(self._seen_s, ~hidden, now_s)
        np.putmask(self._under_people_s, fresh, 0)
        np.putmask(self._look_s, fresh, 0)
        np.putmask(self._ground_s, ground & ~hidden, now_s)

    def were_people(self, region: Patch) -> bool:
        """True if what a region shows has been under people who stood there for much of the last seconds."""
        part = region.part
        under = (self._under_people_s[part] > self._rules.person_time * self._look_s[part]) & region.mask
        return int(np.count_nonzero(under)) > self._rules.person_share * region.area

    def before_s(self, region: Patch) -> float:
        """When a region was last seen before it took on its look."""
        return float(np.median(self._before_s[region.part][region.mask]))

    def ground_s(self, region: Patch) -> float:
        """When a region last showed the ground."""
        return float(np.median(self._ground_s[region.part][region.mask]))
