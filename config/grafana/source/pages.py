"""What a dashboard has beside its panels: variables, links to the others, marks of incidents."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grafana_foundation_sdk.models import dashboard as model
from parts import RED, SOURCE

TAG = "clearway"


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


MARKED_STEP_S = 60
MARKED_RANGE_S = 120
"""Twice the step, so that every rise lies within one of them, whatever the distance of scrapes; marks that follow each
other are drawn as one."""
MARKS = {
    "Incidents opened": {
        "step": f"{MARKED_STEP_S}s",
        "titleFormat": "{{kind}} in {{street}}",
        "textFormat": "An incident was opened.",
        "tagKeys": "district,street,kind",
    },
    "Incidents open": {
        "step": f"{MARKED_STEP_S}s",
        "titleFormat": "{{kind}} in {{zone}}",
        "textFormat": "An incident was open.",
        "tagKeys": "zone,kind",
    },
}
"""What Prometheus' annotations have beside what the builder knows, by their names."""


def incidents_marked(selector: str) -> dashboard.AnnotationQuery:
    """A mark on every course where incidents were opened."""
    opened = f"increase(clearway_street_incidents_opened_total{{{selector}}}[{MARKED_RANGE_S}s])"
    return _marks("Incidents opened", f"max by (district, street, scenario, kind) ({opened}) > 0")


def incidents_shaded(selector: str) -> dashboard.AnnotationQuery:
    """The time in which incidents were open before a camera, as regions."""
    return _marks("Incidents open", f"max by (zone, kind) (clearway_incidents_open{{{selector}}}) > 0")


def _marks(name: str, expr: str) -> dashboard.AnnotationQuery:
    query = dashboard.AnnotationQuery().name(name).datasource(SOURCE).enable(True).icon_color(RED)
    return query.expr(expr)
