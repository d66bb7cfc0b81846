"""The looks of one thing: a few pictures of it, by day and by night, in snow and beside headlights."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from edge_agent.scene.appearance import LookTable, Picture
from edge_agent.scene.stay import Box

LOOKS_KEPT = 8
"""Looks kept of a thing, the oldest goes first: over hours in the street, the best of six to eight tells a thing from
others at its place far better than the last alone."""
ANOTHER_LOOK = 0.85
"""Similarity with every look so far below which a thing looks new."""
UPPER_SHARE = 0.55
"""The part of a thing that can be seen over what stands before it: the upper half, and a little."""


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture of a thing and where it was taken, in the reference view."""

    picture: Picture
    box: Box


class Album:
    """Looks of one thing that were confirmed while it stood."""

    def __init__(self) -> None:
        self._looks: deque[Portrait] = deque(maxlen=LOOKS_KEPT)

    def __len__(self) -> int:
        return len(self._looks)

    def __iter__(self) -> Iterator[Portrait]:
        return iter(self._looks)

    def keep(self, look: Portrait) -> None:
        """Keep a look, whatever it looks like."""
        self._looks.append(look)

    def add(self, look: Portrait, table: LookTable) -> None:
        """Keep a look that ``table`` shows now, unless one like it is there."""
        if self.likeness(table, ANOTHER_LOOK) < ANOTHER_LOOK:
            self.keep(look)

    def likeness(self, table: LookTable, enough: float) -> float:
        """How well any look fits now, the newest first; the first that is ``enough`` will do. 0 if there are none."""
        return self._best(table, enough, 1.0)

    def upper_likeness(self, table: LookTable, enough: float) -> float:
        """The same of the upper parts alone."""
        return self._best(table, enough, UPPER_SHARE)

    def _best(self, table: LookTable, enough: float, share: float) -> float:
        best = 0.0
        for look in reversed(self._looks):
            best = max(best, table.similarity(look.picture, look.box, share))
            if best >= enough:
                break
        return best
