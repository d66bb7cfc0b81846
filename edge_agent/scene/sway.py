"""How a camera that shakes has moved from one picture to the next, to a tenth of a pixel.

Camera health follows the view slowly, to some pixels, for zones and boxes. Pixels can be compared only when every
single picture lies where the others lay: a pole in the wind moves them by some pixels, and rolls a little.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.patch import Mask

Plane = NDArray[np.float32]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SwayRules:
    """How motion is found. Lengths are pixels of the crop, differences natural logarithms."""

    furthest_px: int = 24
    """Motion is looked for so far."""
    coarse: int = 4
    """The first search is in pictures so many times smaller."""
    cell_px: int = 10
    """One pixel of each cell of this size, the one with the strongest edge, is compared,"""
    least_edge: float = 0.03
    """if its edge is at least so strong (difference per pixel)."""
    least_points: int = 40
    """With fewer pixels than this nothing can be said: people hide everything, or there is no texture."""
    even_px: int = 31
    """The mean of such a window is taken out first: light that falls on a part of the picture is no motion."""
    agrees: float = 0.12
    """What differs by more than this, or half the usual contrast of the pixels if that is less, is something else."""
    steps: int = 10
    """Most steps of an improvement,"""
    done_px: float = 0.02
    """which ends when a step is shorter than this."""
    least_px: float = 0.2
    """Less motion than this is left: it changes no pixel by more than noise does."""
    turn: float = 0.01
    """How much a mount in the wind rolls (radians) or a lens zooms, one standard deviation: where few pixels are seen
    it is taken for none."""
    clear: float = 0.3
    """By how much larger the share of pixels that agree must be than a few pixels further for nothing better to be
    searched for;"""
    fits: float = 0.1
    """by how much for a motion to be believed: of a crowd on the deck nearly none agree, but nowhere else do more."""
    further_px: float = 6.0
    shakes_s: float = 60.0
    """A camera that has moved within so long shakes: a picture that fits nowhere may lie anywhere,"""
    patience_s: float = 10.0
    """for so long: then it is the scene that has changed."""
    refresh_s: float = 4.0
    """How often the pixels are chosen anew: the reference changes slowly."""


SWAY_RULES = SwayRules()


@dataclass(frozen=True, slots=True)
class Motion:
    """Where the points of the reference crop lie in a picture: (2, 3) ``matrix`` from pixels of the one to the other.

    ``reach_px``: the furthest that it moves one of them.
    """

    matrix: Array
    reach_px: float


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """Pixels of the reference with strong edges: ``at`` (n, 2) from its centre, brightness, and (n, 4) how that
    changes with motion to the right, down, and a pixel's turn and zoom at ``radius``."""

    at: Plane
    value: Plane
    slope: Array
    agrees: float


class Sway:
    """Finds the motion of one crop against what it usually looks like."""

    def __init__(self, shape: tuple[int, int], rules: SwayRules = SWAY_RULES) -> None:
        self._rules = rules
        self._size = shape[1], shape[0]
        self._small = max(shape[1] // rules.coarse, 8), max(shape[0] // rules.coarse, 8)
        self._radius = float(np.hypot(*shape)) / 2
        self._near: _Points | None = None
        self._far: _Points | None = None
        self._chosen_s = self._moved_s = -np.inf
        self._lost_from_s: float | None = None

    def is_due(self, now_s: float) -> bool:
        """Whether ``learn`` should be called before the next picture."""
        return self._near is None or now_s - self._chosen_s >= self._rules.refresh_s

    def learn(self, reference: Plane, known: Mask, now_s: float) -> None:
        """Choose the pixels of a (height, width) plane of logarithms that are compared, where ``known`` is set."""
        rules = self._rules
        even = self._even(reference)
        self._near = self._points(even, known, rules.cell_px, 1.0)
        small = cv2.resize(even, self._small, interpolation=cv2.INTER_AREA)
        free = cv2.resize(known.view(np.uint8), self._small, interpolation=cv2.INTER_AREA) > 0
        self._far = self._points(small, free, max(rules.cell_px // rules.coarse, 2), 1 / rules.coarse)
        self._chosen_s = now_s

    def find(self, now: Plane, hidden: Mask, now_s: float) -> Motion | None:
        """The motion of a picture's plane against the reference; None if nobody can tell where it lies.

        ``hidden``: where people are. It is none at all while too little is known or seen.
        """
        points = self._seen(self._near, hidden, 1)
        if points is None:
            return self._motion(np.zeros(4))
        even = self._even(now)
        best, margin = self._judged(even, points, np.zeros(4))
        if margin < self._rules.clear:
            found, found_margin = self._judged(even, points, self._searched(even, hidden))
            if found_margin > margin:
                best, margin = found, found_margin
        if margin < self._rules.fits:
            return None if self._is_lost(now_s) else self._motion(np.zeros(4))
        self._lost_from_s = None
        motion = self._motion(best)
        if motion.reach_px < self._rules.least_px:
            return self._motion(np.zeros(4))
        self._moved_s = now_s
        return motion

    def _is_lost(self, now_s: float) -> bool:
        """Whether a picture that fits nowhere may lie anywhere: one of a camera that keeps still has only changed."""
        if self._lost_from_s is None:
            self._lost_from_s = now_s
        shakes = now_s - self._moved_s < self._rules.shakes_s
        return shakes and now_s - self._lost_from_s < self._rules.patience_s

    def _seen(self, points: _Points | None, hidden: Mask, coarse: int) -> _Points | None:
        if points is None:
            return None
        at = np.round(points.at + np.array(self._centre(1 / coarse))).astype(int) * coarse
        free = ~hidden[np.minimum(at[:, 1], self._size[1] - 1), np.minimum(at[:, 0], self._size[0] - 1)]
        if np.count_nonzero(free) < self._rules.least_points:
            return None
        return _Points(points.at[free], points.value[free], points.slope[free], points.agrees)

    def _even(self, plane: Plane) -> Plane:
        window = (self._rules.even_px, self._rules.even_px)
        return np.asarray(plane - cv2.blur(plane, window), np.float32)

    def _points(self, plane: Plane, usable: Mask, cell: int, scale: float) -> _Points | None:
        """The strongest edges of a plane that is ``scale`` times as large as the crop, one of each cell."""
        across, down = cv2.Sobel(plane, cv2.CV_32F, 1, 0, scale=1 / 8), cv2.Sobel(plane, cv2.CV_32F, 0, 1, scale=1 / 8)
        strength = (np.abs(across) + np.abs(down)) * usable
        rows, columns = plane.shape[0] // cell, plane.shape[1] // cell
        cells = strength[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
        cells = cells.transpose(0, 2, 1, 3).reshape(rows * columns, cell * cell)
        inner = cells.argmax(axis=1)
        chosen = np.flatnonzero(cells[np.arange(len(cells)), inner] >= self._rules.least_edge)
        if len(chosen) < self._rules.least_points:
            return None
        y = chosen // columns * cell + inner[chosen] // cell
        x = chosen % columns * cell + inner[chosen] % cell
        at = np.column_stack([x, y]).astype(np.float32) - np.array(self._centre(scale), np.float32)
        gx, gy = across[y, x].astype(np.float64), down[y, x].astype(np.float64)
        radius = self._radius * scale
        turn, zoom = (at[:, 0] * gy - at[:, 1] * gx) / radius, (at[:, 0] * gx + at[:, 1] * gy) / radius
        value = plane[y, x]
        agrees = min(self._rules.agrees, float(np.median(np.abs(value))) / 2)
        return _Points(at, value, np.column_stack([gx, gy, turn, zoom]), agrees)

    def _improved(self, now: Plane, points: _Points, start: Array, scale: float) -> Array:
        """A motion (right, down, turn, zoom; the last two in pixels at the radius) made better step by step:
        Gauss and Newton's method with outliers weighed down."""
        rules = self._rules
        motion = start.copy()
        prior = np.zeros((4, 4))
        prior[2, 2] = prior[3, 3] = (points.agrees / (rules.turn * self._radius * scale)) ** 2
        for _ in range(rules.steps):
            off = self._off(now, points, motion, scale)
            weight = 1 / (1 + (off / points.agrees) ** 2) ** 2
            weighed = points.slope * weight[:, None]
            step = np.linalg.solve(
                weighed.T @ points.slope + prior + 1e-9 * np.eye(4), weighed.T @ off + prior @ motion
            )
            motion -= step
            if np.abs(step).max() < rules.done_px:
                break
        return motion

    def _agreeing(self, now: Plane, points: _Points, motion: Array) -> float:
        return float((np.abs(self._off(now, points, motion, 1.0)) < points.agrees).mean())

    def _judged(self, now: Plane, points: _Points, start: Array) -> tuple[Array, float]:
        """A motion made better, and how much larger the share of points that agree is there than further on."""
        motion = self._improved(now, points, start, 1.0)
        off = self._rules.further_px
        sides = np.array([(off, 0, 0, 0), (-off, 0, 0, 0), (0, off, 0, 0), (0, -off, 0, 0)])
        further = max(self._agreeing(now, points, place) for place in motion + sides)
        return motion, self._agreeing(now, points, motion) - further

    def _off(self, now: Plane, points: _Points, motion: Array, scale: float) -> Array:
        """(n,) by how much the picture differs from the reference at the points, less what all of it does."""
        right, down, turn, zoom = motion
        radius, (cx, cy) = self._radius * scale, self._centre(scale)
        x, y = points.at[:, 0], points.at[:, 1]
        at_x = x * (1 + zoom / radius) - y * (turn / radius) + (right + cx)
        at_y = y * (1 + zoom / radius) + x * (turn / radius) + (down + cy)
        found = cv2.remap(
            now, at_x.astype(np.float32), at_y.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )[:, 0]
        off = found.astype(np.float64) - points.value
        return np.asarray(off - np.median(off), np.float64)

    def _searched(self, now: Plane, hidden: Mask) -> Array:
        """A motion, found in small pictures: the best of all whole pixels, made better there."""
        rules = self._rules
        scale = 1 / rules.coarse
        points = self._seen(self._far, hidden, rules.coarse)
        if points is None:
            return np.zeros(4)
        now_small = cv2.resize(now, self._small, interpolation=cv2.INTER_AREA)
        reach = -(-rules.furthest_px // rules.coarse)
        padded = cv2.copyMakeBorder(now_small, reach, reach, reach, reach, cv2.BORDER_REPLICATE)
        at = np.round(points.at + np.array(self._centre(scale))).astype(np.intp) + reach
        flat = at[:, 1] * padded.shape[1] + at[:, 0]
        shifts = np.arange(-reach, reach + 1)
        moves = (shifts[:, None] * padded.shape[1] + shifts[None, :]).ravel()
        off = np.abs(padded.ravel()[flat[None, :] + moves[:, None]] - points.value[None, :])
        best = int(np.minimum(off, points.agrees).sum(axis=1).argmin())
        start = np.array([shifts[best % len(shifts)], shifts[best // len(shifts)], 0.0, 0.0])
        return self._improved(np.asarray(now_small, np.float32), points, start, scale) / scale

    def _centre(self, scale: float) -> tuple[float, float]:
        return self._size[0] * scale / 2 - 0.5, self._size[1] * scale / 2 - 0.5

    def _motion(self, motion: Array) -> Motion:
        right, down, turn, zoom = motion
        linear = np.eye(2) + np.array([[zoom, -turn], [turn, zoom]]) / self._radius
        centre = np.array(self._centre(1.0))
        matrix = np.column_stack([linear, centre + motion[:2] - linear @ centre])
        return Motion(matrix, float(np.hypot(right, down) + np.hypot(turn, zoom)))
