"""The evaluation as one HTML page that needs nothing else: scores, time lines, and stills of every decision."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape

from edge_agent.evaluation.evaluate import PLAIN, ClipResult, Judged, total
from edge_agent.evaluation.explain import explain
from edge_agent.evaluation.perturb import PERTURBATIONS
from edge_agent.evaluation.report_style import LEGEND, STYLE
from edge_agent.evaluation.scorer import Outcome, Score, Verdict
from edge_agent.evaluation.table import COLUMNS
from edge_agent.evaluation.timeline import clock, timeline
from edge_agent.scene.stay import Box

_WORRYING = ("missed", "false", "duplicates")
_LEAST_VIEW, _AROUND = 0.4, 3.0
"""A still shows at least this share of the picture, and this many times the boxes."""
_STILL_SLACK_S = 3.0
"""A still this long after a moment still shows it."""


def write_report(title: str, results: Iterable[ClipResult]) -> str:
    """The page. Everything that comes from outside is escaped."""
    results = tuple(results)
    plain = [result for result in results if result.condition == PLAIN]
    body = [
        f"<h1>Evaluation</h1><p class='lead'>{escape(title)}</p>",
        _summary(plain),
        _perturbed(results),
        LEGEND,
        *(_clip(result) for result in plain),
    ]
    return (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Evaluation: {escape(title)}</title><style>{STYLE}</style></head><body><main>"
        f"{''.join(body)}</main></body></html>\n"
    )


def _summary(results: list[ClipResult]) -> str:
    rows = []
    for result in results:
        name = f"<a href='#{_anchor(result.name)}'>{escape(result.name)}</a>"
        if result.judged is not None:
            rows.append(_row(name, result.judged.score))
        else:
            why = f"skipped: {result.skipped}" if result.skipped else f"failed: {result.failed}"
            rows.append(f"<tr class='dim'><th>{name}</th><td colspan='{len(COLUMNS)}'>{escape(why)}</td></tr>")
    return _table("clip", rows, _row("total", total(results)))


def _perturbed(results: tuple[ClipResult, ...]) -> str:
    conditions = list(dict.fromkeys(result.condition for result in results))
    if len(conditions) < 2:
        return ""
    rows = []
    for name in conditions:
        what = PERTURBATIONS[name].what if name else "as it is"
        rows.append(_row(escape(f"{name}: {what}" if name else what), total(r for r in results if r.condition == name)))
    return f"<h2>Under hardship</h2>{_table('all clips', rows, '')}"


def _table(first: str, rows: list[str], foot: str) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for _, _, heading in COLUMNS)
    return (
        f"<div class='wide'><table><thead><tr><th>{first}</th>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody><tfoot>{foot}</tfoot></table></div>"
    )


def _row(name: str, score: Score) -> str:
    values = score.as_json()
    cells = []
    for key, *_ in COLUMNS:
        value = values[key]
        worrying = key in _WORRYING and value
        cells.append(f"<td{' class=bad' if worrying else ''}>{'–' if value is None else value}</td>")
    return f"<tr><th>{name}</th>{''.join(cells)}</tr>"


def _clip(result: ClipResult) -> str:
    heading = f"<h2 id='{_anchor(result.name)}'>{escape(result.name)}</h2>"
    if result.judged is None:
        return heading + f"<p class='dim'>{escape(result.skipped or result.failed or '')}</p>"
    judged = result.judged
    score = judged.score
    chips = [
        f"<span class='chip good'>{score.found} of {score.expected} found</span>",
        *(
            f"<span class='chip bad'>{count} {word}</span>"
            for count, word in ((score.missed, "missed"), (score.false, "false"), (score.duplicates, "duplicate"))
            if count
        ),
        f"<span class='chip'>{judged.run.frames} frames, {clock(round(judged.run.footage_s, 1))} seen</span>",
    ]
    cards = "".join(_card(judged, verdict) for verdict in sorted(judged.verdicts, key=_worst_first))
    cards = f"<div class='cards'>{cards}</div>" if cards else "<p class='dim'>Nothing asked, nothing reported.</p>"
    return f"<section>{heading}<p>{' '.join(chips)}</p>{timeline(judged)}{cards}</section>"


_RANK = (Outcome.MISSED, Outcome.FALSE, Outcome.DUPLICATE, Outcome.FOUND, Outcome.AMBIGUOUS)


def _worst_first(verdict: Verdict) -> tuple[int, float]:
    at_s = verdict.alarm.opened_s if verdict.alarm else verdict.expected.due_s if verdict.expected else 0.0
    return _RANK.index(verdict.outcome), at_s


def _card(judged: Judged, verdict: Verdict) -> str:
    item, alarm = verdict.expected, verdict.alarm
    if item is not None:
        what = f"{item.truth_id} in {item.zone_id}"
    else:
        what = f"{alarm.class_name or alarm.kind.value} in {alarm.zone_id}" if alarm is not None else ""
    pictures = []
    true_box, given_box = item.box if item else None, alarm.box if alarm else None
    if item is not None:
        caption = f"limit over at {clock(item.due_s)}"
        pictures.append(_still(judged, item.due_s, item.zone_id, true_box, None, caption))
    if alarm is not None:
        caption = f"reported at {clock(alarm.opened_s)}"
        pictures.append(_still(judged, alarm.opened_s, alarm.zone_id, true_box, given_box, caption))
    return (
        f"<article class='{verdict.outcome.value}'><h3><b>{verdict.outcome.value}</b>{escape(what)}</h3>"
        f"<p>{escape(explain(judged, verdict))}</p><div class='pair'>{''.join(pictures)}</div></article>"
    )


def _still(judged: Judged, at_s: float, zone_id: str, true_box: Box | None, given_box: Box | None, caption: str) -> str:
    still = next((s for s in judged.run.stills if s.media_time_s >= at_s - 1e-6), None)
    if still is None:
        nothing = f"<p class='none'>no frame after {clock(at_s)}</p>"
        return f"<figure>{nothing}<figcaption>{escape(caption)}</figcaption></figure>"
    if still.media_time_s > at_s + _STILL_SLACK_S:
        caption += f"; next frame at {clock(still.media_time_s)}"
    width, height = judged.run.size
    left, top, across, down = _view([box for box in (true_box, given_box) if box is not None], width, height)
    zones = [zone for zone in judged.camera.zones if zone.id == zone_id]
    outlines = "".join(
        f"<polygon points='{' '.join(f'{x:g},{y:g}' for x, y in zone.polygon)}' class='zone'/>" for zone in zones
    )
    picture = b64encode(still.jpeg).decode()
    return (
        f"<figure><svg viewBox='{left:.0f} {top:.0f} {across:.0f} {down:.0f}' class='still'>"
        f"<image href='data:image/jpeg;base64,{picture}' width='{width}' height='{height}' "
        f"preserveAspectRatio='none'/>{outlines}{_rectangle(true_box, 'truebox')}{_rectangle(given_box, 'givenbox')}"
        f"</svg><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _view(boxes: list[Box], width: int, height: int) -> Box:
    """Left, top, width and height of the part of a picture to show: all of it, or around small boxes."""
    if not boxes:
        return 0.0, 0.0, float(width), float(height)
    x1, y1 = min(box[0] for box in boxes), min(box[1] for box in boxes)
    x2, y2 = max(box[2] for box in boxes), max(box[3] for box in boxes)
    share = min(1.0, max(_LEAST_VIEW, _AROUND * (x2 - x1) / width, _AROUND * (y2 - y1) / height))
    across, down = width * share, height * share
    left = min(max((x1 + x2 - across) / 2, 0.0), width - across)
    top = min(max((y1 + y2 - down) / 2, 0.0), height - down)
    return left, top, across, down


def _rectangle(box: Box | None, css: str) -> str:
    if box is None:
        return ""
    left, top, right, bottom = box
    return f"<rect x='{left:g}' y='{top:g}' width='{right - left:g}' height='{bottom - top:g}' class='{css}'/>"


def _anchor(name: str) -> str:
    return "clip-" + "".join(c if c.isalnum() else "-" for c in name)
