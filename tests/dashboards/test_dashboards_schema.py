"""The committed dashboards are what Grafana's published types say a dashboard is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.dashboards.grafana_types import complaints, installed
from tests.dashboards.panels import FILES, load, panels

Change = Callable[[dict[str, Any]], None]


def test_all_are_of_the_published_types(tmp_path: Path) -> None:
    place = installed()
    said = complaints(place, tmp_path, {path.stem: load(path) for path in FILES})
    assert not said, "\n".join(line[:400] for line in said)


def first(dashboard: dict[str, Any], kind: str) -> dict[str, Any]:
    return next(panel for panel in panels(dashboard) if panel["type"] == kind)


WRONG: dict[str, Change] = {
    "a_number_for_a_title": lambda board: board.update(title=7),
    "an_unknown_field": lambda board: board.update(titel="City"),
    "an_unknown_colour_mode": lambda board: first(board, "stat")["options"].update(colorMode="bright"),
    "a_grid_of_text": lambda board: first(board, "stat")["gridPos"].update(w="4"),
    "an_unknown_option_of_a_map": lambda board: first(board, "geomap")["options"].update(layer=[]),
    "an_unknown_field_setting": lambda board: first(board, "timeseries")["fieldConfig"]["defaults"]["custom"].update(
        lineWidht=2
    ),
    "an_annotation_with_a_number": lambda board: board["annotations"]["list"][0].update(step=60),
}


def test_each_kind_of_mistake_is_found(tmp_path: Path) -> None:
    place = installed()
    city = next(load(path) for path in FILES if path.stem == "city")
    boards = {"unchanged": city}
    for name, change in WRONG.items():
        boards[name] = copy.deepcopy(city)
        change(boards[name])
    said = complaints(place, tmp_path, boards)
    assert {line.partition(".ts(")[0] for line in said if ".ts(" in line} == set(WRONG), said
