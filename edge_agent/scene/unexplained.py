"""Change that keeps its place in plain sight, before anybody can tell what it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.standing_object import keeps_place


@dataclass(frozen=True, slots=True)
class UnexplainedRules:
    """Which change is in doubt. Times are media time."""

    place_s: float = 0.8
    """Change that has been there for so long, and in two frames at least, does not walk past."""
    patience_s: float = 8.0
    """What keeps changing for longer is no thing that was put down: a flag, a screen, somebody who waits."""


UNEXPLAINED_RULES = UnexplainedRules()


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What one frame showed: regions of change, each with the time since when it has been there, and what was seen."""

    at_s: float
    regions: tuple[tuple[Patch, float], ...]
    judged: Mask


class Unexplained:
    """Regions of change and since when they have been in their places. Feed it frames in order of media time.

    What a thing put down looks like may take seconds to settle, with people before it or their shadows on it. That
    something is there is known sooner.
    """

    def __init__(self, rules: UnexplainedRules = UNEXPLAINED_RULES) -> None:
        self._rules = rules
        self._seen: list[_Seen] = []

    def observe(self, regions: Sequence[Patch], hidden: Mask, now_s: float) -> list[Patch]:
        """Those of this frame's ``regions`` of change that keep their place; ``hidden``: where people are."""
        judged = ~hidden
        before = [seen for seen in self._seen if now_s - seen.at_s >= self._rules.place_s - 1e-6]
        lasting = []
        dated: list[tuple[Patch, float]] = []
        for region in regions:
            since_s = now_s
            for old, old_since_s in before[-1].regions if before else ():
                if keeps_place(old, before[-1].judged, region, judged):
                    since_s = min(since_s, old_since_s)
            if since_s < now_s and now_s - since_s <= self._rules.patience_s:
                lasting.append(region)
            dated.append((region, since_s))
        self._seen = [*before[-1:], *(seen for seen in self._seen if seen not in before)]
        self._seen.append(_Seen(now_s, tuple(dated), judged))
        return lasting
