"""Tables, and cameras on a map: panels whose queries become one table, a row for each set of label values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, geomap
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from parts import ANY_IS_BAD, SOURCE, Panel, Query, Steps, target, thresholds

YES_OR_NO = [{"type": "value", "options": {"0": {"text": "no"}, "1": {"text": "yes"}}}]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, what it is asked from, its unit and colours.

    ``labels`` are those that a row is known by, and further ones that become columns of their own. With ``hidden`` they
    alone are shown, since the value says nothing.
    """

    heading: str
    expr: str
    unit: str = "short"
    steps: Steps | None = None
    decimals: int | None = None
    yes_or_no: bool = False
    also: tuple[str, ...] = ()
    hidden: bool = False


def rows(
    title: str,
    what: str,
    columns: Sequence[Column],
    key: Mapping[str, str],
    *,
    also: Mapping[str, str] | None = None,
    span: int = 24,
    height: int = 8,
    links: Sequence[Builder[model.DashboardLink]] = (),
) -> Panel:
    """A table with a row for each set of values of the labels in ``key``, which maps a label to its heading.

    ``also`` maps the further labels that columns bring. Each column is taken once, whatever replicas serve it, and
    without its metric's name: two values whose names differ would not come into one row.
    """
    further = dict(also or {})
    shown = {f"Value #{_ref(place)}": column.heading for place, column in enumerate(columns) if not column.hidden}
    panel = (
        tables.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .span(span)
        .height(height)
        .show_header(True)
        .data_links(list(links))
    )
    for place, column in enumerate(columns):
        expr = f"max by ({', '.join([*key, *column.also])}) ({column.expr})"
        panel = panel.with_target(target(Query(expr), _ref(place), instant=True, as_table=True))
        if not column.hidden:
            panel = panel.override_by_name(column.heading, _properties(column))
    for transformation in _one_table({**key, **further, **shown}):
        panel = panel.with_transformation(transformation)
    return panel


def cameras_on_a_map(title: str, what: str, open_incidents: str, latitude: str, longitude: str) -> Panel:
    """Markers at cameras' coordinates, coloured by their open incidents; each is asked by agent and camera."""
    coordinates = common_model.FrameGeometrySourceMode.COORDS
    location = common.FrameGeometrySource().mode(coordinates).latitude("Latitude").longitude("Longitude")
    markers = (
        common.MapLayerOptions()
        .type("markers")
        .name("cameras")
        .location(location)
        .tooltip(True)
        .config(
            {
                "showLegend": False,
                "style": {
                    "color": {"field": "Open incidents", "fixed": "dark-green"},
                    "opacity": 0.8,
                    "size": {"fixed": 7, "min": 4, "max": 15},
                    "symbol": {"mode": "fixed", "fixed": "img/icons/marker/circle.svg"},
                },
            }
        )
    )
    panel = (
        geomap.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .thresholds(thresholds(ANY_IS_BAD))
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .view(geomap.MapViewConfig().id("fit").all_layers(True).padding(20))
        .layers([markers])
        .span(12)
        .height(12)
    )
    for place, expr in enumerate((latitude, longitude, open_incidents)):
        once = f"max by (agent, camera) ({expr})"
        panel = panel.with_target(target(Query(once), _ref(place), instant=True, as_table=True))
    names = {"Value #A": "Latitude", "Value #B": "Longitude", "Value #C": "Open incidents"}
    for transformation in _one_table({"agent": "Agent", "camera": "Camera", **names}):
        panel = panel.with_transformation(transformation)
    return panel


def _one_table(shown: Mapping[str, str]) -> list[model.DataTransformerConfig]:
    """The queries' answers as one table of the columns that are shown, in that order and under those headings."""
    steps: list[tuple[str, dict[str, Any]]] = [
        ("merge", {}),
        ("filterFieldsByName", {"include": {"names": list(shown)}}),
        (
            "organize",
            {
                "excludeByName": {},
                "indexByName": {name: place for place, name in enumerate(shown)},
                "renameByName": dict(shown),
            },
        ),
    ]
    return [model.DataTransformerConfig(id_val=name, options=options) for name, options in steps]


def _properties(column: Column) -> list[model.DynamicConfigValue]:
    made = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
    if column.decimals is not None:
        made.append(model.DynamicConfigValue(id_val="decimals", value=column.decimals))
    if column.yes_or_no:
        made.append(model.DynamicConfigValue(id_val="mappings", value=YES_OR_NO))
    if column.steps is not None:
        steps = [{"value": value, "color": colour} for value, colour in column.steps]
        made.append(model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}))
        made.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
    return made


def _ref(place: int) -> str:
    return chr(ord("A") + place)
