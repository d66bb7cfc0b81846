"""Which parts of a frame deserve a closer look: chosen once per camera, from where its zones lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Polygon = Sequence[tuple[float, float]]
"""Corners in pixels of the frame."""


@dataclass(frozen=True, slots=True)
class Window:
    """A part of the frame, in whole pixels: from (left, top) up to, not including, (right, bottom)."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def width(self) -> int:
        """Width in pixels."""
        return self.right - self.left

    @property
    def height(self) -> int:
        """Height in pixels."""
        return self.bottom - self.top

    @property
    def area(self) -> int:
        """Square pixels."""
        return self.width * self.height

    def union(self, other: Window) -> Window:
        """The smallest window that holds both."""
        return Window(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@dataclass(frozen=True, slots=True)
class WindowRule:
    """The numbers that choose windows. Lengths are shares of the frame's own width and height.

    ``side`` is the longest a window may be: a longer one enlarges too little to be worth a look. ``least_side`` is the
    shortest: with less around them, models trained on whole photographs find no more, and cost twice the looks.
    ``head_room`` and ``elbow_room`` are what a zone's window has around the zone, above and elsewhere: things stand
    up from the ground they stand on and reach over the border of a zone. ``overlap`` is what two neighbours share, so
    that most things are whole in one of them. ``enough_scale`` is the enlargement from which a whole frame shows a
    model all there is.
    """

    side: float = 0.8
    least_side: float = 0.5
    head_room: float = 0.15
    elbow_room: float = 0.06
    overlap: float = 0.16
    enough_scale: float = 1.5
    most: int = 4


RULE = WindowRule()


def plan_windows(
    frame_size: tuple[int, int],
    model_input_size: tuple[int, int],
    zone_polygons: Sequence[Polygon],
    rule: WindowRule = RULE,
) -> tuple[Window, ...]:
    """Windows to look at besides the whole frame; none when the whole frame is enough.

    ``frame_size`` and ``model_input_size`` are (width, height) in pixels. The windows hold every zone, are ordered
    from top left, and are never more than ``rule.most``.
    """
    width, height = frame_size
    scale = min(model_input_size[0] / width, model_input_size[1] / height)
    if not zone_polygons or scale >= rule.enough_scale:
        return ()
    regions = _joined([_region(polygon, frame_size, rule) for polygon in zone_polygons])
    windows = _split_all(regions, frame_size, rule)
    if len(windows) > rule.most:
        whole = regions[0]
        for region in regions[1:]:
            whole = whole.union(region)
        windows = _split_all([whole], frame_size, rule)
    return tuple(sorted(windows, key=lambda window: (window.top, window.left, window.bottom, window.right)))


def _region(polygon: Polygon, frame_size: tuple[int, int], rule: WindowRule) -> Window:
    """The zone's bounding box with room around it, no smaller than a window may be, inside the frame."""
    width, height = frame_size
    xs, ys = [x for x, _ in polygon], [y for _, y in polygon]
    side_room, head_room, foot_room = rule.elbow_room * width, rule.head_room * height, rule.elbow_room * height
    left, right = _at_least(min(xs) - side_room, max(xs) + side_room, rule.least_side * width, width)
    top, bottom = _at_least(min(ys) - head_room, max(ys) + foot_room, rule.least_side * height, height)
    return Window(left, top, right, bottom)


def _at_least(start: float, end: float, length: float, limit: int) -> tuple[int, int]:
    """A stretch inside 0 to ``limit`` that holds what of [start, end] lies inside, and is ``length`` long."""
    start, end = max(0.0, start), min(float(limit), end)
    missing = max(0.0, length - (end - start)) / 2
    start, end = start - missing, end + missing
    shift = max(0.0, -start) - max(0.0, end - limit)
    return max(0, math.floor(start + shift)), min(limit, math.ceil(end + shift))


def _joined(regions: list[Window]) -> list[Window]:
    """Regions, with those that one look could serve as well as two put together."""
    joined: list[Window] = []
    for region in sorted(regions, key=lambda item: (-item.area, item.left, item.top)):
        for place, other in enumerate(joined):
            both = region.union(other)
            if both.area <= max(other.area, 0.9 * (region.area + other.area)):
                joined[place] = both
                break
        else:
            joined.append(region)
    return joined


def _split_all(regions: Sequence[Window], frame_size: tuple[int, int], rule: WindowRule) -> list[Window]:
    found: dict[Window, None] = {}
    for region in regions:
        columns = _split(region.left, region.right, frame_size[0], rule)
        rows = _split(region.top, region.bottom, frame_size[1], rule)
        for top, bottom in rows:
            for left, right in columns:
                found[Window(left, top, right, bottom)] = None
    return list(found)


def _split(start: int, end: int, limit: int, rule: WindowRule) -> list[tuple[int, int]]:
    """One stretch if it is short enough, else two that overlap."""
    length = end - start
    if length <= rule.side * limit:
        return [(start, end)]
    half = math.ceil((length + rule.overlap * limit) / 2)
    return [(start, start + half), (end - half, end)]
