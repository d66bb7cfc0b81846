"""Where a thing of known size stands on the ground, from its box.

A box covers the ground that the thing stands on and, because things have height, ground behind it. A thing with a class
has a shape of known size: the place and direction at which that shape fills the box are sought. The boxes of detectors
are a few pixels off; the wheels of a two-wheeler are thin rings in the picture that say more exactly where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.stay import Box
from edge_agent.scene.upright import Upright

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a kind of thing, metres, and how much single ones differ (one standard deviation, relative)."""

    length_m: float
    width_m: float
    height_m: float
    spread: float
    wheel_m: float | None = None
    """Radius of the wheels of a two-wheeler, whose width is that of its handlebar; None for a solid thing."""


SHAPES: dict[str, Shape] = {
    "bicycle": Shape(1.65, 0.55, 1.02, 0.08, wheel_m=0.33),
    "e-bike": Shape(1.75, 0.60, 1.05, 0.08, wheel_m=0.31),
    "motorcycle": Shape(1.85, 0.72, 1.12, 0.09, wheel_m=0.29),
    "scooter": Shape(1.75, 0.68, 1.12, 0.09, wheel_m=0.25),
    "car": Shape(4.35, 1.80, 1.50, 0.07),
    "van": Shape(5.2, 2.0, 2.1, 0.10),
    "truck": Shape(6.5, 2.3, 2.8, 0.20),
    "bus": Shape(11.5, 2.55, 3.0, 0.08),
}
GROUP_SHAPES: dict[ClassGroup, Shape] = {
    ClassGroup.CYCLE: SHAPES["bicycle"],
    ClassGroup.VEHICLE: SHAPES["car"],
}


@dataclass(frozen=True, slots=True)
class BoxRules:
    """How detection boxes are trusted."""

    side_noise: float = 0.03
    """One standard deviation of a detection box's left, right and lower side, as a share of its size."""
    top_noise: float = 0.12
    """The same for its upper side: detectors leave room above thin handlebars."""
    least_noise_px: float = 1.5
    """No side is known better than this."""
    bare_corners: float = 6.0
    """Of the directions that fill a box alike, each is as much less likely (in squared deviations) as the corners of
    the box that it leaves bare hold contours, as a share of those in its outline: where there are wheels there is no
    bare ground."""
    misfit: float = 9.2
    """A box that a class's shape fills no better than this (sum of squared deviations of four sides and its size) is
    not of that shape, whatever the detector says: one in a hundred true ones is worse."""
    wheel_pull: float = 20.0
    """Of the places near the one that fills the box, each is as much likelier (in squared deviations) as its wheels
    lie on contours, from nought to one: on true wheels some three quarters, beside them less than half, so that
    wheels outweigh a box by two to three standard deviations and no more."""
    wheel_blur: float = 1.2
    """Contours are blurred by so many pixels, one standard deviation: wheels are no exact circles."""
    clear_contour: float = 90.0
    """Contours above this percentile of those in the box are as good as any: paint and shade make no wheel."""
    least_wheel_px: float = 10.0
    """Wheels that are smaller in the picture are no rings."""
    wheel_directions: float = 12.0
    """Directions that fill the box worse than the best by this (squared deviations) are not looked at again."""


RULES = BoxRules()

_SEARCH = ((0.10, 0.05, 0.0, 2), (0.05, 0.03, np.pi / 48, 1), (0.025, 0.015, np.pi / 96, 1))
"""Steps in place (metres), size (logarithm) and direction, and how many of them each way, from coarse to fine."""
_RIM = np.arange(0, 2 * np.pi, np.pi / 12)


@dataclass(frozen=True, slots=True, eq=False)
class Contours:
    """How strong the contours in a part of the picture are, (height, width).

    The part begins at ``origin_px`` (x, y) of the full frame and is ``scale`` times as large as there.
    """

    strength: NDArray[np.float32]
    origin_px: tuple[float, float]
    scale: float

    def bare(self, outlines: Array, box: Box) -> Array:
        """(k,) contours in a box outside each of (k, n, 2) convex outlines, as a share of those inside."""
        left, top = self.origin_px
        edges = ((np.array(box) - [left, top, left, top]) * self.scale).round().astype(int)
        x1, y1 = max(edges[0], 0), max(edges[1], 0)
        part = self.strength[y1 : max(edges[3], 0), x1 : max(edges[2], 0)]
        found = np.zeros(len(outlines))
        if part.size == 0:
            return found
        for index, outline in enumerate(outlines):
            if not np.isfinite(outline).all():
                continue
            corners = (outline - self.origin_px) * self.scale - (x1, y1)
            inside = np.zeros(part.shape, np.uint8)
            hull = cv2.convexHull(np.round(corners).astype(np.int32))
            cv2.fillConvexPoly(inside, hull, 1)
            held, bare = part[inside > 0], part[inside == 0]
            if len(held) and len(bare):
                found[index] = float(bare.sum()) / max(float(held.sum()), 1e-6)
        return found

    def around(self, box: Box) -> Contours:
        """Only those in and about a box, from nought to one and blurred, for ``along``."""
        grown = np.array(box) + RULES.side_noise * 5 * np.array([-1, -1, 1, 1]) * max(box[2] - box[0], box[3] - box[1])
        x1, y1, x2, y2 = ((grown - [*self.origin_px, *self.origin_px]) * self.scale).round().astype(int).clip(0)
        part = cv2.GaussianBlur(self.strength, (0, 0), RULES.wheel_blur)[y1:y2, x1:x2]
        if part.size == 0:
            return Contours(np.zeros((1, 1), np.float32), self.origin_px, self.scale)
        clear = max(float(np.percentile(part, RULES.clear_contour)), 1e-6)
        origin = self.origin_px[0] + x1 / self.scale, self.origin_px[1] + y1 / self.scale
        return Contours(np.minimum(part / np.float32(clear), np.float32(1)), origin, self.scale)

    def along(self, lines: Array) -> Array:
        """(k,) mean strength at the points of each of (k, n, 2) lines; nothing lies outside this part."""
        at = np.asarray((lines - self.origin_px) * self.scale - 0.5, np.float32)
        found = cv2.remap(
            np.asarray(self.strength, np.float32),
            np.nan_to_num(at[..., 0], nan=-9.0),
            np.nan_to_num(at[..., 1], nan=-9.0),
            cv2.INTER_LINEAR,
            borderValue=0,
        )
        strength: Array = np.asarray(found, np.float64).mean(axis=1)
        return strength


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Ground that a thing stands on, metres, and one standard deviation of where its border lies."""

    shape: BaseGeometry
    uncertainty_m: float


def shape_for(group: ClassGroup, class_name: str) -> Shape | None:
    """The known size of a class, else of its group, else None."""
    return SHAPES.get(class_name) or GROUP_SHAPES.get(group)


def footprint_of_box(
    box: Box,
    shape: Shape,
    upright: Upright,
    calibration: Calibration,
    frame_size: tuple[int, int],
    contours: Contours | None = None,
) -> Footprint | None:
    """The footprint of a thing of known size that fills ``box``; None if none does or its foot is not on the ground.

    A side that touches the picture's border is not the thing's own and is left out of the fit. A
    box is filled alike by things that look to the left and to the right: ``contours`` tell them apart.
    """
    foot = calibration.to_ground([[(box[0] + box[2]) / 2, box[3]]])[0]
    if not np.isfinite(foot).all():
        return None
    size = np.array([box[2] - box[0], box[3] - box[1]])
    noise = np.maximum(
        np.array([RULES.side_noise, RULES.top_noise, RULES.side_noise, RULES.side_noise]) * size[[0, 1, 0, 1]],
        RULES.least_noise_px,
    )
    cut = np.array([box[0] <= 1, box[1] <= 1, box[2] >= frame_size[0] - 1, box[3] >= frame_size[1] - 1])
    noise = np.where(cut, 1e6, noise)
    angles = np.arange(0.0, 2 * np.pi, np.pi / 24)
    model = _points_of(shape)
    away = foot - upright.camera_m[:2]
    away /= max(float(np.linalg.norm(away)), 1e-9)
    start = foot + away * shape.width_m / 2
    parameters = np.column_stack([np.tile(start, (len(angles), 1)), np.zeros(len(angles))])
    target = np.array(box, np.float64)

    def residuals(now: Array, angles: Array = angles) -> Array:
        placed = _placed(model, now, angles)
        pixels = upright.to_pixels(placed)
        sides = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1)
        return np.concatenate([(sides - target) / noise, now[:, 2:3] / shape.spread], axis=1)

    slopes = np.zeros((len(angles), 5, 3))
    steps = np.array([0.02, 0.02, 0.01])
    for _ in range(6):
        here = residuals(parameters)
        for index in range(3):
            moved = parameters.copy()
            moved[:, index] += steps[index]
            slopes[:, :, index] = (residuals(moved) - here) / steps[index]
        normal = slopes.transpose(0, 2, 1) @ slopes + 1e-6 * np.eye(3)
        change = -np.linalg.solve(normal, slopes.transpose(0, 2, 1) @ here[:, :, None])[:, :, 0]
        parameters = parameters + np.clip(change, [-1.0, -1.0, -0.1], [1.0, 1.0, 0.1])
    cost = np.sum(residuals(parameters) ** 2, axis=1)
    if not np.isfinite(cost).any():
        return None
    if np.nanmin(cost) > RULES.misfit:
        return None
    if contours is not None and shape.wheel_m is not None:
        part, rims = contours.around(box), _rims_of(shape)

        def unlikeliness(now: Array, angles: Array) -> Array:
            on_contours = part.along(upright.to_pixels(_placed(rims, now, angles)))
            likely: Array = np.sum(residuals(now, angles) ** 2, axis=1) - RULES.wheel_pull * on_contours
            return likely

        fine_m, _ = calibration.pixel_scale(((box[0] + box[2]) / 2, box[3]))
        if 2 * shape.wheel_m / fine_m * contours.scale >= RULES.least_wheel_px:
            near = cost <= np.nanmin(cost) + RULES.wheel_directions
            parameters, angles, slopes = parameters[near], angles[near], slopes[near]
            parameters, angles, cost = _sought(parameters, angles, unlikeliness)
    if contours is not None:
        cost = cost + RULES.bare_corners * contours.bare(upright.to_pixels(_placed(model, parameters, angles)), box)
    best = int(np.nanargmin(cost))
    placed = _placed(model, parameters[best : best + 1], angles[best : best + 1])[0]
    place_covariance = np.linalg.inv(slopes[best].T @ slopes[best] + 1e-6 * np.eye(3))[:2, :2]
    # Directions that fit nearly as well put the border elsewhere: that belongs to the uncertainty.
    likely = np.exp(-0.5 * (cost - cost[best]).clip(0, 50))
    turn = np.sqrt(np.sum(likely * np.sin(angles - angles[best]) ** 2) / np.sum(likely)) * shape.length_m / 4
    spread = np.sqrt(max(float(np.linalg.eigvalsh(place_covariance)[0]), 0.0))
    return Footprint(MultiPoint(placed[:, :2]).convex_hull, float(np.hypot(spread, min(turn, shape.length_m / 4))))


def _points_of(shape: Shape) -> Array:
    """Outstanding points (n, 3) of a thing that stands at the origin and looks along x."""
    length, width, height = shape.length_m, shape.width_m, shape.height_m
    if shape.wheel_m is None:
        return np.array(
            [[x * length / 2, y * width / 2, z * height] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (0.0, 1.0)]
        )
    turn = np.arange(0, 2 * np.pi, np.pi / 4)
    wheels = [
        [side * (length / 2 - shape.wheel_m) + shape.wheel_m * np.cos(a), y, shape.wheel_m + shape.wheel_m * np.sin(a)]
        for side in (-1.0, 1.0)
        for a in turn
        for y in (-0.03, 0.03)
    ]
    bar = [[0.30 * length, y * width / 2, height] for y in (-1.0, 1.0)]
    saddle = [[-0.18 * length, y * 0.08, 0.9 * height] for y in (-1.0, 1.0)]
    pedals = [[-0.02 * length, y * 0.4 * width, 0.3 * height] for y in (-1.0, 1.0)]
    return np.array([*wheels, *bar, *saddle, *pedals])


def _rims_of(shape: Shape) -> Array:
    """Points (n, 3) on the rims of the two wheels of a thing that stands at the origin and looks along x."""
    wheel = shape.wheel_m or 0.0
    middle = shape.length_m / 2 - wheel
    across, up = wheel * np.cos(_RIM), wheel + wheel * np.sin(_RIM)
    ring = np.column_stack([across, np.zeros_like(across), up])
    ahead = np.array([middle, 0.0, 0.0])
    return np.concatenate([ring - ahead, ring + ahead])


def _sought(
    parameters: Array, angles: Array, unlikeliness: Callable[[Array, Array], Array]
) -> tuple[Array, Array, Array]:
    """Each of (k, 3) parameters and (k,) directions moved to the likeliest near it, and how unlikely that is."""
    for place_m, size, turn, count in _SEARCH:
        steps = np.arange(-count, count + 1)
        turns = [-turn, 0.0, turn] if turn else [0.0]
        moves = np.stack(np.meshgrid(steps * place_m, steps * place_m, steps * size, turns, indexing="ij"), axis=-1)
        moves = moves.reshape(-1, 4)
        tried = (parameters[:, None] + moves[None, :, :3]).reshape(-1, 3)
        turned = (angles[:, None] + moves[None, :, 3]).reshape(-1)
        found = unlikeliness(tried, turned).reshape(len(parameters), -1)
        each, best = np.arange(len(parameters)), np.argmin(np.nan_to_num(found, nan=np.inf), axis=1)
        parameters = tried.reshape(len(parameters), -1, 3)[each, best]
        angles = turned.reshape(len(angles), -1)[each, best]
    return parameters, angles, found[each, best]


def _placed(model: Array, parameters: Array, angles: Array) -> Array:
    """The model (n, 3) at each of (k, 3) parameters (x, y, log size) and (k,) directions: (k, n, 3)."""
    size = np.exp(parameters[:, 2])[:, None]
    sine, cosine = np.sin(angles)[:, None], np.cos(angles)[:, None]
    x = parameters[:, :1] + size * (cosine * model[:, 0] - sine * model[:, 1])
    y = parameters[:, 1:2] + size * (sine * model[:, 0] + cosine * model[:, 1])
    return np.stack([x, y, size * model[:, 2]], axis=2)
