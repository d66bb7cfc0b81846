"""One street: its score, its incidents, its zones and cameras."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grids import Column, rows
from pages import choice, incidents_marked, page
from parts import (
    ANY_IS_BAD,
    CAMERAS,
    INCIDENTS_OPEN,
    MORE_IS_BETTER,
    SCORE,
    TO_CLEAR,
    ZONES,
    Query,
    lines,
    number,
    once,
    row,
)
from streets import OPEN_AT_CAMERAS, TO_CAMERA, cameras_by_state, cameras_of, coverage, open_now, opened_and_closed

STREET = 'district="$district", street="$street"'


def street() -> dashboard.Dashboard:
    """The dashboard."""
    here = f"{{{STREET}}}"
    open_incidents = once("clearway_street_incidents_open", here, INCIDENTS_OPEN)
    cameras = once("clearway_street_cameras", here, CAMERAS)
    enforced = once("clearway_street_zones_enforced", here, ZONES)
    judged = once("clearway_street_zones_judged", here, ZONES)
    zones = once("clearway_street_zones", here, ZONES)
    mine = cameras_of(here)
    opened = f"increase(clearway_street_incidents_opened_total{here}[1h])"
    closed = f"increase(clearway_street_incidents_closed_total{here}[1h])"
    violated = f"max by (scenario, kind) (rate(clearway_street_violation_seconds_total{here}[10m]))"
    judged_time = f"max by (scenario) (rate(clearway_street_judged_seconds_total{here}[10m]))"
    return (
        page("clearway-street", "Street", "The health of one street, and what it is made of.")
        .with_variable(choice("district", "District", "label_values(clearway_street_cameras, district)"))
        .with_variable(
            choice("street", "Street", 'label_values(clearway_street_cameras{district="$district"}, street)')
        )
        .annotation(incidents_marked(STREET))
        .with_row(row("Last 24 hours"))
        .with_panel(
            number(
                "Score",
                "0 to 100; absent where less than half of the enforced time was seen.",
                f"clearway:street_index:score_1d{here}",
                steps=SCORE,
                decimals=0,
            )
        )
        .with_panel(
            coverage(
                "Share of the enforced time in which zones could be judged.",
                f"clearway:street_coverage:ratio_1d{here}",
            )
        )
        .with_panel(
            number(
                "Time clear",
                "Share of the judged time in which no violation stood.",
                f"clearway:street_clear:ratio_1d{here}",
                "percentunit",
                MORE_IS_BETTER,
            )
        )
        .with_panel(
            number(
                "Median time to clear",
                "Until the place was seen to be clear; the age of the oldest open one if more are open than cleared.",
                f"clearway:street_time_to_clear:median_seconds_1d{here}",
                "s",
                TO_CLEAR,
                absent="nothing cleared",
            )
        )
        .with_panel(
            number(
                "Passages blocked",
                "Minutes, as a mean over the street's passages.",
                f"clearway:street_passage_blocked:minutes_1d{here}",
                "m",
                ANY_IS_BAD,
                absent="no passage",
            )
        )
        .with_panel(open_now(open_incidents))
        .with_row(row("Over time"))
        .with_panel(
            lines(
                "Open incidents by kind",
                "What is open.",
                [
                    Query(
                        f"sum by (scenario, kind) ({open_incidents})",
                        "{{scenario}}: {{kind}}",
                    )
                ],
                stacked=True,
            )
        )
        .with_panel(
            lines(
                "Narrowest clear width",
                "The least of the street's passages that are measured; a gap where none is. Dashed: the usual limits.",
                [Query(f"min(clearway_street_narrowest_clear_width_meters{here})", "clear width")],
                "lengthm",
                steps=((None, "red"), (1.2, "orange"), (1.8, "green")),
            )
        )
        .with_panel(
            lines(
                "Zones: all, enforced, judged",
                "Where judged falls below enforced the camera cannot tell.",
                [
                    Query(f"sum({zones})", "all"),
                    Query(f"sum({enforced})", "enforced"),
                    Query(f"sum({judged})", "judged"),
                ],
            )
        )
        .with_panel(
            lines(
                "Share of judged time in violation",
                "By kind, over the last 10 minutes.",
                [
                    Query(
                        f"sum by (kind) ({violated}) / ignoring (kind) group_left () (sum({judged_time}) > 0)",
                        "{{kind}}",
                    )
                ],
                "percentunit",
                most=1,
            )
        )
        .with_panel(
            opened_and_closed(
                [
                    Query(f"sum(max by (scenario, kind) ({opened}))", "opened"),
                    Query(f"sum by (reason) (max by (scenario, kind, reason) ({closed}))", "closed: {{reason}}"),
                ]
            )
        )
        .with_panel(
            cameras_by_state("What the street's cameras say of their sight, and those that say nothing.", cameras)
        )
        .with_row(row("Cameras"))
        .with_panel(
            rows(
                "Cameras of the street",
                "Whether each can see, and what is open before it.",
                [
                    Column(
                        "Sees",
                        f'max by (agent, camera) (clearway_camera_state{{state="seeing"}}) {mine}',
                        steps=((None, "red"), (1, "green")),
                        yes_or_no=True,
                    ),
                    Column(
                        "Open incidents",
                        f"({OPEN_AT_CAMERAS} or 0 * max by (agent, camera) (clearway_camera_info{here})) {mine}",
                        steps=ANY_IS_BAD,
                    ),
                    Column(
                        "Clear width",
                        f"min by (agent, camera) (clearway_passage_clear_width_meters) {mine}",
                        "lengthm",
                        decimals=2,
                    ),
                ],
                {"agent": "Agent", "camera": "Camera"},
                links=[TO_CAMERA],
            )
        )
    )
