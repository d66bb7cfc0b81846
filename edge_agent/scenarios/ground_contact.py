"""Where a thing touches the ground, as far as a box can tell.

A box's centre is half a car's height above the road, and its bottom edge is nearer to the camera than the middle of
the car. What stands on the ground is the lower part of the box without its corners, which show road.
"""

from __future__ import annotations

from shapely.geometry import Polygon
from shapely.geometry import box as rectangle

from edge_agent.scene.stay import Box

FOOT_SHARE = 0.35
"""Lower share of a box that counts as ground contact: a car's wheels and sills seen from a street camera."""
CORNER_SHARE = 0.15
"""Share of the box's width left out on each side."""


def share_in(polygon: Polygon, box: Box) -> float:
    """Share of the box's ground contact that lies in ``polygon``, 0 to 1."""
    x1, y1, x2, y2 = box
    width, height = x2 - x1, y2 - y1
    if width <= 0 or height <= 0:
        return 0.0
    foot = rectangle(x1 + CORNER_SHARE * width, y2 - FOOT_SHARE * height, x2 - CORNER_SHARE * width, y2)
    return float(polygon.intersection(foot).area / foot.area)
