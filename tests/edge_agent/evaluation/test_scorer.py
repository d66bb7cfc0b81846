"""How an agent's reports are held against the truth."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.detection.detections import ClassGroup
from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.expected import Expected
from edge_agent.evaluation.scorer import (
    Outcome,
    Score,
    WidthErrors,
    compare_widths,
    fits,
    judge,
    overlap,
    score,
)
from edge_agent.evaluation.truth import Span, WidthPoint
from edge_agent.scenarios.finding import ClearWidth, FindingKind, Scenario

HERE = (100.0, 100.0, 200.0, 160.0)
NEAR = (120.0, 105.0, 215.0, 165.0)
FAR = (400.0, 100.0, 500.0, 160.0)
BLOCKED_DECK: dict[str, Any] = {
    "zone_id": "deck",
    "scenario": Scenario.PASSAGE,
    "kind": FindingKind.BLOCKED,
    "box": None,
}


def stay(from_s: float = 10, to_s: float = 70, limit_s: float = 20, **fields: Any) -> Expected:
    given: dict[str, Any] = {
        "truth_id": f"e{from_s}",
        "zone_id": "kerb",
        "scenario": Scenario.PARKING,
        "kind": FindingKind.PARKED,
        "class_group": ClassGroup.VEHICLE,
        "from_earliest_s": from_s,
        "from_s": from_s,
        "due_s": from_s + limit_s,
        "to_s": to_s,
        "to_latest_s": to_s,
        "box": HERE,
    }
    return Expected(**{**given, **fields})


def blocked(from_s: float = 10, to_s: float = 70, **fields: Any) -> Expected:
    passage: dict[str, Any] = {
        "zone_id": "deck",
        "scenario": Scenario.PASSAGE,
        "kind": FindingKind.BLOCKED,
        "box": None,
    }
    return stay(from_s, to_s, **{**passage, **fields})


def alarm(opened_s: float = 31, closed_s: float | None = 71, **fields: Any) -> Alarm:
    given: dict[str, Any] = {
        "incident_id": f"i{opened_s}",
        "zone_id": "kerb",
        "scenario": Scenario.PARKING,
        "kind": FindingKind.PARKED,
        "class_group": ClassGroup.VEHICLE,
        "class_name": "car",
        "box": NEAR,
        "stay_from_s": opened_s - 20,
        "opened_s": opened_s,
        "closed_s": closed_s,
    }
    return Alarm(**{**given, **fields})


def deck(opened_s: float = 31, closed_s: float | None = 71, **fields: Any) -> Alarm:
    passage: dict[str, Any] = {
        "zone_id": "deck",
        "scenario": Scenario.PASSAGE,
        "kind": FindingKind.BLOCKED,
        "box": None,
    }
    return alarm(opened_s, closed_s, **{**passage, **fields})


def outcomes(expected: list[Expected], alarms: list[Alarm]) -> dict[str, int]:
    return dict(Counter(verdict.outcome.value for verdict in judge(expected, alarms)))


@pytest.mark.parametrize(
    ("expected", "alarms", "outcome"),
    [
        ([stay()], [alarm()], {"found": 1}),
        ([stay()], [], {"missed": 1}),
        ([], [alarm()], {"false": 1}),
        ([], [], {}),
        ([stay()], [alarm(box=FAR)], {"missed": 1, "false": 1}),
        ([stay()], [alarm(scenario=Scenario.PASSAGE)], {"missed": 1, "false": 1}),
        ([stay()], [alarm(80, 90)], {"missed": 1, "false": 1}),
        ([stay()], [alarm(71.5, 90)], {"found": 1}),
        ([stay(to_latest_s=120)], [alarm(80, 90)], {"found": 1}),
        ([stay(40, 90)], [alarm(20, None)], {"missed": 1, "false": 1}),
        ([stay(40, 90, from_earliest_s=5)], [alarm(20, None)], {"found": 1}),
        ([stay()], [alarm(), alarm(50)], {"found": 1, "duplicate": 1}),
        ([stay()], [alarm(), alarm(50), alarm(60, None)], {"found": 1, "duplicate": 2}),
        ([stay(10, 48), stay(57, 97)], [alarm(31, 49), alarm(78, 98)], {"found": 2}),
        ([stay(10, 48), stay(57, 97)], [alarm(31, 98)], {"found": 1, "missed": 1}),
        ([stay(10, 48), stay(57, 97)], [alarm(31, None), alarm(40, 48)], {"found": 1, "missed": 1, "duplicate": 1}),
        ([stay(ambiguous=True)], [], {"ambiguous": 1}),
        ([stay(ambiguous=True)], [alarm()], {"ambiguous": 1}),
        ([stay(ambiguous=True)], [alarm(), alarm(50)], {"ambiguous": 1, "duplicate": 1}),
        ([stay(), stay(ambiguous=True, truth_id="e2")], [alarm()], {"found": 1, "ambiguous": 1}),
        ([stay(), stay(ambiguous=True, truth_id="e2")], [alarm(), alarm(50)], {"found": 1, "ambiguous": 1}),
        ([blocked()], [deck()], {"found": 1}),
        ([blocked()], [deck(kind=FindingKind.NARROWED)], {"missed": 1, "false": 1}),
        ([blocked()], [deck(zone_id="ramp")], {"missed": 1, "false": 1}),
        ([blocked()], [deck(80, 90)], {"missed": 1, "false": 1}),
        ([blocked()], [deck(2, 7)], {"missed": 1, "false": 1}),
        ([blocked()], [deck(2, 9)], {"found": 1}),
        ([stay(40, 90, from_earliest_s=5)], [alarm(10, 30)], {"missed": 1, "false": 1}),
        ([blocked(), blocked(kind=FindingKind.NARROWED)], [deck(), deck(kind=FindingKind.NARROWED)], {"found": 2}),
        ([blocked()], [alarm(zone_id="deck")], {"missed": 1, "false": 1}),
    ],
)
def test_what_becomes_of_alarms_and_expected_incidents(
    expected: list[Expected], alarms: list[Alarm], outcome: dict[str, int]
) -> None:
    assert outcomes(expected, alarms) == outcome


def test_as_many_are_found_as_can_be() -> None:
    left, middle = (0.0, 0.0, 100.0, 50.0), (40.0, 0.0, 140.0, 50.0)
    right = (80.0, 0.0, 180.0, 50.0)
    between_both = alarm(31, box=middle)
    only_left = alarm(32, box=left)
    verdicts = judge([stay(box=left), stay(box=right, truth_id="e2")], [between_both, only_left])
    assert [v.outcome for v in verdicts] == [Outcome.FOUND, Outcome.FOUND]
    assert {v.expected.truth_id: v.alarm for v in verdicts if v.expected} == {"e10": only_left, "e2": between_both}


def test_an_incident_is_found_by_the_alarm_of_its_own_zone_before_an_earlier_one_of_another() -> None:
    own, other = alarm(40), alarm(31, zone_id="next-door")
    found = judge([stay()], [other, own])[0]
    assert found.alarm is own


def test_boxes_overlap_by_their_shared_area() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (10, 0, 20, 10)) == 0


def test_a_third_of_overlap_fits_and_a_quarter_does_not() -> None:
    assert fits(stay(box=(0, 0, 10, 10)), alarm(box=(5, 0, 15, 10)))
    assert not fits(stay(box=(0, 0, 10, 10)), alarm(box=(6, 0, 16, 10)))


def test_the_delay_is_counted_from_the_moment_the_limit_was_over() -> None:
    counted = score(judge([stay(), stay(100, 200)], [alarm(31), alarm(116.5, 220)]), footage_s=600)
    assert counted.delays_s == (-3.5, 1)
    assert counted.alarm_delay_median_s == -1.25
    assert counted.alarm_delay_worst_s == -3.5


def test_time_that_nobody_saw_is_no_delay() -> None:
    verdicts = judge([stay(0, 900)], [alarm(420, None)])
    assert score(verdicts, footage_s=60).delays_s == (400,)
    gaps = (Span(5, 15), Span(18, 300), Span(330, 420), Span(500, 600))
    assert score(verdicts, footage_s=60, gaps=gaps).delays_s == (30,)


def test_ratios() -> None:
    verdicts = judge([stay(), stay(100, 200)], [alarm(), alarm(40), alarm(box=FAR), alarm(50, box=FAR)])
    assert score(verdicts, footage_s=1800, cpu_s=90).as_json() == {
        "expected": 2,
        "found": 1,
        "missed": 1,
        "false": 2,
        "duplicates": 1,
        "precision": 0.3333,
        "recall": 0.5,
        "f1": 0.4,
        "alarm_delay_median_s": 1.0,
        "alarm_delay_worst_s": 1.0,
        "width_error_mean_m": None,
        "width_error_worst_m": None,
        "width_within_2sd": None,
        "false_per_camera_hour": 4.0,
        "cpu_s_per_min": 3.0,
    }


def test_where_nothing_can_be_said_there_is_no_number() -> None:
    empty = score((), footage_s=60).as_json()
    assert [empty[key] for key in ("precision", "recall", "f1", "alarm_delay_median_s", "width_error_mean_m")] == [
        None
    ] * 5
    assert (empty["false_per_camera_hour"], empty["cpu_s_per_min"]) == (0.0, 0.0)
    assert "NaN" not in json.dumps(Score().as_json())
    assert Score().as_json()["cpu_s_per_min"] is None


@pytest.mark.parametrize(
    ("counts", "precision", "recall", "f1"),
    [
        ({"expected": 3}, None, 0.0, 0.0),
        ({"false": 2}, 0.0, None, 0.0),
        ({"expected": 2, "found": 2}, 1.0, 1.0, 1.0),
        ({"expected": 2, "found": 2, "duplicates": 5}, 1.0, 1.0, 1.0),
    ],
)
def test_ratios_at_the_edges(counts: dict[str, int], precision: float | None, recall: float | None, f1: float) -> None:
    given = Score(**counts)  # type: ignore[arg-type]
    assert (given.precision, given.recall, given.f1) == (precision, recall, f1)


def width(t_s: float, width_m: float | None) -> ClearWidth:
    return ClearWidth(width_m, 0.1, t_s)


TRUE_WIDTHS = [WidthPoint(t, 4.0 if t < 20 else 1.4) for t in range(60)]


@pytest.mark.parametrize(
    ("measured", "errors"),
    [
        ([], WidthErrors()),
        ([width(5, None)], WidthErrors()),
        ([width(5, 3.9), width(30, 1.5)], WidthErrors(2, 0.2, 0.1)),
        ([width(21, 4.0)], WidthErrors(1, 0.0, 0.0)),
        ([width(24, 4.0)], WidthErrors(1, 2.6, 2.6)),
        ([width(200, 4.0)], WidthErrors()),
    ],
    ids=["nothing", "blind", "close", "a step seen within the tolerance", "a step seen too late", "beyond the truth"],
)
def test_width_errors(measured: list[ClearWidth], errors: WidthErrors) -> None:
    found = compare_widths(TRUE_WIDTHS, measured)
    assert found.count == errors.count
    assert (found.total_m, found.worst_m) == (pytest.approx(errors.total_m), pytest.approx(errors.worst_m))


def test_widths_are_not_scored_while_the_truth_says_that_an_obstacle_was_hidden() -> None:
    true = [WidthPoint(float(t), 4.0 if t < 10 else 1.0) for t in range(40)]
    measured = [ClearWidth(4.0 if t < 18 else 1.0, 0.1, float(t)) for t in range(40)]
    assert compare_widths(true, measured).count == 40
    seen = compare_widths(true, measured, [Span(10.0, 15.4)])
    assert seen.count == 40 - 8
    assert seen.worst_m == 0.0
    late = compare_widths(true, measured, [Span(10.0, 13.0)])
    assert late.worst_m == 3.0


def test_a_stated_uncertainty_is_held_against_the_error_while_something_stands_in_the_way() -> None:
    true = [WidthPoint(float(t), 4.0 if t < 20 else 1.4) for t in range(60)]
    free, within, beyond, seen_too_narrow = width(5, 4.0), width(30, 1.58), width(31, 1.62), width(6, 3.9)
    errors = compare_widths(true, [free, within, beyond, seen_too_narrow])
    assert (errors.count, errors.narrow, errors.covered) == (4, 3, 2)
    assert Score(width_errors=errors + errors).as_json()["width_within_2sd"] == pytest.approx(0.667)


def test_the_worst_width_error_of_several_clips_is_the_worst_of_them() -> None:
    one, other = WidthErrors(2, 0.3, 0.2), WidthErrors(1, 0.5, 0.5)
    assert one + other == other + one == WidthErrors(3, 0.8, 0.5)


# Properties ------------------------------------------------------------------------------------------------------

quick = settings(deadline=None, max_examples=40)
times = st.integers(0, 200).map(float)
boxes = st.tuples(st.integers(0, 6), st.integers(0, 1)).map(
    lambda at: (at[0] * 40.0, at[1] * 60.0, at[0] * 40.0 + 100, at[1] * 60.0 + 60)
)


@st.composite
def expecteds(draw: st.DrawFn) -> Expected:
    from_s, lasts_s = draw(times), draw(st.integers(21, 100))
    kind = draw(st.sampled_from((stay, stay, stay, blocked)))
    made = kind(from_s, from_s + lasts_s, truth_id=draw(st.text("abcdef", min_size=6, max_size=6)))
    made = replace(made, ambiguous=draw(st.integers(0, 4)) == 0)
    return replace(made, box=draw(boxes)) if made.box else made


@st.composite
def alarms(draw: st.DrawFn) -> Alarm:
    opened_s = draw(times)
    closed_s = draw(st.one_of(st.none(), st.integers(1, 90).map(lambda s: opened_s + s)))
    made = draw(st.sampled_from((alarm, alarm, alarm, deck)))(opened_s, closed_s)
    return replace(made, box=draw(boxes)) if made.box else made


cases = st.tuples(st.lists(expecteds(), max_size=6), st.lists(alarms(), max_size=8))


def counted(expected: list[Expected], given: list[Alarm]) -> Score:
    return score(judge(expected, given), footage_s=3600)


@quick
@given(cases, st.randoms(use_true_random=False))
def test_order_does_not_matter(case: tuple[list[Expected], list[Alarm]], order: random.Random) -> None:
    expected, given = case
    before = counted(expected, given)
    order.shuffle(expected)
    order.shuffle(given)
    assert counted(expected, given) == before


@quick
@given(cases)
def test_every_alarm_and_every_expected_incident_is_accounted_for_once(
    case: tuple[list[Expected], list[Alarm]],
) -> None:
    expected, given = case
    verdicts = judge(expected, given)
    assert sorted((v.alarm for v in verdicts if v.alarm), key=lambda a: a.order) == sorted(given, key=lambda a: a.order)
    owned = [v.expected for v in verdicts if v.outcome in (Outcome.FOUND, Outcome.MISSED, Outcome.AMBIGUOUS)]
    assert sorted(map(repr, owned)) == sorted(map(repr, expected))
    found = counted(expected, given)
    assert found.expected == sum(not e.ambiguous for e in expected)
    assert found.found + found.missed == found.expected
    assert len(found.delays_s) == found.found


@quick
@given(cases)
def test_only_what_fits_is_found_or_doubled(case: tuple[list[Expected], list[Alarm]]) -> None:
    for verdict in judge(*case):
        if verdict.outcome in (Outcome.FOUND, Outcome.DUPLICATE):
            assert verdict.expected is not None
            assert verdict.alarm is not None
            assert fits(verdict.expected, verdict.alarm)
        if verdict.outcome is Outcome.FALSE:
            assert verdict.alarm is not None
            assert not any(fits(e, verdict.alarm) for e in case[0])


@quick
@given(cases)
def test_a_false_alarm_never_raises_precision_and_never_changes_recall(
    case: tuple[list[Expected], list[Alarm]],
) -> None:
    expected, given = case
    before, after = counted(expected, given), counted(expected, [*given, alarm(5, box=(900, 900, 950, 950))])
    assert after.false == before.false + 1
    assert after.recall == before.recall
    assert after.precision is not None
    assert before.precision is None or after.precision <= before.precision


@quick
@given(st.lists(expecteds(), max_size=1), st.lists(alarms(), max_size=8), st.integers(0, 7))
def test_reporting_the_same_again_never_raises_recall(expected: list[Expected], given: list[Alarm], which: int) -> None:
    if not given:
        return
    before = counted(expected, given)
    after = counted(expected, [*given, given[which % len(given)]])
    assert after.recall == before.recall


@quick
@given(cases, alarms())
def test_one_more_alarm_never_loses_an_incident(case: tuple[list[Expected], list[Alarm]], more: Alarm) -> None:
    expected, given = case
    before, after = counted(expected, given), counted(expected, [*given, more])
    assert before.found <= after.found <= before.found + 1
    assert sum((after.found, after.false, after.duplicates)) <= sum((before.found, before.false, before.duplicates)) + 1


@quick
@given(st.lists(cases, max_size=4))
def test_totals_are_sums(several: list[tuple[list[Expected], list[Alarm]]]) -> None:
    scores = [counted(*case) for case in several]
    total = sum(scores, Score())
    for field in ("expected", "found", "missed", "false", "duplicates", "footage_s"):
        assert getattr(total, field) == sum(getattr(one, field) for one in scores)
    assert total.precision == (total.found / (total.found + total.false) if total.found + total.false else None)
    assert sorted(total.delays_s) == sorted(delay for one in scores for delay in one.delays_s)
    assert sum(reversed(scores), Score()).as_json() == total.as_json()
