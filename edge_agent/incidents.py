"""From findings to incidents: opened once, updated on meaning, closed with a reason. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from edge_agent.detection.detections import ClassGroup
from edge_agent.evidence.reference import EvidenceReference
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase, Severity
from edge_agent.scenarios.finding import Finding, FindingKind, FindingState, Scenario
from edge_agent.scenarios.moment import Moment
from edge_agent.scene.stay import Dwell

MAJOR_AFTER = 2.0
"""A parked vehicle is a major incident once it has stood for this many times its limit."""
CRITICAL_AFTER = 6.0
"""And a critical one after this many."""
WIDTH_STEP_M = 0.2
"""A change of the clear width that is worth an update: two wheelchair wheels' width."""
MOST_CLOSED = 500
"""Subjects remembered after their incident was closed: a car that stays over night is another incident each day."""

_ENDS = {
    FindingState.LEFT: CloseReason.LEFT,
    FindingState.CLEARED: CloseReason.CLEARED,
    FindingState.SCHEDULE_ENDED: CloseReason.SCHEDULE_ENDED,
}

Key = tuple[str, FindingKind, str]


@dataclass(frozen=True, slots=True)
class OpenIncident:
    """The last event of an incident that is not closed, and since when its camera can't tell."""

    event: IncidentEvent
    unknown_since_s: float | None = None


class IncidentBook:
    """The open incidents of one camera."""

    def __init__(
        self,
        agent_id: str,
        camera_id: str,
        blind_close_s: Mapping[str, float],
        model_version: str,
        config_version: str,
    ) -> None:
        self._agent_id = agent_id
        self._camera_id = camera_id
        self._blind_close_s = blind_close_s
        self._model_version = model_version
        self._config_version = config_version
        self.open: dict[Key, OpenIncident] = {}
        self._times_closed: dict[str, int] = {}

    def apply(self, findings: Iterable[Finding], moment: Moment) -> tuple[IncidentEvent, ...]:
        """The events that this moment's findings make, in the order of the findings."""
        events: list[IncidentEvent] = []
        seen: set[Key] = set()
        for finding in findings:
            key = _key(finding)
            seen.add(key)
            event = self._step(key, finding, moment)
            if event is not None:
                events.append(event)
        events += self._blind_for_too_long(seen, moment)
        if moment.can_see:
            events += self._nobody_speaks_of(seen, moment)
        return tuple(events)

    def attach(self, incident_id: str, evidence: tuple[EvidenceReference, ...]) -> None:
        """Remember pictures with an open incident, so that its later events name them too."""
        for key, held in self.open.items():
            if held.event.incident_id == incident_id:
                self.open[key] = replace(held, event=replace(held.event, evidence=evidence))

    def supersede(self, moment: Moment) -> tuple[IncidentEvent, ...]:
        """Close everything that is open: the camera is no longer watched."""
        return tuple(self._nobody_speaks_of(set(), moment))

    def dump(self) -> dict[str, Any]:
        """The open incidents, and how often those of whom were closed, as JSON values."""
        return {
            "open": [
                {"event": _EVENT.dump_python(held.event, mode="json"), "unknown_since_s": held.unknown_since_s}
                for held in self.open.values()
            ],
            "times_closed": self._times_closed,
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``. Incidents of zones that are no more end as superseded with the next frame."""
        self.open = {}
        self._times_closed = {str(about): int(times) for about, times in state["times_closed"].items()}
        for item in state["open"]:
            event = _EVENT.validate_python(item["event"])
            self.open[event.zone, event.kind, event.stay_id] = OpenIncident(event, item["unknown_since_s"])

    def _step(self, key: Key, finding: Finding, moment: Moment) -> IncidentEvent | None:
        held = self.open.get(key)
        if finding.state in _ENDS:
            return None if held is None else self._close(key, held, _ENDS[finding.state], finding, moment)
        if finding.state is FindingState.UNKNOWN:
            if held is not None and held.unknown_since_s is None:
                self.open[key] = replace(held, unknown_since_s=moment.media_time_s)
            return None
        if finding.state is not FindingState.VIOLATION:
            return None
        if held is None:
            event = self._opened(finding, moment)
            self.open[key] = OpenIncident(event)
            return event
        if not moment.can_see:
            return None
        now = self._changed(held.event, IncidentPhase.UPDATED, finding, moment)
        if now.severity is held.event.severity and not _width_moved(held.event, now):
            self.open[key] = replace(held, unknown_since_s=None)
            return None
        self.open[key] = OpenIncident(now)
        return now

    def _close(
        self, key: Key, held: OpenIncident, reason: CloseReason, finding: Finding | None, moment: Moment
    ) -> IncidentEvent:
        del self.open[key]
        about = self._named(held.event.zone, held.event.kind, held.event.stay_id, held.event.stay_from)
        self._times_closed[about] = self._times_closed.pop(about, 0) + 1
        if len(self._times_closed) > MOST_CLOSED:
            del self._times_closed[next(iter(self._times_closed))]
        event = self._changed(held.event, IncidentPhase.CLOSED, finding, moment)
        return replace(event, close_reason=reason)

    def _blind_for_too_long(self, seen: set[Key], moment: Moment) -> list[IncidentEvent]:
        closed = []
        for key, held in list(self.open.items()):
            if not moment.can_see and key not in seen and held.unknown_since_s is None:
                self.open[key] = held = replace(held, unknown_since_s=moment.media_time_s)
            since_s = held.unknown_since_s
            if since_s is not None and moment.media_time_s - since_s >= self._blind_close_s.get(key[0], float("inf")):
                closed.append(self._close(key, held, CloseReason.CAMERA_BLIND_TOO_LONG, None, moment))
        return closed

    def _nobody_speaks_of(self, seen: set[Key], moment: Moment) -> list[IncidentEvent]:
        """Open incidents that no judge knows any more: their zone was removed or drawn anew."""
        return [
            self._close(key, held, CloseReason.SUPERSEDED, None, moment)
            for key, held in list(self.open.items())
            if key not in seen
        ]

    def _opened(self, finding: Finding, moment: Moment) -> IncidentEvent:
        stay = finding.subject
        return IncidentEvent(
            incident_id=self._identify(finding, moment),
            phase=IncidentPhase.OPENED,
            camera=self._camera_id,
            zone=finding.zone_id,
            scenario=finding.scenario,
            kind=finding.kind,
            stay_id=stay.stay_id if stay else "",
            class_group=stay.class_group if stay else _about(finding.kind),
            class_name=stay.class_name if stay else "",
            occurred_at=moment.captured_at,
            media_time_s=moment.media_time_s,
            opened_at=moment.captured_at,
            stay_from=moment.captured_at - timedelta(seconds=moment.media_time_s - finding.since_s),
            stay_from_s=finding.since_s,
            open_start=stay.open_start if stay else False,
            dwell=stay.dwell if stay else _passage_dwell(finding),
            limit_s=finding.limit_s,
            box=stay.box if stay else None,
            clear_width=finding.clear_width,
            severity=_severity(finding),
            close_reason=None,
            evidence=(),
            model_version=self._model_version,
            config_version=self._config_version,
        )

    def _changed(
        self, event: IncidentEvent, phase: IncidentPhase, finding: Finding | None, moment: Moment
    ) -> IncidentEvent:
        event = replace(event, phase=phase, occurred_at=moment.captured_at, media_time_s=moment.media_time_s)
        if finding is None:
            return event
        stay = finding.subject
        return replace(
            event,
            class_group=stay.class_group if stay else event.class_group,
            class_name=stay.class_name if stay else event.class_name,
            dwell=stay.dwell if stay else _passage_dwell(finding),
            box=stay.box if stay else event.box,
            clear_width=finding.clear_width or event.clear_width,
            severity=max(event.severity, _severity(finding), key=_RANK.__getitem__)
            if phase is IncidentPhase.UPDATED
            else event.severity,
        )

    def _identify(self, finding: Finding, moment: Moment) -> str:
        """The same for the same recording and after a restart; another one each time that a violation opens anew."""
        began: datetime = moment.captured_at - timedelta(seconds=moment.media_time_s - finding.since_s)
        about = self._named(finding.zone_id, finding.kind, finding.subject.stay_id if finding.subject else "", began)
        times = self._times_closed.get(about, 0)
        return hashlib.sha256(f"{about}|{times}".encode()).hexdigest()[:32] if times else about

    def _named(self, zone: str, kind: FindingKind, stay_id: str, began: datetime) -> str:
        """What names a violation: the stay in its zone, or the passage and when it began."""
        subject = stay_id or began.isoformat()
        text = f"{self._agent_id}|{self._camera_id}|{zone}|{kind.value}|{subject}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]


_EVENT: TypeAdapter[IncidentEvent] = TypeAdapter(IncidentEvent)
_RANK = {Severity.MINOR: 0, Severity.MAJOR: 1, Severity.CRITICAL: 2}


def _key(finding: Finding) -> Key:
    return finding.zone_id, finding.kind, finding.subject.stay_id if finding.subject else ""


def _about(kind: FindingKind) -> ClassGroup:
    return ClassGroup.PERSON if kind is FindingKind.CROWDED else ClassGroup.OBJECT


def _passage_dwell(finding: Finding) -> Dwell:
    return Dwell(observed_s=finding.counted_s)


def _severity(finding: Finding) -> Severity:
    if finding.scenario is Scenario.PASSAGE:
        return Severity.CRITICAL if finding.kind is FindingKind.BLOCKED else Severity.MINOR
    if finding.counted_s >= CRITICAL_AFTER * finding.limit_s:
        return Severity.CRITICAL
    return Severity.MAJOR if finding.counted_s >= MAJOR_AFTER * finding.limit_s else Severity.MINOR


def _width_moved(before: IncidentEvent, now: IncidentEvent) -> bool:
    old, new = before.clear_width, now.clear_width
    if old is None or new is None or old.width_m is None or new.width_m is None:
        return False
    return abs(old.width_m - new.width_m) >= WIDTH_STEP_M
