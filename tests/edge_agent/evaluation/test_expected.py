"""Which incidents a truth asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from edge_agent.config import CalibrationConfig, CameraConfig, ParkingZone, PassageZone, PointPair, Schedule
from edge_agent.detection.detections import ClassGroup
from edge_agent.evaluation.expected import Expected, expected_incidents, stands_in
from edge_agent.evaluation.truth import Span, Truth, TruthEvent, WidthPoint
from edge_agent.scenarios.finding import FindingKind

KERB = ParkingZone(
    id="kerb",
    scenario="parking",
    polygon=((100, 100), (300, 100), (300, 200), (100, 200)),
    dwell_limit_s={"vehicle": 20, "cycle": 60, "bus": 5},
)
IN_KERB = (150.0, 100.0, 250.0, 180.0)
CALIBRATION = CalibrationConfig(
    points=tuple(PointPair(px=p, m=p) for p in ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0)))
)
DECK = PassageZone(
    id="deck",
    scenario="passage",
    polygon=((0, 0), (100, 0), (100, 100), (0, 100)),
    ends=(((0, 0), (100, 0)), ((0, 100), (100, 100))),
    calibration=CALIBRATION,
    dwell_limit_s={"blocked": 10, "narrowed": 30, "crowded": 10},
)


def always(schedule: Schedule, from_s: float, to_s: float) -> tuple[Span, ...]:
    return (Span(from_s, to_s),)


def in_force(*spans: tuple[float, float]) -> Any:
    """A schedule that holds in these spans alone."""

    def within(schedule: Schedule, from_s: float, to_s: float) -> tuple[Span, ...]:
        clipped = ((max(a, from_s), min(b, to_s)) for a, b in spans)
        return tuple(Span(a, b) for a, b in clipped if a < b)

    return within


def event(**fields: Any) -> TruthEvent:
    given: dict[str, Any] = {
        "id": "e1",
        "kind": "stay",
        "from_s": 10,
        "to_s": 70,
        "class_name": "car",
        "group": ClassGroup.VEHICLE,
        "box": IN_KERB,
    }
    return TruthEvent(**{**given, **fields})


def asked(*events: TruthEvent, zones: Any = (KERB,), to_s: float = 100, force: Any = always) -> tuple[Expected, ...]:
    camera = CameraConfig(id="c", source="x.mp4", zones=zones)
    return expected_incidents(Truth(events=events), camera, Span(0, to_s), force)


def test_a_stay_beyond_its_limit_is_asked_for_when_its_limit_is_over() -> None:
    (one,) = asked(event())
    assert (one.truth_id, one.zone_id, one.kind) == ("e1", "kerb", FindingKind.PARKED)
    assert (one.from_s, one.due_s, one.to_s) == (10, 30, 70)
    assert not one.ambiguous


@pytest.mark.parametrize(
    ("fields", "count"),
    [
        ({"kind": "pause"}, 0),
        ({"kind": "standing_person", "class_name": "person", "group": "person"}, 0),
        ({"to_s": 25}, 0),
        ({"class_name": "bus", "to_s": 18}, 1),
        ({"class_name": "bus", "to_s": 12}, 0),
        ({"class_name": "bicycle", "group": "cycle", "to_s": 65}, 0),
        ({"class_name": "bicycle", "group": "cycle", "to_s": 95}, 1),
        ({"class_name": "bag", "group": "object"}, 0),
        ({"box": (150.0, 10.0, 250.0, 90.0)}, 0),
        ({"box": (400.0, 100.0, 500.0, 180.0)}, 0),
        ({"from_s": 200, "to_s": 300}, 0),
    ],
    ids=[
        "a pause",
        "a person",
        "shorter than the limit",
        "a class with a shorter limit of its own",
        "a class below its own limit",
        "below the limit of its group",
        "beyond the limit of its group",
        "a group without a limit",
        "feet above the zone",
        "in no zone",
        "after the footage",
    ],
)
def test_what_is_asked_for(fields: dict[str, Any], count: int) -> None:
    assert len(asked(event(**fields))) == count


def test_a_limit_of_zero_is_not_enforced() -> None:
    assert not asked(event(), zones=(replace(KERB, dwell_limit_s={"vehicle": 0}),))


def test_an_exempt_class_is_not_asked_for() -> None:
    assert not asked(event(class_name="bus"), zones=(replace(KERB, exempt_classes=frozenset({"bus"})),))
    assert not asked(event(class_name="bus"), zones=(replace(KERB, exempt_classes=frozenset({"vehicle"})),))
    assert asked(event(class_name="car"), zones=(replace(KERB, exempt_classes=frozenset({"bus"})),))


@pytest.mark.parametrize(("to_s", "ambiguous"), [(28.5, True), (30, True), (31.9, True), (32.5, False)])
def test_a_stay_as_long_as_its_limit_is_ambiguous(to_s: float, ambiguous: bool) -> None:
    (one,) = asked(event(to_s=to_s))
    assert one.ambiguous is ambiguous


def test_a_stay_is_cut_where_the_footage_ends() -> None:
    (one,) = asked(event(to_s=500), to_s=60)
    assert one.to_s == 60
    assert not asked(event(to_s=500), to_s=25)


def test_a_departure_that_nobody_saw_makes_a_short_stay_ambiguous_and_a_long_one_not() -> None:
    (short,) = asked(event(to_s=25, left_between_s=(25, 80)))
    assert short.ambiguous
    (long,) = asked(event(to_s=50, left_between_s=(50, 80)))
    assert not long.ambiguous
    assert (long.to_s, long.to_latest_s) == (50, 80)


def test_an_arrival_that_nobody_saw_leaves_the_clock_at_the_first_sight() -> None:
    (one,) = asked(event(from_s=50, to_s=90, arrived_between_s=(5, 50)))
    assert (one.from_earliest_s, one.from_s, one.due_s, one.ambiguous) == (5, 50, 70, False)


def test_a_stay_on_the_border_of_a_zone_is_ambiguous() -> None:
    foot_half_outside = (50.0, 100.0, 150.0, 180.0)
    assert stands_in(KERB, foot_half_outside) is None
    (one,) = asked(event(box=foot_half_outside))
    assert one.ambiguous


def test_only_the_foot_of_a_box_counts() -> None:
    assert stands_in(KERB, (120, -200, 180, 190)) is True
    assert stands_in(KERB, (120, 100, 180, 300)) is False


def test_a_stay_in_two_zones_is_asked_of_each_by_its_own_limit() -> None:
    slow = replace(KERB, id="slow", dwell_limit_s={"vehicle": 40})
    assert [(e.zone_id, e.due_s) for e in asked(event(), zones=(KERB, slow))] == [("kerb", 30), ("slow", 50)]


def test_the_clock_starts_with_the_schedule() -> None:
    (one,) = asked(event(), force=in_force((40, 100)))
    assert (one.from_s, one.due_s) == (40, 60)


def test_a_schedule_that_ends_before_the_limit_asks_for_nothing() -> None:
    assert not asked(event(), force=in_force((0, 25)))


def test_each_window_of_a_schedule_asks_anew() -> None:
    found = asked(event(to_s=100), force=in_force((0, 40), (60, 95)))
    assert [(e.due_s, e.to_s) for e in found] == [(30, 40), (80, 95)]


def passages(truth: Truth, zones: Any = (DECK,)) -> tuple[Expected, ...]:
    return expected_incidents(truth, CameraConfig(id="c", source="x", zones=zones), Span(0, 100), always)


def test_a_passage_is_asked_for_each_limit_that_it_stays_below_for_long_enough() -> None:
    truth = Truth(blocked={1.8: (Span(10, 90),), 1.2: (Span(40, 60), Span(70, 75))})
    assert [(e.kind, e.from_s, e.due_s, e.to_s) for e in passages(truth)] == [
        (FindingKind.NARROWED, 10, 40, 90),
        (FindingKind.BLOCKED, 40, 50, 60),
    ]


def test_spans_that_are_not_written_down_come_from_the_samples() -> None:
    widths = tuple(WidthPoint(t, 1.0 if 20 <= t < 50 else 2.5) for t in range(80))
    (blocked, narrowed) = passages(Truth(clear_width=widths))
    assert (blocked.kind, blocked.from_s, blocked.to_s) == (FindingKind.BLOCKED, 20, 50)
    assert (narrowed.kind, narrowed.ambiguous) == (FindingKind.NARROWED, True)


def test_a_passage_still_blocked_at_the_end_is_cut_there() -> None:
    truth = Truth(clear_width=(WidthPoint(0, 3.0), WidthPoint(50, 0.5)), duration_s=140)
    assert {e.to_s for e in passages(truth)} == {100}


def test_a_passage_that_is_wide_asks_for_nothing() -> None:
    assert not passages(Truth(clear_width=(WidthPoint(0, 4.0), WidthPoint(90, 1.8))))


def test_a_crowd_is_asked_for_where_the_truth_says_so() -> None:
    (one,) = passages(Truth(crowded=(Span(5, 60),)))
    assert (one.kind, one.due_s, one.class_group) == (FindingKind.CROWDED, 15, ClassGroup.PERSON)


def test_of_two_passages_the_truth_is_about_the_one_it_names() -> None:
    other = replace(DECK, id="ramp")
    truth = Truth(blocked={1.2: (Span(0, 50),)}, passage_id="ramp")
    assert {e.zone_id for e in passages(truth, (DECK, other))} == {"ramp"}
    assert not passages(replace(truth, passage_id=None), (DECK, other))
