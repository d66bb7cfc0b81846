"""What a table panel makes of its queries: Grafana's merge, filterFieldsByName and organize, as they are used here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Cell = str | float


@dataclass(frozen=True, slots=True)
class Table:
    """``shown`` are the headings from left to right; a row lacks what no query said of it."""

    shown: list[str]
    rows: list[dict[str, Cell]]


def tabled(asked: Sequence[tuple[Mapping[str, Any], Sequence[Any]]], transformations: Sequence[Any]) -> Table:
    """The table. Raises ``ValueError`` for a transformation that is not known here."""
    table = Table([], [])
    frames = [_frame(target["refId"], found, many=len(asked) > 1) for target, found in asked]
    for one in transformations:
        if one["id"] == "merge":
            table = _merged(frames)
        elif one["id"] == "filterFieldsByName":
            kept = set(one["options"]["include"]["names"])
            table = Table([name for name in table.shown if name in kept], table.rows)
        elif one["id"] == "organize":
            table = _organised(table, one["options"])
        else:
            raise ValueError(f"{one['id']} is not known here")
    return table


def _frame(ref: str, found: Sequence[Any], *, many: bool) -> Table:
    """A query's answer as a table: time, labels and value, which has the query's letter if there are more of them."""
    value = f"Value #{ref}" if many else "Value"
    labels = sorted({name for one in found for name in one["metric"]})
    rows: list[dict[str, Cell]] = [
        {"Time": 0.0, **one["metric"], value: float((one.get("value") or one["values"][-1])[1])} for one in found
    ]
    return Table(["Time", *labels, value] if found else [], rows)


def _merged(frames: Sequence[Table]) -> Table:
    """Rows that agree in all columns which all tables have become one; a cell that is taken makes another row."""
    frames = [frame for frame in frames if frame.shown]
    shown = list(dict.fromkeys(name for frame in frames for name in frame.shown))
    common = [name for name in shown if all(name in frame.shown for frame in frames)]
    rows: list[dict[str, Cell]] = []
    places: dict[tuple[Any, ...], list[int]] = {}
    for frame in frames:
        for row in frame.rows:
            key = tuple(row.get(name) for name in common)
            for place in places.get(key, ()):
                if all(rows[place].get(name, value) == value for name, value in row.items()):
                    rows[place] |= row
                    break
            else:
                places.setdefault(key, []).append(len(rows))
                rows.append(dict(row))
    return Table(shown, rows)


def _organised(table: Table, options: Mapping[str, Any]) -> Table:
    left_out = {name for name, out in options.get("excludeByName", {}).items() if out}
    order = options.get("indexByName", {})
    renamed = options.get("renameByName", {})
    shown = [name for name in table.shown if name not in left_out]
    if order:
        shown.sort(key=lambda name: order.get(name, len(order)))
    rows = [{renamed.get(name, name): value for name, value in row.items()} for row in table.rows]
    return Table([renamed.get(name) or name for name in shown], rows)
