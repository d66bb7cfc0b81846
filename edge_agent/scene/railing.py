"""A railing between the camera and a passage: it cuts what is behind it into pieces."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiLineString, Point

from edge_agent.scene.boxes import Boxes
from edge_agent.scene.clear_width import Corridor
from edge_agent.scene.patch import Mask
from edge_agent.scene.sparse import around
from edge_agent.scene.upright import Array, Upright
from edge_agent.scene.zone_crop import ZoneCrop


@dataclass(frozen=True, slots=True)
class RailingRules:
    """What a railing looks like."""

    top_m: float = 1.3
    """No railing of a footbridge is higher,"""
    handrail_m: float = 0.6
    """and none has its handrail lower."""
    step_m: float = 0.05
    """So far apart are the heights at which a handrail is looked for: it is about as thick."""
    contrast: float = 0.12
    """Posts and rails differ so much from what is on both sides of them, in logarithms of brightness."""
    seen: float = 0.6
    """Share of a wall's length along which its handrail must be seen: before some ground it has no contrast."""

    person_m: float = 1.75
    """How tall somebody is of whom it hides the feet."""


RULES = RailingRules()
_NEAR_PX = 4
"""What ends so near to a rail's pixels ends at it."""
_POINTS = 80
"""Points along a wall at which its handrail is looked for."""
_BLUR = np.ones((3, 3), np.uint8)
"""The border of a rail is blurred: half rail, half what is behind it."""
_ASIDE_M = 0.01
"""A point so far from a wall tells on which side of it the passage lies."""


class Railing:
    """The railings on those walls of a corridor that a camera sees from outside."""

    def __init__(self, corridor: Corridor, upright: Upright, crop: ZoneCrop, rules: RailingRules = RULES) -> None:
        self._rules = rules
        self._upright = upright
        self._crop = crop
        self._shape = crop.shape
        self._walls: list[tuple[NDArray[np.intp], NDArray[np.int32]]] = []
        before = np.zeros(crop.shape, np.uint8)
        heights = np.arange(rules.handrail_m, rules.top_m + 1e-9, rules.step_m)
        share = np.linspace(0.0, 1.0, _POINTS)[:, None]
        for start, end in _seen_from_outside(corridor, upright.camera_m[:2]):
            along = start + share * (end - start)
            ring = np.array([(*start, 0.0), (*end, 0.0), (*end, rules.top_m), (*start, rules.top_m)])
            lines = np.array([np.column_stack([along, np.full(_POINTS, height)]) for height in heights])
            ring_px, lines_px = (
                (upright.to_pixels(points) - (crop.left, crop.top)) * crop.scale - 0.5 for points in (ring, lines)
            )
            if np.isfinite(ring_px).all() and np.isfinite(lines_px).all():
                self._walls.append((np.round(lines_px).astype(np.intp), np.round(ring_px).astype(np.int32)))
                cv2.fillPoly(before, [self._walls[-1][1]], 1)
        self._before_walls = before > 0

    def among(self, brightness: NDArray[np.float32], post: NDArray[np.uint8]) -> Mask | None:
        """Pixels of its posts and rails in the brightness of the background; None where there is none.

        Its parts are thinner than the kernel ``post``. A wall has a railing if its handrail is seen: bicycles have thin
        parts too, but not at one height all along it.
        """
        rules = self._rules
        parts = np.zeros(self._shape, np.uint8)
        near = around(self._before_walls, 2 * max(post.shape))
        if near is None:
            return None
        light, dark = (cv2.morphologyEx(brightness[near], hat, post) for hat in (cv2.MORPH_TOPHAT, cv2.MORPH_BLACKHAT))
        parts[near] = cv2.dilate((np.maximum(light, dark) > rules.contrast).view(np.uint8), _BLUR)
        before = np.zeros(self._shape, np.uint8)
        for lines, ring in self._walls:
            x, y = lines[..., 0], lines[..., 1]
            inside = (x >= 0) & (y >= 0) & (x < self._shape[1]) & (y < self._shape[0])
            on = inside & (parts[np.where(inside, y, 0), np.where(inside, x, 0)] > 0)
            if (on.sum(axis=1) >= rules.seen * np.maximum(inside.sum(axis=1), _POINTS / 2)).any():
                cv2.fillPoly(before, [ring], 1)
        return (parts & before) > 0 if before.any() else None

    def whole(self, people: Boxes, parts: Mask | None) -> Boxes:
        """Boxes of people (n, 4), those that end at its pixels ``parts`` drawn down to the feet of somebody of usual
        height: a detector boxes whom a railing cuts down to the railing."""
        if parts is None or not len(people):
            return people
        tops = np.column_stack([(people[:, 0] + people[:, 2]) / 2, people[:, 1], np.ones(len(people))])
        ground = tops @ np.linalg.inv(self._upright.plane(self._rules.person_m)).T
        feet = self._upright.to_pixels(np.column_stack([ground[:, :2] / ground[:, 2:], np.zeros(len(people))]))[:, 1]
        whole = people.copy()
        for row, box in enumerate(people):
            rows, columns = self._crop.part(box)
            if np.isfinite(feet[row]) and parts[max(rows.stop - _NEAR_PX, 0) : rows.stop + _NEAR_PX, columns].any():
                whole[row, 3] = max(float(box[3]), float(feet[row]))
        return whole


def _seen_from_outside(corridor: Corridor, camera_m: Array) -> list[tuple[Array, Array]]:
    """The stretches of the walls that have the camera on their outer side."""
    found = []
    for wall in corridor.walls:
        for line in wall.geoms if isinstance(wall, MultiLineString) else [wall]:
            for start, end in itertools.pairwise(np.asarray(line.coords, np.float64)):
                along = (end - start) / max(float(np.linalg.norm(end - start)), 1e-9)
                outward = np.array([along[1], -along[0]])
                if corridor.outline.contains(Point((start + end) / 2 + _ASIDE_M * outward)):
                    outward = -outward
                if (camera_m - start) @ outward > 0:
                    found.append((start, end))
    return found
