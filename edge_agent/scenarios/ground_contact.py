"""Does a thing stand in a zone? By its ground contact, not by its box."""

from __future__ import annotations

from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from edge_agent.scene.foot import foot_of
from edge_agent.scene.stay import Box


def share_in(polygon: Polygon, box: Box) -> float:
    """Share of the box's ground contact that lies in ``polygon``, 0 to 1."""
    x1, y1, x2, y2 = box
    if x2 <= x1 or y2 <= y1:
        return 0.0
    foot = rectangle(*foot_of(box))
    return float(polygon.intersection(foot).area / foot.area)
