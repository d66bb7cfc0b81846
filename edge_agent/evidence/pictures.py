"""The stills of one camera's incidents: at arrival, at the limit, at departure.

The still of an arrival is taken when a thing begins to stand in a zone, long before anybody knows whether it will be
an incident: it waits in memory, masked and encoded, and is written only when one opens or the agent's state is kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import TypeAdapter

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import Detections
from edge_agent.evidence.evidence import EvidenceRecorder, Still
from edge_agent.evidence.reference import EvidenceMoment, EvidenceReference
from edge_agent.evidence.store import EvidenceStore
from edge_agent.incident_event import CloseReason, IncidentEvent, IncidentPhase
from edge_agent.scenarios.finding import Finding
from edge_agent.scenarios.moment import Moment
from edge_agent.scene.camera_state import View

Key = tuple[str, str, str]
Point = tuple[float, float]

MOST_WAITING = 48
"""Arrivals that wait for their incident; a busier camera loses the oldest ones' first picture, not their incident."""

_DEPARTED = (CloseReason.LEFT, CloseReason.CLEARED)
_REFERENCE: TypeAdapter[EvidenceReference] = TypeAdapter(EvidenceReference)


class IncidentPictures:
    """Takes and keeps the stills. ``zones`` maps each zone's id to its polygon in pixels of the reference view."""

    def __init__(
        self,
        recorder: EvidenceRecorder,
        store: EvidenceStore,
        zones: Mapping[str, Sequence[Point]],
        versions: str,
    ) -> None:
        self._recorder = recorder
        self._store = store
        self._zones = zones
        self._versions = versions
        self._arrivals: dict[Key, Still | EvidenceReference] = {}
        self._told: set[Key] = set()
        """Arrivals that an event has named: their files stay until the aggregator has them."""

    def takes(self, events: tuple[IncidentEvent, ...], findings: tuple[Finding, ...]) -> bool:
        """True if ``illustrate`` would take a picture: of an arrival, of an incident that opens, of a departure."""
        return any(_key(finding) not in self._arrivals for finding in findings) or any(
            event.phase is IncidentPhase.OPENED or event.close_reason in _DEPARTED for event in events
        )

    def illustrate(
        self,
        events: tuple[IncidentEvent, ...],
        findings: tuple[Finding, ...],
        frame: Frame,
        detections: Detections,
        moment: Moment,
        view: View,
    ) -> tuple[IncidentEvent, ...]:
        """The events with references to the pictures taken so far."""
        present = {_key(finding): finding for finding in findings}
        if view.can_see:
            for key, finding in present.items():
                if key not in self._arrivals:
                    self._arrivals[key] = self._take(EvidenceMoment.ARRIVAL, finding, frame, detections, moment, view)
        illustrated = tuple(
            self._illustrated(event, present, frame, detections, moment, view)
            if event.zone in self._zones and view.can_see  # a frame that nobody looked at may show people
            else event
            for event in events
        )
        for key in [key for key in self._arrivals if key not in present and view.can_see]:
            self._drop(key)
        while len(self._arrivals) > MOST_WAITING:
            self._drop(next(iter(self._arrivals)))
        return illustrated

    def _illustrated(
        self,
        event: IncidentEvent,
        present: Mapping[Key, Finding],
        frame: Frame,
        detections: Detections,
        moment: Moment,
        view: View,
    ) -> IncidentEvent:
        key = event.zone, event.kind.value, event.stay_id
        finding = present.get(key)
        taken: list[EvidenceReference | None] = []
        if event.phase is IncidentPhase.OPENED:
            taken.append(self._kept(key))
            self._told.add(key)
            if finding is not None:
                still = self._take(EvidenceMoment.LIMIT, finding, frame, detections, moment, view)
                taken.append(self._store.keep(still))
        elif event.close_reason in _DEPARTED and finding is not None:
            still = self._take(EvidenceMoment.DEPARTURE, finding, frame, detections, moment, view)
            taken.append(self._store.keep(still))
        return replace(event, evidence=(*event.evidence, *(reference for reference in taken if reference is not None)))

    def _take(
        self,
        when: EvidenceMoment,
        finding: Finding,
        frame: Frame,
        detections: Detections,
        moment: Moment,
        view: View,
    ) -> Still:
        right, down = view.shift_px
        subject = finding.subject
        passage = moment.passages.get(finding.zone_id)
        return self._recorder.take(
            frame,
            detections,
            when,
            finding.zone_id,
            [(x + right, y + down) for x, y in self._zones[finding.zone_id]],
            None
            if subject is None
            else (subject.box[0] + right, subject.box[1] + down, subject.box[2] + right, subject.box[3] + down),
            [*_measured(finding), self._versions],
            path=() if passage is None else passage.path_px,
            narrowest=None if passage is None else passage.narrowest_px,
        )

    def _kept(self, key: Key) -> EvidenceReference | None:
        arrival = self._arrivals.get(key)
        if isinstance(arrival, Still):
            reference = self._store.keep(arrival)
            if reference is not None:
                self._arrivals[key] = reference
            return reference
        return arrival

    def _drop(self, key: Key) -> None:
        arrival = self._arrivals.pop(key)
        if isinstance(arrival, EvidenceReference) and key not in self._told:
            self._store.discard(arrival.sha256)  # written for a restart, and nothing came of it
        self._told.discard(key)

    def dump(self) -> dict[str, Any]:
        """What must survive a restart; stills that wait are written now."""
        waiting = []
        for key in list(self._arrivals):
            reference = self._kept(key)
            if reference is not None:
                waiting.append([list(key), _REFERENCE.dump_python(reference, mode="json"), key in self._told])
        return {"arrivals": waiting}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from ``dump``."""
        self._arrivals, self._told = {}, set()
        for (zone, kind, stay_id), reference, told in state.get("arrivals", ()):
            self._arrivals[zone, kind, stay_id] = _REFERENCE.validate_python(reference)
            if told:
                self._told.add((zone, kind, stay_id))


def _key(finding: Finding) -> Key:
    return finding.zone_id, finding.kind.value, finding.subject.stay_id if finding.subject else ""


def _measured(finding: Finding) -> list[str]:
    lines = []
    stay = finding.subject
    if stay is not None:
        dwell = stay.dwell
        lines.append(
            f"{stay.class_name}  standing {dwell.total_s:.0f} s of {finding.limit_s:.0f} s"
            f"{' or more' if stay.open_start else ''}"
            f"  (seen {dwell.observed_s:.0f}, hidden {dwell.occluded_s:.0f}, unknown {dwell.unknown_s:.0f})"
        )
    else:
        lines.append(f"{finding.kind.value}  for {finding.counted_s:.0f} s of {finding.limit_s:.0f} s")
    width = finding.clear_width
    if width is not None and width.width_m is not None:
        spread = f" +/- {width.uncertainty_m:.2f}" if width.uncertainty_m is not None else ""
        lines.append(f"clear width {width.width_m:.2f}{spread} m")
    return lines
