"""Scores what an agent reported of a recording against its truth. Pure: values in, values out.

An alarm fits an expected incident when the scenario is the same, the boxes overlap (intersection over union of 0.3 or
more; a passage has no box, there zone and kind must be the same) and the times overlap. An alarm that was opened before
a thing had come to rest is about something else that stood there. Each expected incident is found by one alarm
at most and each alarm finds one at most, so that as many as possible are found; an alarm that fits but is left over is
a duplicate; one that fits nothing is false.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.expected import TOLERANCE_S, Expected
from edge_agent.evaluation.truth import Span, WidthPoint
from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scene.stay import Box

MIN_IOU = 0.3
"""Least intersection over union of an alarm's box and the true one: the same thing, roughly boxed."""

FREE_M = 0.02
"""Nothing stands in the way of a width that is no further below the widest."""


class Outcome(StrEnum):
    """What became of an alarm, or of an expected incident."""

    FOUND = "found"
    MISSED = "missed"
    DUPLICATE = "duplicate"
    FALSE = "false"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class WidthErrors:
    """Absolute errors of the measured clear width, metres: their number, sum and worst.

    ``narrow``: how many were taken while something stood in the way, or seemed to; ``covered``: how many of those were
    within two of the standard deviations that were stated with them.
    """

    count: int = 0
    total_m: float = 0.0
    worst_m: float = 0.0
    narrow: int = 0
    covered: int = 0

    def __add__(self, other: WidthErrors) -> WidthErrors:
        return WidthErrors(
            self.count + other.count,
            self.total_m + other.total_m,
            max(self.worst_m, other.worst_m),
            self.narrow + other.narrow,
            self.covered + other.covered,
        )


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of one clip, or of several added up. Every ratio is taken from the sums, never from other ratios.

    ``delays_s`` holds the delay of each found incident, see ``delay``.
    A ratio without a denominator is None: nothing can be said.
    """

    expected: int = 0
    found: int = 0
    false: int = 0
    duplicates: int = 0
    delays_s: tuple[float, ...] = ()
    width_errors: WidthErrors = WidthErrors()
    footage_s: float = 0.0
    cpu_s: float = 0.0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.expected + other.expected,
            self.found + other.found,
            self.false + other.false,
            self.duplicates + other.duplicates,
            tuple(sorted(self.delays_s + other.delays_s)),
            self.width_errors + other.width_errors,
            self.footage_s + other.footage_s,
            self.cpu_s + other.cpu_s,
        )

    @property
    def missed(self) -> int:
        """Expected incidents that no alarm found."""
        return self.expected - self.found

    @property
    def precision(self) -> float | None:
        """Found of found and false. Duplicates are a count of their own."""
        return _ratio(self.found, self.found + self.false)

    @property
    def recall(self) -> float | None:
        """Found of expected."""
        return _ratio(self.found, self.expected)

    @property
    def f1(self) -> float | None:
        """Harmonic mean of precision and recall; 0 when there was something to find, or to leave alone, in vain."""
        return _ratio(2 * self.found, 2 * self.found + self.false + self.missed)

    @property
    def alarm_delay_median_s(self) -> float | None:
        """Median of the delays."""
        return median(self.delays_s) if self.delays_s else None

    @property
    def alarm_delay_worst_s(self) -> float | None:
        """The delay furthest from zero, with its sign: an alarm long before it is due is as wrong as a late one."""
        return max(self.delays_s, key=lambda s: (abs(s), s)) if self.delays_s else None

    @property
    def false_per_camera_hour(self) -> float | None:
        """False alarms for each hour of footage."""
        return _ratio(self.false * 3600.0, self.footage_s)

    @property
    def cpu_s_per_min(self) -> float | None:
        """Seconds of processor time, all cores together, for each minute of footage."""
        return _ratio(self.cpu_s * 60.0, self.footage_s)

    def as_json(self) -> dict[str, Any]:
        """The published keys, rounded to what the measurement holds; None where nothing can be said."""
        errors = self.width_errors
        return {
            "expected": self.expected,
            "found": self.found,
            "missed": self.missed,
            "false": self.false,
            "duplicates": self.duplicates,
            "precision": _round(self.precision, 4),
            "recall": _round(self.recall, 4),
            "f1": _round(self.f1, 4),
            "alarm_delay_median_s": _round(self.alarm_delay_median_s, 2),
            "alarm_delay_worst_s": _round(self.alarm_delay_worst_s, 2),
            "width_error_mean_m": _round(_ratio(errors.total_m, errors.count), 3),
            "width_error_worst_m": _round(errors.worst_m, 3) if errors.count else None,
            "width_within_2sd": _round(_ratio(errors.covered, errors.narrow), 3),
            "false_per_camera_hour": _round(self.false_per_camera_hour, 3),
            "cpu_s_per_min": _round(self.cpu_s_per_min, 2),
        }


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one alarm (``expected`` is what it found or doubled) or, without an alarm, of a missed one."""

    outcome: Outcome
    expected: Expected | None = None
    alarm: Alarm | None = None


def judge(expected: Sequence[Expected], alarms: Iterable[Alarm]) -> tuple[Verdict, ...]:
    """What became of every alarm and of every expected incident. The order of either does not matter."""
    asked = sorted((e for e in expected if not e.ambiguous), key=_order)
    unsure = sorted((e for e in expected if e.ambiguous), key=_order)
    given = sorted(alarms, key=lambda a: a.order)
    verdicts = []
    found_by = _pair(asked, given)
    for number, item in enumerate(asked):
        alarm = given[found_by[number]] if number in found_by else None
        verdicts.append(Verdict(Outcome.FOUND if alarm else Outcome.MISSED, item, alarm))
    rest = [alarm for number, alarm in enumerate(given) if number not in found_by.values()]
    excused_by = _pair(unsure, rest)
    for number, item in enumerate(unsure):
        alarm = rest[excused_by[number]] if number in excused_by else None
        verdicts.append(Verdict(Outcome.AMBIGUOUS, item, alarm))
    for number, alarm in enumerate(rest):
        if number not in excused_by.values():
            doubled = next((e for e in (*asked, *unsure) if fits(e, alarm)), None)
            verdicts.append(Verdict(Outcome.DUPLICATE if doubled else Outcome.FALSE, doubled, alarm))
    return tuple(verdicts)


def score(
    verdicts: Iterable[Verdict],
    *,
    width_errors: WidthErrors = WidthErrors(),
    footage_s: float,
    cpu_s: float = 0.0,
    gaps: Sequence[Span] = (),
) -> Score:
    """The counts of one clip. ``gaps`` are the spans of its footage that nobody saw."""
    verdicts = tuple(verdicts)
    count = {outcome: sum(v.outcome is outcome for v in verdicts) for outcome in Outcome}
    delays = (
        delay(verdict.expected, verdict.alarm, gaps)
        for verdict in verdicts
        if verdict.outcome is Outcome.FOUND and verdict.alarm is not None and verdict.expected is not None
    )
    return Score(
        expected=count[Outcome.FOUND] + count[Outcome.MISSED],
        found=count[Outcome.FOUND],
        false=count[Outcome.FALSE],
        duplicates=count[Outcome.DUPLICATE],
        delays_s=tuple(sorted(delays)),
        width_errors=width_errors,
        footage_s=footage_s,
        cpu_s=cpu_s,
    )


def delay(expected: Expected, alarm: Alarm, gaps: Sequence[Span] = ()) -> float:
    """Seconds from the moment an incident was due to its opening; negative is early.

    Time within ``gaps`` does not count: no agent can report what no camera saw.
    """
    unseen_s = sum(max(0.0, min(gap.to_s, alarm.opened_s) - max(gap.from_s, expected.due_s)) for gap in gaps)
    return alarm.opened_s - expected.due_s - unseen_s


def fits(expected: Expected, alarm: Alarm) -> bool:
    """Whether ``alarm`` can be about ``expected``: the same scenario, place and time."""
    closed_s = float("inf") if alarm.closed_s is None else alarm.closed_s
    if alarm.opened_s > expected.to_latest_s + TOLERANCE_S or closed_s < expected.from_s - TOLERANCE_S:
        return False
    if expected.scenario is not alarm.scenario:
        return False
    if expected.box is None or alarm.box is None:
        return expected.box is alarm.box and expected.kind is alarm.kind and expected.zone_id == alarm.zone_id
    if alarm.opened_s < expected.from_earliest_s - TOLERANCE_S:
        return False
    return overlap(expected.box, alarm.box) >= MIN_IOU


def overlap(first: Box, second: Box) -> float:
    """Intersection over union of two boxes."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    return shared / (_area(first) + _area(second) - shared)


def compare_widths(
    true: Sequence[WidthPoint], measured: Iterable[ClearWidth], hidden: Sequence[Span] = ()
) -> WidthErrors:
    """Errors of a measured clear width while it was measured.

    Each measurement is held against the true widths within ``TOLERANCE_S`` of it, and its error is the distance to
    the nearest of them, so that a step of the truth may be seen a little early or late; a longer lag counts in full.
    Measurements in ``hidden`` spans, in which the truth says that people hid an obstacle, and as long after them as a
    step may be seen late, are left out.
    """
    free_m = max((point.width_m for point in true), default=0.0) - FREE_M
    errors, narrow, covered = [], 0, 0
    for width in measured:
        near = [point.width_m for point in true if abs(point.t_s - width.media_time_s) <= TOLERANCE_S]
        hides = any(span.from_s <= width.media_time_s <= span.to_s + TOLERANCE_S for span in hidden)
        if width.width_m is None or not near or hides:
            continue
        error_m, true_m = min((abs(true_m - width.width_m), true_m) for true_m in near)
        errors.append(error_m)
        if width.uncertainty_m is not None and min(true_m, width.width_m) < free_m:
            narrow += 1
            covered += error_m <= 2 * width.uncertainty_m
    return WidthErrors(len(errors), sum(errors), max(errors, default=0.0), narrow, covered)


def _pair(expected: Sequence[Expected], alarms: Sequence[Alarm]) -> Mapping[int, int]:
    """Which alarm finds which expected incident, by index: as many pairs as there can be (augmenting paths).

    An expected incident prefers an alarm of its own zone, then the earliest.
    """
    choices = [
        sorted(
            (number for number, alarm in enumerate(alarms) if fits(item, alarm)),
            key=lambda number: (alarms[number].zone_id != item.zone_id, number),
        )
        for item in expected
    ]
    taken: dict[int, int] = {}

    def seat(item: int, tried: set[int]) -> bool:
        for alarm in choices[item]:
            if alarm in tried:
                continue
            tried.add(alarm)
            if alarm not in taken or seat(taken[alarm], tried):
                taken[alarm] = item
                return True
        return False

    for item in range(len(expected)):
        seat(item, set())
    return {item: alarm for alarm, item in taken.items()}


def _order(item: Expected) -> tuple[float, float, str, str, str]:
    return item.from_s, item.due_s, item.zone_id, item.kind.value, item.truth_id


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _round(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits) + 0.0
