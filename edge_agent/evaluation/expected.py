"""Which incidents a recording's truth asks of a camera's zones: the promises that an agent is scored against."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from shapely.geometry import Polygon

from edge_agent.config import CameraConfig, ParkingZone, PassageZone, Schedule
from edge_agent.detection.detections import ClassGroup
from edge_agent.evaluation.truth import Span, Truth, TruthEvent
from edge_agent.scenarios.finding import FindingKind, Scenario
from edge_agent.scenarios.ground_contact import share_in
from edge_agent.scene.stay import Box

TOLERANCE_S = 2.0
"""Truth times are good to about a second, and a camera sampled once a second adds another. A stay whose length lies
within this of its limit is neither asked for nor held against the agent; a clear width may be late or early by it."""

BOX_TOLERANCE = 0.1
BOX_TOLERANCE_PX = 5.0
"""Truth boxes are drawn to 5 px, or a tenth of a side where that is less. A stay that such a shift would carry over the
border of a zone is neither asked for nor held against the agent."""

InForce = Callable[[Schedule, float, float], tuple[Span, ...]]
"""The spans, within two media times, in which a schedule is in force."""


@dataclass(frozen=True, slots=True)
class Expected:
    """An incident that the truth asks for, from ``from_s`` (the clock of the limit starts) to ``to_s``.

    ``due_s`` is when it should open. An ``ambiguous`` one is too close to a limit or a border for the truth to
    tell: it counts neither as expected when missed nor as false when found. ``from_earliest_s`` and ``to_latest_s``
    reach further where the arrival or the departure was not seen. ``box`` is None for a passage.
    """

    truth_id: str
    zone_id: str
    scenario: Scenario
    kind: FindingKind
    class_group: ClassGroup
    from_earliest_s: float
    from_s: float
    due_s: float
    to_s: float
    to_latest_s: float
    box: Box | None
    ambiguous: bool = False


def limit_of(zone: ParkingZone, event: TruthEvent) -> float | None:
    """The dwell limit that a zone sets for an event's class, else for its group; None where it is not enforced."""
    if event.class_name in zone.exempt_classes or event.group.value in zone.exempt_classes:
        return None
    limit_s = zone.dwell_limit_s.get(event.class_name, zone.dwell_limit_s.get(event.group.value, 0.0))
    return limit_s or None


def stands_in(zone: ParkingZone, box: Box) -> bool | None:
    """Whether a box stands in a zone by its ground contact; None where the accuracy of the box decides it."""
    polygon = Polygon(zone.polygon)
    dx = min(BOX_TOLERANCE_PX, BOX_TOLERANCE * (box[2] - box[0]))
    dy = min(BOX_TOLERANCE_PX, BOX_TOLERANCE * (box[3] - box[1]))
    verdicts = {
        share_in(polygon, (box[0] + x, box[1] + y, box[2] + x, box[3] + y)) >= zone.min_overlap
        for x, y in ((0.0, 0.0), (dx, 0.0), (-dx, 0.0), (0.0, dy), (0.0, -dy))
    }
    return verdicts.pop() if len(verdicts) == 1 else None


def expected_incidents(truth: Truth, camera: CameraConfig, footage: Span, in_force: InForce) -> tuple[Expected, ...]:
    """Every incident that ``truth`` asks of the zones of ``camera`` within ``footage``, in order of time."""
    found: list[Expected] = []
    for zone in camera.zones:
        if isinstance(zone, ParkingZone):
            for event in truth.events:
                if event.is_stay:
                    found.extend(_parked(zone, event, footage, in_force))
        elif is_measured(zone, camera, truth):
            found.extend(_obstructed(zone, truth, footage, in_force))
    return tuple(sorted(found, key=lambda item: (item.due_s, item.zone_id, item.kind, item.truth_id)))


def is_measured(zone: PassageZone, camera: CameraConfig, truth: Truth) -> bool:
    """True if the truth's clear width is that of ``zone``: the one it names, else the camera's only passage."""
    if truth.passage_id is not None and any(other.id == truth.passage_id for other in camera.zones):
        return zone.id == truth.passage_id
    return sum(isinstance(other, PassageZone) for other in camera.zones) == 1


def _parked(zone: ParkingZone, event: TruthEvent, footage: Span, in_force: InForce) -> list[Expected]:
    limit_s = limit_of(zone, event)
    inside = stands_in(zone, event.box) if limit_s is not None else False
    if limit_s is None or inside is False:
        return []
    from_s, to_s = max(event.from_s, footage.from_s), min(event.to_s, footage.to_s)
    earliest_s = min(from_s, max(_first(event), footage.from_s))
    latest_s = max(to_s, min(_last(event), footage.to_s))
    if latest_s <= earliest_s:
        return []
    found = []
    for span in in_force(zone.schedule, earliest_s, latest_s):
        start_s, end_s = max(from_s, span.from_s), min(to_s, span.to_s)
        at_least_s = max(0.0, end_s - start_s)
        at_most_s = min(latest_s, span.to_s) - max(earliest_s, span.from_s)
        if at_most_s < limit_s - TOLERANCE_S:
            continue
        start_s = min(start_s, span.to_s)
        found.append(
            Expected(
                truth_id=event.id,
                zone_id=zone.id,
                scenario=Scenario.PARKING,
                kind=FindingKind.PARKED,
                class_group=event.group,
                from_earliest_s=max(earliest_s, span.from_s),
                from_s=start_s,
                due_s=start_s + limit_s,
                to_s=max(start_s, end_s),
                to_latest_s=max(start_s, min(latest_s, span.to_s)),
                box=event.box,
                ambiguous=inside is None or at_least_s <= limit_s + TOLERANCE_S,
            )
        )
    return found


def _first(event: TruthEvent) -> float:
    return event.arrived_between_s[0] if event.arrived_between_s else event.from_s


def _last(event: TruthEvent) -> float:
    return event.left_between_s[1] if event.left_between_s else event.to_s


def _obstructed(zone: PassageZone, truth: Truth, footage: Span, in_force: InForce) -> list[Expected]:
    dwell = zone.dwell_limit_s
    rules = (
        (FindingKind.BLOCKED, truth.spans_below(zone.limits_m.blocked), dwell.blocked, ClassGroup.OBJECT),
        (FindingKind.NARROWED, truth.spans_below(zone.limits_m.narrowed), dwell.narrowed, ClassGroup.OBJECT),
        (FindingKind.CROWDED, truth.crowded, dwell.crowded, ClassGroup.PERSON),
    )
    found = []
    for kind, spans, limit_s, group in rules:
        for number, span in enumerate(spans, start=1):
            from_s, to_s = max(span.from_s, footage.from_s), min(span.to_s, footage.to_s)
            for force in in_force(zone.schedule, from_s, to_s) if from_s < to_s else ():
                lasted_s = force.to_s - force.from_s
                if lasted_s < limit_s - TOLERANCE_S:
                    continue
                found.append(
                    Expected(
                        truth_id=f"{kind.value}-{number}",
                        zone_id=zone.id,
                        scenario=Scenario.PASSAGE,
                        kind=kind,
                        class_group=group,
                        from_earliest_s=force.from_s,
                        from_s=force.from_s,
                        due_s=force.from_s + limit_s,
                        to_s=force.to_s,
                        to_latest_s=force.to_s,
                        box=None,
                        ambiguous=lasted_s <= limit_s + TOLERANCE_S,
                    )
                )
    return found
