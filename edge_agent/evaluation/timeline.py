"""A clip's time line as SVG: what was true, what the detector saw, what the scene memory held, what was reported."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

from edge_agent.config import PassageZone
from edge_agent.evaluation.clip_run import StateSpan, StayTrace
from edge_agent.evaluation.evaluate import Judged
from edge_agent.evaluation.expected import Expected
from edge_agent.evaluation.scorer import MIN_IOU, Outcome, Verdict, delay, overlap
from edge_agent.evaluation.truth import Span, TruthEvent
from edge_agent.scene.camera_state import CameraState

_LEFT, _WIDTH, _RIGHT = 190.0, 1120.0, 20.0
_ROW, _GAP = 46.0, 8.0
_TICKS_S = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400)
_SHORTEST_PX = 2.0
_LABEL = 25

COLOURS = {
    Outcome.FOUND: "#2e7d32",
    Outcome.MISSED: "#c62828",
    Outcome.FALSE: "#c62828",
    Outcome.DUPLICATE: "#ef6c00",
    Outcome.AMBIGUOUS: "#757575",
}
_STATES = {"observed": "#5c8fc9", "occluded": "#b39ddb", "unknown": "#bdbdbd", "absent": "#eceff1"}


@dataclass(slots=True)
class _Drawing:
    from_s: float
    to_s: float
    parts: list[str] = field(default_factory=list)
    y: float = 4.0

    def x(self, at_s: float) -> float:
        at_s = min(max(at_s, self.from_s), self.to_s)
        return _LEFT + (at_s - self.from_s) / max(self.to_s - self.from_s, 1e-9) * (_WIDTH - _LEFT - _RIGHT)

    def bar(self, from_s: float, to_s: float, y: float, height: float, style: str, title: str) -> None:
        if to_s < self.from_s or from_s > self.to_s:
            return
        left = self.x(from_s)
        width = max(self.x(to_s) - left, _SHORTEST_PX)
        self.parts.append(
            f'<rect x="{left:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:g}" {style}>'
            f"<title>{escape(title)}</title></rect>"
        )

    def text(self, x: float, y: float, words: str, css: str = "", anchor: str = "start") -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{css}" text-anchor="{anchor}">{escape(words)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, css: str, title: str = "") -> None:
        self.parts.append(
            f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{css}">'
            f"<title>{escape(title)}</title></line>"
        )

    def svg(self) -> str:
        height = self.y + 4
        return f'<svg viewBox="0 0 {_WIDTH:g} {height:.0f}" role="img">{"".join(self.parts)}</svg>'


def timeline(judged: Judged) -> str:
    """The time line of one clip."""
    footage = judged.run.footage
    drawing = _Drawing(footage.from_s, max(footage.to_s, footage.from_s + 1.0))
    _camera_lane(drawing, judged.run.states)
    shown: set[str] = set()
    for verdict in judged.verdicts:
        if verdict.expected is not None and verdict.outcome is not Outcome.DUPLICATE:
            doubles = [v for v in judged.verdicts if v.outcome is Outcome.DUPLICATE and v.expected is verdict.expected]
            _expected_lane(drawing, judged, verdict, doubles)
            shown.add(verdict.expected.truth_id)
    for event in judged.truth.events:
        if event.id not in shown:
            _other_lane(drawing, judged, event)
    for verdict in judged.verdicts:
        if verdict.outcome is Outcome.FALSE:
            _false_lane(drawing, judged, verdict)
    for zone in sorted(judged.run.widths):
        if judged.truth.clear_width:
            _width_lane(drawing, judged, zone)
    _axis(drawing)
    return drawing.svg()


def _camera_lane(drawing: _Drawing, states: Iterable[StateSpan]) -> None:
    drawing.text(_LEFT - 10, drawing.y + 11, "camera", "label", "end")
    drawing.bar(drawing.from_s, drawing.to_s, drawing.y + 2, 10, 'fill="url(#gap)"', "no frames: nobody saw")
    for span in states:
        seeing = span.state is CameraState.SEEING
        style = f'fill="{"#c8e6c9" if seeing else "#37474f"}"'
        title = f"{span.state.value} {clock(span.from_s)} to {clock(span.to_s)}"
        drawing.bar(span.from_s, span.to_s, drawing.y + 2, 10, style, title)
        if not seeing and drawing.x(span.to_s) - drawing.x(span.from_s) > 40:
            drawing.text(drawing.x(span.from_s) + 3, drawing.y + 10, span.state.value, "state")
    drawing.y += 12 + _GAP


def _expected_lane(drawing: _Drawing, judged: Judged, verdict: Verdict, doubles: list[Verdict]) -> None:
    item = verdict.expected
    if item is None:
        return
    top = drawing.y
    _row_label(drawing, top, f"{item.truth_id}  {_class_of(judged, item)}", f"{item.zone_id}: {verdict.outcome.value}")
    unsure = 'fill="#90caf9" opacity="0.45"'
    drawing.bar(item.from_earliest_s, item.to_latest_s, top, 12, unsure, "arrival or departure that nobody saw")
    title = f"true from {clock(item.from_s)} to {clock(item.to_s)}"
    drawing.bar(item.from_s, item.to_s, top, 12, 'fill="#1565c0"', title)
    due = drawing.x(item.due_s)
    drawing.line(due, top - 3, due, top + 40, "due", f"limit over at {clock(item.due_s)}")
    _what_was_seen(drawing, judged, item.truth_id, item.box, item.from_s, item.to_latest_s, top + 14)
    _alarm_bars(drawing, [verdict, *doubles], judged.run.gaps, top + 27)
    drawing.y += _ROW + 10 * len(doubles) + _GAP


def _other_lane(drawing: _Drawing, judged: Judged, event: TruthEvent) -> None:
    top = drawing.y
    _row_label(drawing, top, f"{event.id}  {event.class_name or event.group.value}", f"{event.kind}: nothing asked")
    title = f"{event.kind} from {clock(event.from_s)} to {clock(event.to_s)}"
    drawing.bar(event.from_s, event.to_s, top, 8, 'fill="#b0bec5"', title)
    _what_was_seen(drawing, judged, event.id, event.box, event.from_s, event.to_s, top + 10)
    drawing.y += 24 + _GAP


def _false_lane(drawing: _Drawing, judged: Judged, verdict: Verdict) -> None:
    alarm = verdict.alarm
    if alarm is None:
        return
    top = drawing.y
    _row_label(drawing, top, f"false  {alarm.class_name or alarm.kind.value}", alarm.zone_id, "bad")
    _what_was_seen(drawing, judged, "", alarm.box, alarm.stay_from_s, drawing.to_s, top)
    _alarm_bars(drawing, [verdict], judged.run.gaps, top + 13)
    drawing.y += 28 + _GAP


def _row_label(drawing: _Drawing, top: float, first: str, second: str, css: str = "") -> None:
    if len(first) > _LABEL:
        first = "…" + first[1 - _LABEL :]
    drawing.text(_LEFT - 10, top + 10, first, f"label {css}", "end")
    drawing.text(_LEFT - 10, top + 23, second, "sub", "end")


def _what_was_seen(
    drawing: _Drawing,
    judged: Judged,
    truth_id: str,
    box: tuple[float, float, float, float] | None,
    from_s: float,
    to_s: float,
    y: float,
) -> None:
    """Ticks for the detections and a band for the stays of the agent's memory at this place."""
    for at_s, score in judged.run.sightings.get(truth_id, ()):
        x = drawing.x(at_s)
        drawing.line(x, y, x, y + 1 + 4 * score, "tick", f"detected at {clock(at_s)}, score {score:.2f}")
    if box is None:
        return
    for trace in judged.run.traces:
        if overlap(trace.box, box) >= MIN_IOU:
            _trace(drawing, trace, from_s, to_s, y + 6)


def _trace(drawing: _Drawing, trace: StayTrace, from_s: float, to_s: float, y: float) -> None:
    if trace.spans[-1].to_s < from_s or trace.spans[0].from_s > to_s:
        return
    ends = [span.from_s for span in trace.spans[1:]] + [trace.spans[-1].to_s]
    for span, end_s in zip(trace.spans, ends, strict=True):
        opacity = "1" if span.standing else "0.35"
        words = span.state.value if span.standing else f"candidate, {span.state.value}"
        title = f"stay {trace.stay_id} ({trace.class_name}): {words} {clock(span.from_s)} to {clock(end_s)}"
        drawing.bar(span.from_s, end_s, y, 4, f'fill="{_STATES[span.state.value]}" opacity="{opacity}"', title)


def _alarm_bars(drawing: _Drawing, verdicts: list[Verdict], gaps: tuple[Span, ...], y: float) -> None:
    for number, verdict in enumerate(verdicts):
        alarm = verdict.alarm
        if alarm is None:
            continue
        end_s = drawing.to_s if alarm.closed_s is None else alarm.closed_s
        why = "still open" if alarm.close_reason is None else alarm.close_reason.value
        title = f"{verdict.outcome.value}: opened {clock(alarm.opened_s)}, closed {clock(end_s)} ({why})"
        drawing.bar(alarm.opened_s, end_s, y + 10 * number, 9, f'fill="{COLOURS[verdict.outcome]}" rx="2"', title)
        if verdict.outcome is Outcome.FOUND and verdict.expected is not None:
            delay_s = delay(verdict.expected, alarm, gaps)
            drawing.text(drawing.x(alarm.opened_s) + 4, y + 7.5, f"{delay_s:+.1f} s", "delay")


_WIDTH_HEIGHT = 110.0


def _width_lane(drawing: _Drawing, judged: Judged, zone: str) -> None:
    top = drawing.y + 6
    true, measured = judged.truth.clear_width, judged.run.widths[zone]
    widest = max([p.width_m for p in true] + [w.width_m for w in measured if w.width_m is not None] + [0.1])

    def y(width_m: float) -> float:
        return top + (1 - width_m / widest) * _WIDTH_HEIGHT

    drawing.text(_LEFT - 10, top + 10, "clear width, m", "label", "end")
    drawing.text(_LEFT - 10, top + 23, zone, "sub", "end")
    for limit_m in _limits_m(judged, zone):
        if limit_m < widest:
            drawing.line(_LEFT, y(limit_m), _WIDTH - _RIGHT, y(limit_m), "limit")
            drawing.text(_LEFT - 4, y(limit_m) + 3, f"{limit_m:g}", "sub", "end")
    points = []
    for point, after in zip(true, [*true[1:], None], strict=True):
        end_s = drawing.to_s if after is None else after.t_s
        points += [
            f"{drawing.x(point.t_s):.1f},{y(point.width_m):.1f}",
            f"{drawing.x(end_s):.1f},{y(point.width_m):.1f}",
        ]
    drawing.parts.append(f'<polyline points="{" ".join(points)}" class="true"/>')
    run: list[str] = []
    for width in (*measured, None):
        if width is not None and width.width_m is not None:
            run.append(f"{drawing.x(width.media_time_s):.1f},{y(width.width_m):.1f}")
        elif run:
            drawing.parts.append(f'<polyline points="{" ".join(run)}" class="measured"/>')
            run = []
    drawing.y = top + _WIDTH_HEIGHT + _GAP


def _limits_m(judged: Judged, zone_id: str) -> tuple[float, ...]:
    for zone in judged.camera.zones:
        if isinstance(zone, PassageZone) and zone.id == zone_id:
            return zone.limits_m.blocked, zone.limits_m.narrowed
    return ()


def _axis(drawing: _Drawing) -> None:
    span_s = drawing.to_s - drawing.from_s
    step_s = next((s for s in _TICKS_S if span_s / s <= 14), _TICKS_S[-1])
    at_s = -(-drawing.from_s // step_s) * step_s
    grid = []
    while at_s <= drawing.to_s:
        x = drawing.x(at_s)
        grid.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{drawing.y:.1f}" class="grid"/>')
        drawing.text(x, drawing.y + 12, clock(at_s), "sub", "middle")
        at_s += step_s
    drawing.parts[:0] = grid
    drawing.y += 16


def _class_of(judged: Judged, item: Expected) -> str:
    for event in judged.truth.events:
        if event.id == item.truth_id:
            return event.class_name or event.group.value
    return ""


def clock(at_s: float) -> str:
    """A media time for people: seconds below ten minutes, then minutes and hours."""
    if at_s < 600:
        return f"{round(at_s, 1):g} s"
    hours, rest = divmod(round(at_s), 3600)
    return f"{hours}:{rest // 60:02d}:{rest % 60:02d}" if hours else f"{rest // 60}:{rest % 60:02d}"
