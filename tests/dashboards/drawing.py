"""Draws a dashboard and the answers to its queries as one HTML page with inline SVG."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any

from tests.dashboards.panels import chosen_at_first, filled
from tests.dashboards.tables import Table, tabled
from tests.dashboards.units import said

PALETTE = ("#7eb26d", "#eab839", "#6ed0e0", "#ef843c", "#e24d42", "#1f78c1", "#ba43a9", "#705da0", "#508642")
NAMED = {
    "green": "#73bf69",
    "dark-green": "#37872d",
    "yellow": "#fade2a",
    "orange": "#ff9830",
    "red": "#f2495c",
    "blue": "#5794f2",
    "text": "#9a9ba3",
    "transparent": "none",
}
STYLE = """
body{margin:0;background:#111217;color:#d8d9da;font:13px sans-serif;position:relative}
h1{font-size:18px;margin:10px 12px 0}h1 small{color:#8e8e8e;font-weight:normal;font-size:13px;margin-left:12px}
.panel{position:absolute;background:#181b1f;border:1px solid #25272c;border-radius:3px;box-sizing:border-box;
overflow:hidden;padding:4px 8px}.panel h2{font-size:13px;margin:0 0 2px;font-weight:500}
.row{position:absolute;font-size:15px;padding:8px 4px;color:#ccccdc}
.none{color:#8e8e8e;font-size:20px;text-align:center;padding-top:14px}
.keys{position:absolute;bottom:3px;left:8px;right:8px;font-size:11px;color:#b0b0b8}.keys i{display:inline-block;
width:12px;height:3px;margin:0 4px 3px 8px}
table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:4px 8px;border-bottom:1px solid #2c2e33}
th{color:#6e9fff;font-weight:500}pre{white-space:pre-wrap;font:12px sans-serif}
"""


def drawn(dashboard: Mapping[str, Any], answers: Mapping[str, Any], width_px: int, row_px: int) -> str:
    """The page. ``answers`` are by expression, with the variables filled in."""
    unit = (width_px - 24) / 24
    chosen = chosen_at_first(dashboard)
    marks = [
        (run[0][0], run[-1][0])
        for annotation in dashboard.get("annotations", {}).get("list", ())
        for one in answers.get(filled(annotation["expr"], chosen), ())
        for run in _runs(_points(one))
    ]
    parts = []
    for panel in dashboard["panels"]:
        at = panel["gridPos"]
        place = (
            f"left:{12 + at['x'] * unit:.0f}px;top:{50 + at['y'] * row_px}px;"
            f"width:{at['w'] * unit - 6:.0f}px;height:{at['h'] * row_px - 6}px"
        )
        if panel["type"] == "row":
            parts.append(f'<div class="row" style="{place}">{html.escape(panel["title"])}</div>')
            continue
        inside = _inside(panel, answers, chosen, marks, at["w"] * unit - 24, at["h"] * row_px - 32)
        title = html.escape(panel["title"])
        parts.append(f'<div class="panel" style="{place}"><h2>{title}</h2>{inside}</div>')
    title, what = html.escape(dashboard["title"]), html.escape(dashboard.get("description", ""))
    return (
        f"<!doctype html><meta charset=utf-8><style>{STYLE}</style><h1>{title}<small>{what}</small></h1>"
        f"{''.join(parts)}"
    )


def _inside(
    panel: Mapping[str, Any],
    answers: Mapping[str, Any],
    chosen: Mapping[str, str],
    marks: Sequence[tuple[float, float]],
    width: float,
    height: float,
) -> str:
    kind = panel["type"]
    if kind == "text":
        return f"<pre>{html.escape(filled(panel['options']['content'], chosen))}</pre>"
    asked = [(target, answers.get(filled(target["expr"], chosen), [])) for target in panel["targets"]]
    if kind == "stat":
        return _stat(panel, asked)
    if kind in ("table", "geomap"):
        table = tabled(asked, panel.get("transformations", ()))
        return _table(panel, table) if kind == "table" else _map(panel, table, width, height)
    series = [(_name(target, one["metric"]), one) for target, found in asked for one in found]
    if not series:
        return '<div class="none">No data</div>'
    if kind == "bargauge":
        return _bars(panel, series)
    courses = [(name, _points(one)) for name, one in series]
    if kind == "state-timeline":
        return _bands(panel, courses, width, height)
    return _lines(panel, courses, marks, width, height)


def _name(target: Mapping[str, Any], labels: Mapping[str, str]) -> str:
    text = str(target.get("legendFormat", "__auto"))
    if text == "__auto":
        return "{" + ", ".join(f"{name}={value}" for name, value in labels.items()) + "}"
    for name, value in labels.items():
        text = text.replace("{{" + name + "}}", value)
    return text


def _points(one: Mapping[str, Any]) -> list[tuple[float, float]]:
    pairs = one["values"] if "values" in one else [one["value"]]
    return [(float(at), float(value)) for at, value in pairs if not math.isnan(float(value))]


def _defaults(panel: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = panel["fieldConfig"]["defaults"]
    return found


def _colour(value: float, config: Mapping[str, Any]) -> str:
    steps = config.get("thresholds", {}).get("steps", ())
    reached = [step["color"] for step in steps if step.get("value") is None or value >= step["value"]]
    return NAMED.get(reached[-1], reached[-1]) if reached else NAMED["green"]


def _stat(panel: Mapping[str, Any], asked: Sequence[Any]) -> str:
    config = _defaults(panel)
    found = [
        (_name(target, one["metric"]), points) for target, all_ in asked for one in all_ if (points := _points(one))
    ]
    if not found:
        return f'<div class="none">{html.escape(config.get("noValue", "No data"))}</div>'
    shown = []
    for name, points in found:
        value = points[-1][1]
        text = said(value, config.get("unit"), config.get("decimals"))
        text = name if panel["options"].get("textMode") == "name" else text
        style = f"color:{_colour(value, config)};font-size:32px;margin-right:12px"
        shown.append(f'<span style="{style}">{html.escape(text)}</span>')
    return f'<div style="padding-top:8px;text-align:center">{"".join(shown)}</div>'


def _overridden(panel: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The field configuration of one series or column."""
    config = dict(_defaults(panel))
    for override in panel["fieldConfig"].get("overrides", ()):
        if override["matcher"] == {"id": "byName", "options": name}:
            config |= {one["id"]: one["value"] for one in override["properties"]}
    return config


def _lines(
    panel: Mapping[str, Any], courses: Sequence[Any], marks: Sequence[tuple[float, float]], width: float, height: float
) -> str:
    config = _defaults(panel)
    custom = config.get("custom", {})
    if custom.get("stacking", {}).get("mode") == "normal":
        courses = _stacked(courses)
    steps = config.get("thresholds", {}).get("steps", ()) if custom.get("thresholdsStyle", {}).get("mode") else ()
    values = [value for _, points in courses for _, value in points]
    values += [step["value"] for step in steps if step.get("value") is not None]
    times = [at for _, points in courses for at, _ in points]
    if not times:
        return '<div class="none">No data</div>'
    low, high = config.get("min", min(values)), config.get("max", max(values))
    high = high if high > low else low + 1
    left, below = 64.0, 24.0
    box_w, box_h = width - left - 8, height - below - 20

    def x(at: float) -> float:
        return left + box_w * (at - min(times)) / max(max(times) - min(times), 1)

    def y(value: float) -> float:
        return 6 + box_h * (1 - (value - low) / (high - low))

    parts = []
    for begin, end in marks:
        if end >= min(times) and begin <= max(times):
            first, last = x(max(begin, min(times))), x(min(end, max(times)))
            size = f'width="{max(last - first, 1):.1f}" height="{box_h:.1f}"'
            parts.append(f'<rect x="{first:.1f}" y="6" {size} fill="{NAMED["red"]}" opacity="0.06"/>')
    whole = config.get("decimals") == 0 and high - low < 4
    ticks = max(int(high - low), 1) if whole else 4
    finer = 3 if config.get("unit") == "percentunit" and high - low < 0.02 else config.get("decimals")
    for tick in range(ticks + 1):
        value = low + (high - low) * tick / ticks
        text = html.escape(said(value, config.get("unit"), finer))
        parts.append(
            f'<line x1="{left}" x2="{width - 8}" y1="{y(value):.1f}" y2="{y(value):.1f}" stroke="#2c2e33"/>'
            f'<text x="{left - 6}" y="{y(value) + 4:.1f}" fill="#9a9ba3" font-size="11" text-anchor="end">{text}</text>'
        )
    for step in steps:
        if step.get("value") is not None:
            at_y, colour = y(step["value"]), NAMED.get(step["color"], step["color"])
            dashed = f'stroke="{colour}" stroke-dasharray="6 4"'
            parts.append(f'<line x1="{left}" x2="{width - 8}" y1="{at_y:.1f}" y2="{at_y:.1f}" {dashed}/>')
    keys = []
    for place, (name, points) in enumerate(courses):
        fixed = _overridden(panel, name).get("color", {}).get("fixedColor")
        colour = NAMED[fixed] if fixed else PALETTE[place % len(PALETTE)]
        keys.append(f'<i style="background:{colour}"></i>{html.escape(name)}')
        for run in _runs(points):
            path = " ".join(f"{x(at):.1f},{y(min(max(value, low), high)):.1f}" for at, value in run)
            parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
    graph = f'<svg width="{width:.0f}" height="{height - 18:.0f}">{"".join(parts)}</svg>'
    return f'{graph}<div class="keys">{"".join(keys)}</div>'


def _runs(points: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    runs: list[list[tuple[float, float]]] = []
    for point in points:
        if runs and point[0] - runs[-1][-1][0] < 1.5:
            runs[-1].append(point)
        else:
            runs.append([point])
    return runs


def _stacked(courses: Sequence[Any]) -> list[Any]:
    under: dict[float, float] = {}
    stacked = []
    for name, points in courses:
        for at, value in points:
            under[at] = under.get(at, 0.0) + value
        stacked.append((name, [(at, under[at]) for at, _ in points]))
    return stacked


def _bands(panel: Mapping[str, Any], courses: Sequence[Any], width: float, height: float) -> str:
    times = [at for _, points in courses for at, _ in points]
    high = min(34.0, (height - 10) / len(courses))
    parts = []
    for place, (name, points) in enumerate(courses):
        config = _overridden(panel, name)
        parts.append(
            f'<text x="90" y="{place * high + high / 2 + 4:.0f}" fill="#d8d9da" text-anchor="end">{name}</text>'
        )
        for run in _runs(points):
            scale = (width - 110) / max(max(times) - min(times), 1)
            left, long = 100 + scale * (run[0][0] - min(times)), scale * (run[-1][0] - run[0][0] + 1)
            fill = _colour(run[0][1], config)
            parts.append(
                f'<rect x="{left:.1f}" y="{place * high + 2:.0f}" width="{long:.1f}" height="{high - 4:.0f}"'
                f' fill="{fill}"/>'
            )
    return f'<svg width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'


def _bars(panel: Mapping[str, Any], series: Sequence[Any]) -> str:
    config = _defaults(panel)
    values = [(name, _points(one)[-1][1]) for name, one in series if _points(one)]
    top = config.get("max") or max(value for _, value in values) or 1
    bars = [
        f'<div style="margin:8px 0">{html.escape(name)}<div style="background:#25272c"><div style="'
        f'width:{max(100 * value / top, 0.5):.0f}%;background:{_colour(value, config)};padding:3px;color:#111">'
        f"{html.escape(said(value, config.get('unit'), config.get('decimals')))}</div></div></div>"
        for name, value in values
    ]
    return "".join(bars)


def _table(panel: Mapping[str, Any], table: Table) -> str:
    heads = "".join(f"<th>{html.escape(name)}</th>" for name in table.shown)
    lines = []
    for row in table.rows:
        cells = []
        for name in table.shown:
            config = _overridden(panel, name)
            value = row.get(name)
            text = said(value, config.get("unit"), config.get("decimals")) if isinstance(value, float) else value or ""
            for mapping in config.get("mappings", ()):
                text = mapping["options"].get(text, {}).get("text", text)
            coloured = isinstance(value, float) and "custom.cellOptions" in config
            colour = f' style="color:{_colour(value, config)}"' if coloured and isinstance(value, float) else ""
            cells.append(f"<td{colour}>{html.escape(text)}</td>")
        lines.append(f"<tr>{''.join(cells)}</tr>")
    links = [link["url"] for link in _defaults(panel).get("links", ())]
    said_links = f'<div class="keys">{html.escape(" ".join(links))}</div>' if links else ""
    return f"<table><tr>{heads}</tr>{''.join(lines)}</table>{said_links}"


def _map(panel: Mapping[str, Any], table: Table, width: float, height: float) -> str:
    layer = panel["options"]["layers"][0]
    where, style = layer["location"], layer["config"]["style"]
    found = [row for row in table.rows if isinstance(row.get(where["latitude"]), float)]
    if not found:
        return '<div class="none">No data</div>'
    spots = [(row[where["longitude"]], row[where["latitude"]], row) for row in found]
    lon, lat = [float(x) for x, _, _ in spots], [float(y) for _, y, _ in spots]
    wide, tall = max(max(lon) - min(lon), 1e-6), max(max(lat) - min(lat), 1e-6)
    parts = []
    for x, y, row in spots:
        at_x = 60 + (width - 160) * (float(x) - min(lon)) / wide
        at_y = 30 + (height - 80) * (1 - (float(y) - min(lat)) / tall)
        value = row.get(style["color"]["field"])
        colour = _colour(value, _defaults(panel)) if isinstance(value, float) else "#808080"
        label = html.escape(", ".join(f"{name} {row.get(name, '')}" for name in table.shown))
        parts.append(
            f'<circle cx="{at_x:.0f}" cy="{at_y:.0f}" r="8" fill="{colour}"/>'
            f'<text x="{min(at_x, width - 420):.0f}" y="{at_y + 22:.0f}" fill="#d8d9da" font-size="10">{label}</text>'
        )
    return f'<svg width="{width:.0f}" height="{height:.0f}">{"".join(parts)}</svg>'
