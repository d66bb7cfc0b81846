"""Parking: a vehicle must not stand in the zone longer than its limit."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shapely.geometry import Polygon

from edge_agent.config import ParkingZone
from edge_agent.scenarios.finding import Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.ground_contact import share_in
from edge_agent.scenarios.moment import Moment
from edge_agent.scenarios.traffic import Traffic
from edge_agent.scene.stay import Stay, StayState

FIRST_LOOK_S = 10.0
"""A vehicle that stood there when the agent first looked is not reported sooner: it may wait like all around it."""
LEAVE_SHARE = 0.15
"""A stay leaves the zone only when its share in it is this much below ``min_overlap``: boxes jitter on the line."""
LEAVE_LEAST = 0.5
"""And in any case when less than this part of ``min_overlap`` is left."""
_STEP = timedelta(minutes=1)
"""Schedules are written in minutes."""
_LOOK_BACK = timedelta(days=7)
"""A stretch without frames that is longer than this counts as if the schedule had begun after it."""


@dataclass(slots=True)
class _Known:
    """What the judge remembers of one stay in its zone."""

    violated: bool = False


class ParkingJudge:
    """Judges the stays of one parking zone. ``in_force`` says whether its schedule holds at a moment of UTC."""

    def __init__(self, zone: ParkingZone, in_force: Callable[[datetime], bool]) -> None:
        self.zone_id = zone.id
        self._zone = zone
        self._in_force = in_force
        self._polygon = Polygon(zone.polygon)
        self._known: dict[str, _Known] = {}
        self._always = not zone.schedule.windows and not zone.schedule.except_dates
        self._traffic = Traffic()
        self.in_force_since_s: float | None = None
        self._last_at: datetime | None = None

    def judge(self, moment: Moment) -> tuple[Finding, ...]:
        """One finding for each stay that stands in the zone; the end of one that was a violation is said once."""
        lapsed_s = self._lapsed_s(moment)
        self._last_at = moment.captured_at
        if moment.can_see:
            self._traffic.observe(moment.stays, moment.media_time_s)
        if not self._in_force(moment.captured_at):
            self.in_force_since_s = None
            return self._schedule_ended(moment)
        findings: list[Finding] = []
        if lapsed_s is not None:
            self.in_force_since_s = lapsed_s
            findings += self._schedule_ended(moment)
        over = {finding.subject.stay_id for finding in findings if finding.subject is not None}
        if self.in_force_since_s is None:
            self.in_force_since_s = float("-inf") if self._always else moment.media_time_s
        for stay in moment.stays:
            if stay.standing and stay.stay_id not in over:
                finding = self._judge_stay(stay, moment)
                if finding is not None:
                    findings.append(finding)
        present = {stay.stay_id for stay in moment.stays}
        self._known = {stay_id: known for stay_id, known in self._known.items() if stay_id in present}
        return tuple(findings)

    def _lapsed_s(self, moment: Moment) -> float | None:
        """When the schedule began anew, if it ended between the moment before and this one: nobody saw that."""
        if self._always or self._last_at is None or self.in_force_since_s is None:
            return None
        began = moment.captured_at.replace(second=0, microsecond=0)
        earliest = max(self._last_at, began - _LOOK_BACK)
        while began - _STEP > earliest:
            if not self._in_force(began - _STEP):
                return moment.media_time_s - (moment.captured_at - began) / timedelta(seconds=1)
            began -= _STEP
        return None if earliest == self._last_at else moment.media_time_s

    def _judge_stay(self, stay: Stay, moment: Moment) -> Finding | None:
        known = self._known.get(stay.stay_id)
        limit_s = self._limit_s(stay)
        if known is None or not known.violated:
            share = share_in(self._polygon, stay.box)
            needed = self._zone.min_overlap
            if known is not None:
                needed = max(needed - LEAVE_SHARE, LEAVE_LEAST * needed)
            if share < needed or limit_s <= 0:
                self._known.pop(stay.stay_id, None)
                return None
        known = self._known.setdefault(stay.stay_id, _Known())
        counted_s = self._counted_s(stay, moment)
        if stay.state is StayState.ABSENT:
            return self._finding(stay, FindingState.LEFT, limit_s, counted_s) if known.violated else None
        if stay.state is StayState.UNKNOWN or not moment.can_see:
            state = FindingState.UNKNOWN if known.violated else FindingState.PENDING
            return self._finding(stay, state, limit_s, counted_s)
        enough_s = max(limit_s, FIRST_LOOK_S) if stay.open_start else limit_s
        due = counted_s >= enough_s and stay.state is StayState.OBSERVED
        if due and not known.violated and not self._traffic.waits(stay, moment.media_time_s):
            known.violated = True
        state = FindingState.VIOLATION if known.violated else FindingState.PENDING
        return self._finding(stay, state, limit_s, counted_s)

    def _limit_s(self, stay: Stay) -> float:
        """The limit that holds for the stay's class, else for its group; 0 if it is not enforced."""
        if stay.class_name in self._zone.exempt_classes or stay.class_group.value in self._zone.exempt_classes:
            return 0.0
        limits = self._zone.dwell_limit_s
        return limits.get(stay.class_name, limits.get(stay.class_group.value, 0.0))

    def _counted_s(self, stay: Stay, moment: Moment) -> float:
        """The part of the stay in which the rules were in force without a break up to now."""
        since_s = self.in_force_since_s if self.in_force_since_s is not None else moment.media_time_s
        return max(min(stay.dwell.total_s, moment.media_time_s - since_s), 0.0)

    def _schedule_ended(self, moment: Moment) -> tuple[Finding, ...]:
        ended = []
        for stay in moment.stays:
            known = self._known.get(stay.stay_id)
            if known is not None and known.violated:
                ended.append(self._finding(stay, FindingState.SCHEDULE_ENDED, self._limit_s(stay), 0.0))
        self._known.clear()
        return tuple(ended)

    def _finding(self, stay: Stay, state: FindingState, limit_s: float, counted_s: float) -> Finding:
        return Finding(
            zone_id=self.zone_id,
            scenario=Scenario.PARKING,
            kind=FindingKind.PARKED,
            state=state,
            limit_s=limit_s,
            counted_s=counted_s,
            since_s=stay.from_s,
            subject=stay,
        )

    def dump(self) -> dict[str, Any]:
        """What must survive a restart."""
        since = self.in_force_since_s
        return {
            "violated": sorted(stay_id for stay_id, known in self._known.items() if known.violated),
            "in_force_since_s": None if since is None or since == float("-inf") else since,
            "last_at": None if self._last_at is None else self._last_at.isoformat(),
            "traffic": self._traffic.dump(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        self._known = {stay_id: _Known(violated=True) for stay_id in state["violated"]}
        self._last_at = None if state["last_at"] is None else datetime.fromisoformat(state["last_at"])
        self._traffic.load(state["traffic"])
        if not self._always:
            self.in_force_since_s = state["in_force_since_s"]
