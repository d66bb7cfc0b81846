"""The city at a glance: where something is wrong now, and how its streets do."""

from __future__ import annotations

from grafana_foundation_sdk.builders import dashboard
from grids import Column, cameras_on_a_map, rows
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
    bars,
    lines,
    link_to,
    number,
    once,
    row,
)
from streets import OPEN_AT_CAMERAS, TO_CAMERA, cameras_by_state, cameras_of, coverage, open_now, opened_and_closed

DISTRICT = 'district=~"$district"'
PLACED = 'district=~"$district", district!="unplaced"'
TO_STREET = link_to(
    "Street ${__data.fields.Street}",
    "clearway-street",
    "var-district=${__data.fields.District}&var-street=${__data.fields.Street}",
)


def city() -> dashboard.Dashboard:
    """The dashboard."""
    here = f"{{{DISTRICT}}}"
    open_incidents = once("clearway_street_incidents_open", here, INCIDENTS_OPEN)
    enforced = once("clearway_street_zones_enforced", here, ZONES)
    judged = once("clearway_street_zones_judged", here, ZONES)
    closed = f"increase(clearway_street_incidents_closed_total{here}[1h])"
    placed_open = once("clearway_street_incidents_open", f"{{{PLACED}}}", INCIDENTS_OPEN)
    of_passages = f'{{{DISTRICT}, scenario="passage", kind="blocked"}}'
    blocked = once("clearway_street_incidents_open", of_passages, INCIDENTS_OPEN)
    blind = once("clearway_street_cameras", f'{{{DISTRICT}, state!~"seeing|starting|ended"}}', CAMERAS)
    mine = cameras_of(here)
    map_panel = cameras_on_a_map(
        "Cameras and their open incidents",
        "Each camera that has coordinates in the places file; red where an incident is open.",
        f"({OPEN_AT_CAMERAS} or 0 * max by (agent, camera) (clearway_camera_latitude_degrees)) {mine}",
        f"max by (agent, camera) (clearway_camera_latitude_degrees) {mine}",
        f"max by (agent, camera) (clearway_camera_longitude_degrees) {mine}",
    ).data_links([TO_CAMERA])
    return (
        page("clearway-city", "City overview", "Open incidents, the health of streets, and how much of them is seen.")
        .with_variable(choice("district", "District", "label_values(clearway_street_cameras, district)", several=True))
        .annotation(incidents_marked(DISTRICT))
        .with_row(row("Now"))
        .with_panel(open_now(open_incidents))
        .with_panel(
            number(
                "Blocked passages",
                "Passages that a wheelchair cannot pass now.",
                f"sum({blocked}) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Index of the city",
                "Mean of the streets' scores over the last 24 hours; none while half of the streets have none.",
                "avg(clearway:city_index:score_1d)",
                steps=SCORE,
                decimals=0,
            )
        )
        .with_panel(
            coverage(
                "Share of the enforced time of the last 24 hours in which zones could be judged.",
                f"sum(clearway:street_judged:seconds_1d{here}) / (sum(clearway:street_enforced:seconds_1d{here}) > 0)",
            )
        )
        .with_panel(
            number(
                "Cameras that cannot see",
                "Blind, without a signal, or with a silent agent: what they look at is unknown, not clear.",
                f"sum({blind}) or vector(0)",
                steps=ANY_IS_BAD,
            )
        )
        .with_panel(
            number(
                "Zones judged now",
                "Of the zones whose schedule is in force now, the share that can be judged.",
                f"sum({judged}) / (sum({enforced}) > 0)",
                "percentunit",
                MORE_IS_BETTER,
                absent="nothing enforced",
            )
        )
        .with_panel(map_panel)
        .with_panel(
            lines(
                "Open incidents by kind",
                "What is open, over time.",
                [
                    Query(
                        f"sum by (kind) ({open_incidents})",
                        "{{kind}}",
                    )
                ],
                stacked=True,
            ).height(12)
        )
        .with_row(row("Streets, last 24 hours"))
        .with_panel(
            rows(
                "Streets",
                "Each street's score and what it is made of. No score: less than half of the enforced time was seen.",
                [
                    Column("Score", f"clearway:street_index:score_1d{{{PLACED}}}", steps=SCORE, decimals=0),
                    Column(
                        "Coverage",
                        f"clearway:street_coverage:ratio_1d{{{PLACED}}}",
                        "percentunit",
                        MORE_IS_BETTER,
                    ),
                    Column("Time clear", f"clearway:street_clear:ratio_1d{{{PLACED}}}", "percentunit", MORE_IS_BETTER),
                    Column(
                        "Median time to clear",
                        f"clearway:street_time_to_clear:median_seconds_1d{{{PLACED}}}",
                        "s",
                        TO_CLEAR,
                    ),
                    Column(
                        "Passage blocked", f"clearway:street_passage_blocked:minutes_1d{{{PLACED}}}", "m", ANY_IS_BAD
                    ),
                    Column(
                        "Open now",
                        f"sum by (district, street) ({placed_open})",
                        steps=ANY_IS_BAD,
                    ),
                ],
                {"district": "District", "street": "Street"},
                links=[TO_STREET],
            )
        )
        .with_panel(
            bars(
                "Lowest scores",
                "The streets to look at first.",
                Query(f"sort(bottomk(10, clearway:street_index:score_1d{{{PLACED}}}))", "{{district}} / {{street}}"),
                steps=SCORE,
                most=100,
            )
        )
        .with_panel(
            lines(
                "Score by district",
                "Mean of the streets' scores; none while half of them have none.",
                [Query(f"clearway:district_index:score_1d{{{PLACED}}}", "{{district}}")],
                most=100,
            )
        )
        .with_panel(
            opened_and_closed(
                [
                    Query(f"sum(clearway:incidents_opened:increase1h{here})", "opened"),
                    Query(f"sum(max by (district, street, scenario, kind, reason) ({closed}))", "closed"),
                ]
            )
        )
        .with_panel(
            cameras_by_state(
                "What cameras say of their sight, and those that say nothing.", f"clearway:cameras:count{here}"
            )
        )
    )
