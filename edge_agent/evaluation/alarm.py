"""What an agent reported of one violation, put together from its events."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from edge_agent.detection.detections import ClassGroup
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase
from edge_agent.scenarios.finding import FindingKind, Scenario
from edge_agent.scene.stay import Box

_ORDER = {IncidentPhase.OPENED: 0, IncidentPhase.UPDATED: 1, IncidentPhase.CLOSED: 2}


@dataclass(frozen=True, slots=True)
class Alarm:
    """One incident as the agent reported it. ``closed_s`` is None if it was still open when the footage ended.

    What is told again under the same id, as an agent does that restarted from an older state, is the same alarm.
    """

    incident_id: str
    zone_id: str
    scenario: Scenario
    kind: FindingKind
    class_group: ClassGroup
    class_name: str
    box: Box | None
    stay_from_s: float
    opened_s: float
    closed_s: float | None = None
    close_reason: CloseReason | None = None

    @property
    def order(self) -> tuple[float, float, str, str, str, tuple[float, ...]]:
        """A key that puts alarms in one order, in whatever order they came."""
        closed_s = float("inf") if self.closed_s is None else self.closed_s
        return self.opened_s, closed_s, self.zone_id, self.kind.value, self.incident_id, self.box or ()


def gather(events: Iterable[IncidentEvent]) -> tuple[Alarm, ...]:
    """The alarms that ``events``, in any order, tell of. One whose opening is not among them begins with its first."""
    alarms: dict[str, Alarm] = {}
    for event in sorted(events, key=lambda e: (e.media_time_s, _ORDER[e.phase], e.incident_id)):
        alarm = alarms.get(event.incident_id)
        if alarm is None:
            alarm = Alarm(
                incident_id=event.incident_id,
                zone_id=event.zone,
                scenario=event.scenario,
                kind=event.kind,
                class_group=event.class_group,
                class_name=event.class_name,
                box=event.box,
                stay_from_s=event.stay_from_s,
                opened_s=event.media_time_s,
            )
        closed = event.phase is IncidentPhase.CLOSED
        alarms[event.incident_id] = replace(
            alarm,
            closed_s=event.media_time_s if closed else None,
            close_reason=event.close_reason if closed else None,
        )
    return tuple(sorted(alarms.values(), key=lambda a: a.order))
