"""Panels and expressions that the city's and the street's dashboards share."""

from __future__ import annotations

from collections.abc import Sequence

from parts import ANY_IS_BAD, MORE_IS_BETTER, Panel, Query, lines, link_to, number

TO_CAMERA = link_to(
    "Camera ${__data.fields.Camera}",
    "clearway-camera",
    "var-agent=${__data.fields.Agent}&var-camera=${__data.fields.Camera}",
)

OPEN_AT_CAMERAS = "sum by (agent, camera) (max by (agent, camera, zone, kind, class_group) (clearway_incidents_open))"


def cameras_of(selector: str) -> str:
    """To be put behind an expression by agent and camera: keeps the cameras whose place ``selector`` names."""
    return f"* on (agent, camera) group_left () max by (agent, camera) (clearway_camera_info{selector})"


def open_now(open_incidents: str) -> Panel:
    """How many incidents are open."""
    return number(
        "Open incidents", "Incidents that are open now.", f"sum({open_incidents}) or vector(0)", steps=ANY_IS_BAD
    )


def coverage(what: str, ratio: str) -> Panel:
    """How much of the enforced time was seen."""
    return number("Coverage", what, ratio, "percentunit", MORE_IS_BETTER, absent="nothing enforced")


def opened_and_closed(queries: Sequence[Query]) -> Panel:
    """How many incidents came and went."""
    return lines("Incidents opened and closed", "Each hour.", queries, decimals=0)


def cameras_by_state(what: str, cameras: str) -> Panel:
    """What cameras say of their sight; ``cameras`` counts them by state."""
    return lines(
        "Cameras by state",
        what,
        [Query(f"sum by (state) ({cameras}) > 0", "{{state}}")],
        stacked=True,
        by_state=True,
    )
