"""Why an alarm was false or an expected incident missed, in one sentence, as far as the run tells."""

from __future__ import annotations

from edge_agent.evaluation.alarm import Alarm
from edge_agent.evaluation.evaluate import Judged
from edge_agent.evaluation.expected import TOLERANCE_S, Expected
from edge_agent.evaluation.scorer import MIN_IOU, Outcome, Verdict, delay, overlap
from edge_agent.scene.camera_state import CameraState
from edge_agent.scene.stay import Box, StayState

_FEW = 0.3
"""Below this share of frames with a detection, the detector is the likeliest reason."""


def explain(judged: Judged, verdict: Verdict) -> str:
    """One sentence for a person who looks at the report."""
    if verdict.outcome is Outcome.MISSED and verdict.expected is not None:
        return _missed(judged, verdict.expected)
    if verdict.outcome is Outcome.FALSE and verdict.alarm is not None:
        return _false(judged, verdict.alarm)
    if verdict.outcome is Outcome.DUPLICATE and verdict.alarm is not None:
        return "The same thing was reported before: its stay was lost and begun anew, or two zones reported it."
    if verdict.outcome is Outcome.AMBIGUOUS:
        return "Too close to its limit, to the border of the zone, or to a gap for the truth to tell: not scored."
    if verdict.alarm is not None and verdict.expected is not None:
        delay_s = delay(verdict.expected, verdict.alarm, judged.run.gaps)
        return f"Found {abs(delay_s):.1f} s {'after' if delay_s >= 0 else 'before'} its limit was over."
    return ""


def _missed(judged: Judged, item: Expected) -> str:
    if item.box is None:
        return _missed_passage(judged, item)
    late = [alarm for alarm in judged.alarms if alarm.box and overlap(alarm.box, item.box) >= MIN_IOU]
    for alarm in late:
        if alarm.opened_s > item.to_latest_s + TOLERANCE_S:
            return f"Reported {alarm.opened_s - item.to_s:.0f} s after it had left."
        if item.from_earliest_s - TOLERANCE_S > alarm.opened_s and (alarm.closed_s or float("inf")) > item.from_s:
            return "An incident of what stood there before was never closed: the two were taken for one."
    near = max((overlap(a.box, item.box) for a in judged.alarms if a.box is not None), default=0.0)
    if near > 0.1:
        return f"The nearest alarm's box overlaps the true one by {near:.2f}; {MIN_IOU:g} is needed."
    blind_s = sum(
        max(0.0, min(span.to_s, item.to_s) - max(span.from_s, item.from_s))
        for span in judged.run.states
        if span.state is not CameraState.SEEING
    )
    if blind_s > (item.to_s - item.from_s) / 2:
        return f"The camera could not tell for {blind_s:.0f} s of it."
    seen = [at_s for at_s, _ in judged.run.sightings.get(item.truth_id, ()) if item.from_s <= at_s <= item.to_s]
    frames = max(1.0, judged.run.frames * (item.to_s - item.from_s) / max(judged.run.footage_s, 1.0))
    share = min(1.0, len(seen) / frames)
    held_s = _held_s(judged, item.box, item.from_s, item.to_s)
    words = (
        f"A detection overlapped it in {share:.0%} of the frames; the longest stay held there stood for {held_s:.0f} s"
    )
    return f"{words} of {item.to_s - item.from_s:.0f} s{': the detector does not see it.' if share < _FEW else '.'}"


def _missed_passage(judged: Judged, item: Expected) -> str:
    widths = [
        width.width_m
        for width in judged.run.widths.get(item.zone_id, ())
        if item.from_s <= width.media_time_s <= item.to_s and width.width_m is not None
    ]
    if not widths:
        return "The clear width was not measured in that time."
    return f"Between {min(widths):.2f} and {max(widths):.2f} m were measured in that time."


def _held_s(judged: Judged, box: Box, from_s: float, to_s: float) -> float:
    """The longest time for which one stay of the agent's memory stood at a place."""
    longest_s = 0.0
    for trace in judged.run.traces:
        if overlap(trace.box, box) >= MIN_IOU:
            held = [s for s in trace.spans if s.standing and s.state is not StayState.ABSENT]
            if held:
                longest_s = max(longest_s, min(held[-1].to_s, to_s) - max(held[0].from_s, from_s))
    return longest_s


def _false(judged: Judged, alarm: Alarm) -> str:
    box = alarm.box
    if box is None:
        return "The true width was above the limit, or below it for less than the limit's time."
    for event in judged.truth.events:
        if overlap(event.box, box) < MIN_IOU:
            continue
        if not event.is_stay and event.from_s <= alarm.opened_s <= event.to_s + TOLERANCE_S:
            return f"It is {event.id}, a {event.kind}: it stops for traffic and goes on."
        if event.is_stay and event.from_s - TOLERANCE_S <= alarm.opened_s <= event.to_s + TOLERANCE_S:
            return (
                f"It is {event.id}, which stood for {event.to_s - event.from_s:.0f} s: not over a limit in this zone."
            )
        if event.is_stay and alarm.opened_s > event.to_s:
            return f"{event.id} had stood here and had left {alarm.opened_s - event.to_s:.0f} s before."
    return "The truth knows of nothing that stood here then."
