"""What all dashboards are made of: one way to make each kind of panel, so that they look and behave alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    geomap,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import table as tables
from grafana_foundation_sdk.builders import text as texts
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

Panel = Builder[model.Panel]

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")
TAG = "clearway"

GREEN, YELLOW, ORANGE, RED, BLUE, GREY = "green", "yellow", "orange", "red", "blue", "text"

STATE_COLOURS = {
    "seeing": GREEN,
    "connected": GREEN,
    "measured": GREEN,
    "starting": BLUE,
    "ended": GREY,
    "unheard": GREY,
    "never": GREY,
    "unknown": GREY,
    "dark": ORANGE,
    "over_exposed": ORANGE,
    "blurred": ORANGE,
    "covered": RED,
    "frozen": RED,
    "moved": RED,
    "no_signal": RED,
    "silent": RED,
}


@dataclass(frozen=True, slots=True)
class Query:
    """An expression of Prometheus and what its series are called; ``{{label}}`` stands for a label's value."""

    expr: str
    legend: str = ""


INCIDENTS_OPEN = "district, street, scenario, kind"
CAMERAS = "district, street, state"
ZONES = "district, street, scenario"


def once(metric: str, selector: str, labels: str) -> str:
    """A gauge of streets, taken once though several replicas of the aggregator serve it."""
    return f"max by ({labels}) ({metric}{selector})"


Steps = Sequence[tuple[float | None, str]]
"""From which value on, and its colour; the first has no value."""

NEUTRAL: Steps = ((None, GREEN),)
ANY_IS_BAD: Steps = ((None, GREEN), (1, RED))
MORE_IS_BETTER: Steps = ((None, RED), (0.5, ORANGE), (0.8, YELLOW), (0.95, GREEN))
SCORE: Steps = ((None, RED), (50, ORANGE), (75, YELLOW), (90, GREEN))


def thresholds(steps: Steps) -> dashboard.ThresholdsConfig:
    """Colours by value."""
    made = [model.Threshold(value=value, color=colour) for value, colour in steps]
    return dashboard.ThresholdsConfig().mode(model.ThresholdsMode.ABSOLUTE).steps(made)


def link_to(title: str, uid: str, query: str) -> dashboard.DashboardLink:
    """A link from a value to another dashboard; ``query`` sets its variables."""
    return dashboard.DashboardLink(title).url(f"/d/{uid}?{query}&${{__url_time_range}}")


def number(
    title: str,
    what: str,
    expr: str,
    unit: str = "short",
    steps: Steps = NEUTRAL,
    *,
    decimals: int | None = None,
    absent: str = "not seen",
    links: Sequence[Builder[model.DashboardLink]] = (),
    legend: str = "",
) -> Panel:
    """One large number and its course. ``what`` says what it means, ``absent`` what it means to have none."""
    panel = (
        stat.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.AREA)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(absent)
        .span(4)
        .height(4)
        .data_links(list(links))
        .with_target(_target(Query(expr, legend), "A"))
    )
    return panel if decimals is None else panel.decimals(decimals)


def lines(
    title: str,
    what: str,
    queries: Sequence[Query],
    unit: str = "short",
    *,
    stacked: bool = False,
    steps: Steps | None = None,
    least: float | None = 0,
    most: float | None = None,
    span: int = 12,
    links: Sequence[Builder[model.DashboardLink]] = (),
) -> Panel:
    """Courses over time. With ``steps`` the thresholds are drawn as lines."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .fill_opacity(20 if stacked else 5)
        .line_width(2)
        .show_points(common_model.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .show_legend(True)
            .display_mode(common_model.LegendDisplayMode.LIST)
            .placement(common_model.LegendPlacement.BOTTOM)
        )
        .span(span)
        .height(8)
        .data_links(list(links))
    )
    for place, query in enumerate(queries):
        panel = panel.with_target(_target(query, chr(ord("A") + place)))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    if steps is not None:
        panel = panel.thresholds(thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphTresholdsStyleMode.DASHED)
        )
    if least is not None:
        panel = panel.min(least)
    return panel if most is None else panel.max(most)


def states(title: str, what: str, query: Query, *, span: int = 24) -> Panel:
    """Bands in the colours of states, one for each series that is 1."""
    return (
        statetimeline.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.THRESHOLDS))
        .thresholds(thresholds(((None, "transparent"), (1, GREEN))))
        .mappings([model.ValueMap(options={"0": _shown(" ", "transparent"), "1": _shown("yes", None)})])
        .overrides(
            [
                dashboard.DashboardFieldConfigSourceOverrides()
                .matcher(model.MatcherConfig(id_val="byName", options=state))
                .properties(
                    [
                        model.DynamicConfigValue(
                            id_val="thresholds",
                            value={
                                "mode": "absolute",
                                "steps": [{"value": None, "color": "transparent"}, {"value": 1, "color": colour}],
                            },
                        )
                    ]
                )
                for state, colour in STATE_COLOURS.items()
            ]
        )
        .merge_values(True)
        .show_value(common_model.VisibilityMode.NEVER)
        .span(span)
        .height(8)
        .with_target(_target(query, "A"))
    )


def bars(
    title: str,
    what: str,
    query: Query,
    unit: str = "short",
    steps: Steps = NEUTRAL,
    *,
    span: int = 12,
    most: float | None = None,
    links: Sequence[Builder[model.DashboardLink]] = (),
) -> Panel:
    """One bar for each series, as it is now."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .thresholds(thresholds(steps))
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(span)
        .height(8)
        .data_links(list(links))
        .with_target(_target(query, "A", instant=True))
    )
    return panel if most is None else panel.max(most)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, what it is asked from, its unit and colours."""

    heading: str
    expr: str
    unit: str = "short"
    steps: Steps | None = None
    decimals: int | None = None


def rows(
    title: str,
    what: str,
    columns: Sequence[Column],
    labels: Mapping[str, str],
    *,
    span: int = 24,
    height: int = 9,
    links: Sequence[Builder[model.DashboardLink]] = (),
) -> Panel:
    """A table with a row for each set of label values. ``labels`` maps a label to its heading; others are left out."""
    panel = (
        tables.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .span(span)
        .height(height)
        .data_links(list(links))
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="filterFieldsByName",
                options={"include": {"names": [*labels, *(f"Value #{_ref(each)}" for each in range(len(columns)))]}},
            )
        )
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "renameByName": {
                        **labels,
                        **{f"Value #{_ref(place)}": column.heading for place, column in enumerate(columns)},
                    }
                },
            )
        )
    )
    for place, column in enumerate(columns):
        panel = panel.with_target(_target(Query(column.expr), _ref(place), instant=True, as_table=True))
        properties = [model.DynamicConfigValue(id_val="unit", value=column.unit)]
        if column.decimals is not None:
            properties.append(model.DynamicConfigValue(id_val="decimals", value=column.decimals))
        if column.steps is not None:
            steps = [{"value": value, "color": colour} for value, colour in column.steps]
            properties.append(model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}))
            properties.append(model.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}))
        panel = panel.override_by_name(column.heading, properties)
    return panel


def cameras_on_a_map(title: str, what: str, open_incidents: str, latitude: str, longitude: str) -> Panel:
    """Markers at cameras' coordinates, coloured by their open incidents."""
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
    return (
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
        .with_target(_target(Query(latitude), "A", instant=True, as_table=True))
        .with_target(_target(Query(longitude), "B", instant=True, as_table=True))
        .with_target(_target(Query(open_incidents), "C", instant=True, as_table=True))
        .with_transformation(model.DataTransformerConfig(id_val="merge", options={}))
        .with_transformation(
            model.DataTransformerConfig(
                id_val="organize",
                options={
                    "renameByName": {
                        "agent": "Agent",
                        "camera": "Camera",
                        "Value #A": "Latitude",
                        "Value #B": "Longitude",
                        "Value #C": "Open incidents",
                    }
                },
            )
        )
    )


def note(title: str, markdown: str, *, span: int = 12, height: int = 8) -> Panel:
    """Text."""
    return texts.Panel().title(title).content(markdown).span(span).height(height)


def page(uid: str, title: str, what: str, *, since: str = "now-24h") -> dashboard.Dashboard:
    """An empty dashboard, with the choice of the data source and links to the others."""
    source = dashboard.DatasourceVariable("datasource").label("Data source").type("prometheus")
    others = (
        dashboard.DashboardLink("Clearway")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(title)
        .uid(uid)
        .description(what)
        .tags([TAG])
        .readonly()
        .refresh("30s")
        .time(since, "now")
        .timezone("browser")
        .tooltip(model.DashboardCursorSync.CROSSHAIR)
        .link(others)
        .with_variable(source)
    )


def choice(name: str, label: str, query: str, *, several: bool = False) -> dashboard.QueryVariable:
    """A variable whose values are those of a label; with ``several`` one may take all."""
    variable = (
        dashboard.QueryVariable(name)
        .label(label)
        .datasource(SOURCE)
        .query({"query": query, "refId": name, "qryType": 1})
        .refresh(model.VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(model.VariableSort.ALPHABETICAL_ASC)
    )
    return variable.multi(True).include_all(True).all_value(".*") if several else variable


def incidents_marked(selector: str) -> dashboard.AnnotationQuery:
    """A mark on every course where incidents were opened."""
    opened = f"sum by (district, street, kind) (increase(clearway_street_incidents_opened_total{{{selector}}}[1m])) > 0"
    query = dashboard.AnnotationQuery().name("Incidents opened").datasource(SOURCE).enable(True).icon_color(RED)
    return query.expr(opened)


def row(title: str) -> dashboard.Row:
    """A heading over the panels that follow."""
    return dashboard.Row(title)


def _ref(place: int) -> str:
    return chr(ord("A") + place)


def _shown(text: str, colour: str | None) -> model.ValueMappingResult:
    return model.ValueMappingResult(text=text, color=colour)


def _target(query: Query, ref: str, *, instant: bool = False, as_table: bool = False) -> prometheus.Dataquery:
    made = prometheus.Dataquery().expr(query.expr).ref_id(ref).legend_format(query.legend or "__auto")
    if as_table:
        made = made.format(prometheus_model.PromQueryFormat.TABLE)
    return made.instant() if instant else made.range()
