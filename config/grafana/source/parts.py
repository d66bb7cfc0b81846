"""What all dashboards are made of: one way to make each kind of panel, so that they look and behave alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    dashboard,
    prometheus,
    stat,
    statetimeline,
    timeseries,
)
from grafana_foundation_sdk.builders import text as texts
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models import common as common_model
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models import prometheus as prometheus_model

Panel = Builder[model.Panel]

SOURCE = model.DataSourceRef(type_val="prometheus", uid="${datasource}")

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
TO_CLEAR: Steps = ((None, GREEN), (1800, YELLOW), (3600, ORANGE), (7200, RED))
"""Half an hour is good; at an hour half of the promptness is lost, at two three quarters: docs/street-index.md."""
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
    named: str = "",
) -> Panel:
    """One large number as it is now; ``absent`` is what it means to have none.

    It is asked for this moment alone: the last value of a course would still be shown long after it ceased to be known.
    With ``named`` the series' name stands instead of its value, in the colour of the value.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .thresholds(thresholds(steps))
        .color_mode(common_model.BigValueColorMode.VALUE)
        .graph_mode(common_model.BigValueGraphMode.NONE)
        .text_mode(common_model.BigValueTextMode.NAME if named else common_model.BigValueTextMode.VALUE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .no_value(absent)
        .span(4)
        .height(3)
        .with_target(target(Query(expr, named), "A", instant=True))
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
    decimals: int | None = None,
    by_state: bool = False,
) -> Panel:
    """Courses over time.

    With ``steps`` the thresholds are drawn as lines; with ``by_state`` series have the colours of the states they are
    called after.
    """
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
    )
    for place, query in enumerate(queries):
        panel = panel.with_target(target(query, chr(ord("A") + place)))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(common_model.StackingMode.NORMAL))
    if steps is not None:
        panel = panel.thresholds(thresholds(steps)).thresholds_style(
            common.GraphThresholdsStyleConfig().mode(common_model.GraphTresholdsStyleMode.DASHED)
        )
    if by_state:
        panel = panel.overrides([_overriding(state, _fixed(colour)) for state, colour in STATE_COLOURS.items()])
    if decimals is not None:
        panel = panel.decimals(decimals)
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
        .thresholds(thresholds(((None, "transparent"), (1, GREY))))
        .overrides([_overriding(state, _from_one_on(colour)) for state, colour in STATE_COLOURS.items()])
        .merge_values(True)
        .show_value(common_model.VisibilityMode.NEVER)
        .span(span)
        .height(5)
        .with_target(target(query, "A"))
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
    decimals: int = 0,
) -> Panel:
    """One bar for each series, as it is now."""
    panel = (
        bargauge.Panel()
        .title(title)
        .description(what)
        .datasource(SOURCE)
        .unit(unit)
        .min(0)
        .decimals(decimals)
        .thresholds(thresholds(steps))
        .orientation(common_model.VizOrientation.HORIZONTAL)
        .display_mode(common_model.BarGaugeDisplayMode.BASIC)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .span(span)
        .height(8)
        .with_target(target(query, "A", instant=True))
    )
    return panel if most is None else panel.max(most)


def note(title: str, markdown: str, *, span: int = 12, height: int = 8) -> Panel:
    """Text."""
    return texts.Panel().title(title).content(markdown).span(span).height(height)


def row(title: str) -> dashboard.Row:
    """A heading over the panels that follow."""
    return dashboard.Row(title)


def _overriding(name: str, value: model.DynamicConfigValue) -> dashboard.DashboardFieldConfigSourceOverrides:
    matcher = model.MatcherConfig(id_val="byName", options=name)
    return dashboard.DashboardFieldConfigSourceOverrides().matcher(matcher).properties([value])


def _fixed(colour: str) -> model.DynamicConfigValue:
    return model.DynamicConfigValue(id_val="color", value={"mode": "fixed", "fixedColor": colour})


def _from_one_on(colour: str) -> model.DynamicConfigValue:
    steps = [{"value": None, "color": "transparent"}, {"value": 1, "color": colour}]
    return model.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps})


def target(query: Query, ref: str, *, instant: bool = False, as_table: bool = False) -> prometheus.Dataquery:
    """A query of a panel, under a letter."""
    made = prometheus.Dataquery().expr(query.expr).ref_id(ref).legend_format(query.legend or "__auto")
    if as_table:
        made = made.format(prometheus_model.PromQueryFormat.TABLE)
    return made.instant() if instant else made.range()
