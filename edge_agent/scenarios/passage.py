"""Whether a passage is blocked, narrowed or crowded, and for how long: a pure function of measurements and time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from edge_agent.config import PassageZone
from edge_agent.scenarios.finding import ClearWidth, Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.moment import Moment, Passage


@dataclass(frozen=True, slots=True)
class PassageRules:
    """What keeps a noisy measurement from flapping."""

    width_slack_m: float = 0.05
    """A passage counts as wide again only this far above its limit: the measurement scatters by a few centimetres."""
    clear_after_s: float = 1.0
    """and only after it has not measured narrow for so long: longer than one bad frame, too short to be noticed."""
    slack_ends_after_s: float = 3.0
    """Or after it has measured above the limit itself for so long, and not once below it: then it does not scatter
    round the limit."""
    crowded_people_per_m2: float = 0.75
    """Standing people per square metre, in the densest stretch, from which a wheelchair no longer gets between them:
    less than Fruin's queueing level of service C leaves each (0.65 to 0.93 m² or 1.1 to 1.5 people per m² is its
    range; a wheelchair needs twice a walker's room)."""
    crowd_slack_per_m2: float = 0.15
    """A crowd counts as dissolved only this far below: one person to and fro does not end it."""
    gap_s: float = 30.0
    """Two moments further apart than this have unknown time between them, which neither counts nor clears."""


RULES = PassageRules()
_ROUNDING_S = 1e-6


@dataclass(slots=True)
class _Watch:
    """What is kept of one kind of finding between moments. Times are media time, seconds.

    ``unclear_since_s``: since when it has no longer been bad for certain. ``doubted_s``: time in which nobody could
    tell, which counts if it turns out that nothing has changed. ``above_since_s``: since when the width has been above
    its limit, though not by the slack.
    """

    since_s: float | None = None
    counted_s: float = 0.0
    doubted_s: float = 0.0
    unclear_since_s: float | None = None
    violating: bool = False
    above_since_s: float | None = None


class PassageJudge:
    """The judge of one passage zone.

    Each kind runs on its own clock: a passage that is blocked is narrowed too, and both are said. A clock starts when
    the last of the things came that make the passage too narrow, which is some seconds before it is known that they
    stand. ``in_force`` says whether the zone's schedule holds at a moment of UTC.
    """

    def __init__(self, zone: PassageZone, in_force: Callable[[datetime], bool], rules: PassageRules = RULES) -> None:
        self.zone_id = zone.id
        self._zone = zone
        self._in_force = in_force
        self._rules = rules
        self._watches = {kind: _Watch() for kind in self._limits_s()}
        self._last_s: float | None = None
        self._seen_since_s: float | None = None

    def judge(self, moment: Moment) -> tuple[Finding, ...]:
        """At most one finding for each kind: pending, violation or unknown while it lasts, its end once."""
        passage = moment.passages.get(self.zone_id) if moment.can_see else None
        now_s = moment.media_time_s
        in_force = self._in_force(moment.captured_at)
        elapsed_s = 0.0 if self._last_s is None else now_s - self._last_s
        # Time counts when both of its ends were seen and nothing is missing between them.
        if passage is None or not in_force:
            self._seen_since_s = None
        elif self._seen_since_s is None or elapsed_s > self._rules.gap_s:
            self._seen_since_s = now_s
        step_s = elapsed_s if self._seen_since_s is not None and self._seen_since_s < now_s else 0.0
        self._last_s = now_s
        width = passage.clear_width if passage is not None else ClearWidth(None, None, now_s)
        found = []
        for kind, watch in self._watches.items():
            if not in_force:
                state = self._end(watch, FindingState.SCHEDULE_ENDED)
            elif passage is None:
                watch.unclear_since_s, watch.above_since_s = None, None
                state = FindingState.UNKNOWN if watch.since_s is not None else None
            else:
                state = self._step(kind, watch, passage, now_s, step_s)
            if state is not None:
                found.append(self._finding(kind, watch, state, now_s, width))
            if state in (FindingState.SCHEDULE_ENDED, FindingState.CLEARED):
                self._watches[kind] = _Watch()
        return tuple(found)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart, JSON-able."""
        return {
            "last_s": self._last_s,
            "seen_since_s": self._seen_since_s,
            "watches": {kind.value: asdict(watch) for kind, watch in self._watches.items()},
        }

    def load(self, kept: dict[str, Any]) -> None:
        """Take up what ``dump`` gave. Raises ``ValueError`` when it does not fit."""
        names = {field.name for field in fields(_Watch)}
        try:
            watches = {}
            for kind in self._watches:
                values = kept["watches"][kind.value]
                if set(values) - names:
                    raise ValueError(f"unknown fields {sorted(set(values) - names)}")
                watches[kind] = _Watch(**values)
            last_s, seen_since_s = kept["last_s"], kept["seen_since_s"]
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"zone {self.zone_id!r}: the kept state of its judge cannot be used: {error}") from error
        self._watches, self._last_s, self._seen_since_s = watches, last_s, seen_since_s

    def _limits_s(self) -> dict[FindingKind, float]:
        limits = self._zone.dwell_limit_s
        return {
            FindingKind.BLOCKED: limits.blocked,
            FindingKind.NARROWED: limits.narrowed,
            FindingKind.CROWDED: limits.crowded,
        }

    def _is_bad(self, kind: FindingKind, passage: Passage, already: bool) -> bool | None:
        """Whether a passage is too narrow or crowded; None when nobody can tell."""
        if kind is FindingKind.CROWDED:
            floor = self._rules.crowded_people_per_m2 - (self._rules.crowd_slack_per_m2 if already else 0.0)
            return passage.crowd_density >= floor
        limit_m = self._limit_m(kind) + (self._rules.width_slack_m if already else 0.0)
        width_m = passage.clear_width.width_m
        at_least_m = width_m if passage.at_least_m is None else passage.at_least_m
        at_most_m = width_m if passage.at_most_m is None else passage.at_most_m
        if at_most_m is not None and at_most_m < limit_m:
            return True
        if at_least_m is not None and at_least_m >= limit_m:
            return False
        return None

    def _limit_m(self, kind: FindingKind) -> float:
        return self._zone.limits_m.blocked if kind is FindingKind.BLOCKED else self._zone.limits_m.narrowed

    def _began_s(self, kind: FindingKind, passage: Passage, now_s: float) -> float:
        """When the things came that make it too narrow, but not before the passage was seen and the rules held."""
        since_s = now_s
        if kind is not FindingKind.CROWDED:
            limit_m = self._limit_m(kind)
            since_s = next((at_s for at_s, width_m in passage.narrowed_since if width_m < limit_m), now_s)
        earliest_s = now_s if self._seen_since_s is None else self._seen_since_s
        return min(max(since_s, earliest_s), now_s)

    def _step(
        self, kind: FindingKind, watch: _Watch, passage: Passage, now_s: float, step_s: float
    ) -> FindingState | None:
        running = watch.since_s is not None
        bad = self._is_bad(kind, passage, running)
        if bad is None:
            watch.doubted_s += step_s
            watch.above_since_s = None
            if running and watch.unclear_since_s is None:
                watch.unclear_since_s = now_s
            return FindingState.UNKNOWN if running else None
        if bad and self._is_above_for_long(kind, watch, passage, now_s):
            return self._end(watch, FindingState.CLEARED)
        if bad:
            if watch.since_s is None:
                watch.since_s = self._began_s(kind, passage, now_s)
                watch.counted_s = now_s - watch.since_s
            else:
                watch.counted_s += step_s + watch.doubted_s
            watch.unclear_since_s, watch.doubted_s = None, 0.0
            watch.violating = watch.violating or watch.counted_s >= self._limits_s()[kind] - _ROUNDING_S
        elif running:
            watch.doubted_s = 0.0
            if watch.unclear_since_s is None:
                watch.unclear_since_s = now_s
            if now_s - watch.unclear_since_s >= self._rules.clear_after_s - _ROUNDING_S:
                return self._end(watch, FindingState.CLEARED)
        else:
            watch.doubted_s = 0.0
            return None
        return FindingState.VIOLATION if watch.violating else FindingState.PENDING

    def _is_above_for_long(self, kind: FindingKind, watch: _Watch, passage: Passage, now_s: float) -> bool:
        """Whether a width has been above its limit for long, though within the slack."""
        if kind is FindingKind.CROWDED or self._is_bad(kind, passage, already=False) is not False:
            watch.above_since_s = None
        elif watch.above_since_s is None:
            watch.above_since_s = now_s
        return (
            watch.above_since_s is not None
            and now_s - watch.above_since_s >= self._rules.slack_ends_after_s - _ROUNDING_S
        )

    def _end(self, watch: _Watch, state: FindingState) -> FindingState | None:
        """The end to say; a matter that never became a violation is dropped in silence."""
        if watch.violating:
            return state
        watch.since_s, watch.counted_s, watch.doubted_s = None, 0.0, 0.0
        watch.unclear_since_s, watch.above_since_s = None, None
        return None

    def _finding(
        self, kind: FindingKind, watch: _Watch, state: FindingState, now_s: float, width: ClearWidth
    ) -> Finding:
        return Finding(
            zone_id=self.zone_id,
            scenario=Scenario.PASSAGE,
            kind=kind,
            state=state,
            limit_s=self._limits_s()[kind],
            counted_s=watch.counted_s,
            since_s=now_s if watch.since_s is None else watch.since_s,
            clear_width=width,
        )
