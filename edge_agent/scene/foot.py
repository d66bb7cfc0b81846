"""Where a thing touches the ground, as far as a box can tell.

A box's centre is half a car's height above the road, and its bottom edge is nearer to the camera than the middle of
the car. What stands on the ground is the lower part of the box without its corners, which show road.
"""

from __future__ import annotations

from edge_agent.scene.stay import Box

FOOT_SHARE = 0.35
"""Lower share of a box that counts as ground contact: a car's wheels and sills seen from a street camera."""
CORNER_SHARE = 0.15
"""Share of the box's width left out on each side."""

LINE_SHARE = 0.2
"""Most that the lower edges of two things on the same ground differ, as a share of the lower one's height."""


def foot_of(box: Box) -> Box:
    """The part of a box that counts as its ground contact."""
    x1, y1, x2, y2 = box
    inset = CORNER_SHARE * (x2 - x1)
    return x1 + inset, y2 - FOOT_SHARE * (y2 - y1), x2 - inset, y2


def on_one_line(box: Box, other: Box) -> bool:
    """True if two boxes reach equally far down: what stands nearer to the camera reaches further."""
    lower = min(box[3] - box[1], other[3] - other[1])
    return abs(box[3] - other[3]) <= LINE_SHARE * lower
