"""A second look at one place: parts of the frame around it, enlarged until what is there fills the model's input."""

from __future__ import annotations

from edge_agent.detection.windows import Window

Box = tuple[float, float, float, float]
"""xyxy in pixels of the frame."""

SURROUNDINGS = (6.0, 2.5)
"""Sides of the parts that are looked at, in longer sides of the place. Of somebody who moves their arms the chest keeps
its look, a third of them; of somebody who stands still the whole body. A part that one body fills is taken for that
body whatever is in it, so that it must show more than that."""
LEAST_SIDE_PX = 64
"""No part is smaller: enlarged further it shows the camera's compression."""


def close_ups(place: Box, frame_size: tuple[int, int]) -> tuple[Window, ...]:
    """The squares around a place, inside a frame of ``frame_size`` (width, height), and no larger than that."""
    longer = max(place[2] - place[0], place[3] - place[1])
    sides = (min(max(round(share * longer), LEAST_SIDE_PX), *frame_size) for share in SURROUNDINGS)
    return tuple(dict.fromkeys(_square(place, side, frame_size) for side in sides))


def _square(place: Box, side: int, frame_size: tuple[int, int]) -> Window:
    width, height = frame_size
    left = min(max(round((place[0] + place[2] - side) / 2), 0), width - side)
    top = min(max(round((place[1] + place[3] - side) / 2), 0), height - side)
    return Window(left, top, left + side, top + side)
