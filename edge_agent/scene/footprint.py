"""Where a thing of known size stands on the ground, from its box.

A box covers the ground that the thing stands on and, because things have height, ground behind it. A thing with a class
has a shape of known size: the place and direction at which that shape fills the box are sought. The boxes of detectors
are a few pixels off; the wheels of a two-wheeler are thin rings in the picture that say more exactly where it stands.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import MultiPoint
from shapely.geometry.base import BaseGeometry

from edge_agent.scene.calibration import Calibration
from edge_agent.scene.contours import Contours
from edge_agent.scene.shapes import Shape, placed, points_of, rims_of
from edge_agent.scene.stay import Box
from edge_agent.scene.upright import Upright

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class BoxRules:
    """How boxes are trusted."""

    side_noise: float = 0.03
    """One standard deviation of a detection box's left, right and lower side, as a share of its size."""
    top_noise: float = 0.12
    """The same for its upper side: detectors leave room above thin handlebars."""
    least_noise_px: float = 1.5
    """No side is known better than this."""
    missing: float = 0.25
    """One standard deviation by which the silhouette of a cycle falls short of it on each side, as a share of the
    silhouette's size: tyres and handlebars are thinner than what is seen of change."""
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
    wheel_proof: float = 9.0
    """By so much must wheels on contours outweigh the misfit of a silhouette for it to be a cycle's: those of cycles
    that stand do by 11 to 18, the silhouettes of toppled ones before which one stands by 6."""
    around: float = 0.15
    """Contours are looked for so far around a box, as a share of its longer side,"""
    around_silhouette: float = 0.4
    """and around a silhouette that lacks thin parts."""
    least_wheel_px: float = 10.0
    """Wheels that are smaller in the picture are no rings."""
    wheel_directions: float = 12.0
    """Directions that fill the box worse than the best by this (squared deviations) are not looked at again."""


RULES = BoxRules()

_SEARCH = ((0.10, 0.05, 0.0, 2), (0.05, 0.03, np.pi / 48, 1), (0.025, 0.015, np.pi / 96, 1))
"""Steps in place (metres), size (logarithm) and direction, and how many of them each way, from coarse to fine."""
_OUTWARD = np.array([-1.0, -1.0, 1.0, 1.0])
_FOUND_AFTER = 6
"""Steps of Gauss-Newton: the sides of a box are nearly linear in place and size."""


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Ground that a thing stands on, metres, and one standard deviation of where its border lies.

    ``least`` and ``most``: the ground that it stands on for nearly certain, and that it may stand on at most, as far as
    its silhouette leaves that open. ``foot_seen`` is false if its foot lies beyond the picture: then nothing but these
    is known.
    """

    shape: BaseGeometry
    uncertainty_m: float
    least: BaseGeometry
    most: BaseGeometry
    foot_seen: bool = True


@dataclass(slots=True, eq=False)
class _Fit:
    """A shape that is laid into a box: (k, 3) places and sizes (x, y, log size) in (k,) directions.

    ``short_px`` and ``over_px`` (4,): how far the shape may end before the box's sides (left, top, right, bottom) and
    beyond them, one standard deviation. ``slopes`` (k, 5, 3) of the residuals.
    """

    shape: Shape
    upright: Upright
    box: Array
    short_px: Array
    over_px: Array
    model: Array
    parameters: Array
    angles: Array
    slopes: Array

    @staticmethod
    def into(box: Box, shape: Shape, upright: Upright, foot: Array, short_px: Array, over_px: Array) -> _Fit:
        """The best place for each of 48 directions, beginning behind ``foot``."""
        angles = np.arange(0.0, 2 * np.pi, np.pi / 24)
        away = foot - upright.camera_m[:2]
        start = foot + away / max(float(np.linalg.norm(away)), 1e-9) * shape.width_m / 2
        parameters = np.column_stack([np.tile(start, (len(angles), 1)), np.zeros(len(angles))])
        slopes = np.zeros((len(angles), 5, 3))
        target = np.array(box, np.float64)
        fit = _Fit(shape, upright, target, short_px, over_px, points_of(shape), parameters, angles, slopes)
        fit._settle()
        return fit

    def residuals(self, parameters: Array, angles: Array) -> Array:
        """(k, 5): deviations of the four sides and of the size."""
        pixels = self.upright.to_pixels(placed(self.model, parameters, angles))
        off = np.concatenate([pixels.min(axis=1), pixels.max(axis=1)], axis=1) - self.box
        noise = np.where(off * _OUTWARD > 0, self.over_px, self.short_px)
        return np.concatenate([off / noise, parameters[:, 2:3] / self.shape.spread], axis=1)

    def misfit(self, parameters: Array, angles: Array) -> Array:
        """(k,) sums of squared deviations."""
        sums: Array = np.sum(self.residuals(parameters, angles) ** 2, axis=1)
        return sums

    def _settle(self) -> None:
        steps = np.array([0.02, 0.02, 0.01])
        for _ in range(_FOUND_AFTER):
            here = self.residuals(self.parameters, self.angles)
            for index in range(3):
                moved = self.parameters.copy()
                moved[:, index] += steps[index]
                self.slopes[:, :, index] = (self.residuals(moved, self.angles) - here) / steps[index]
            normal = self.slopes.transpose(0, 2, 1) @ self.slopes + 1e-6 * np.eye(3)
            change = -np.linalg.solve(normal, self.slopes.transpose(0, 2, 1) @ here[:, :, None])[:, :, 0]
            self.parameters = self.parameters + np.clip(change, [-1.0, -1.0, -0.1], [1.0, 1.0, 0.1])

    def to_wheels(self, part: Contours, misfit: Array) -> Array:
        """Move the directions that fit to where wheels lie on contours; (k,) misfit less what the wheels pull."""
        near = misfit <= np.nanmin(misfit) + RULES.wheel_directions
        self.parameters, self.angles, self.slopes = self.parameters[near], self.angles[near], self.slopes[near]
        rims = rims_of(self.shape)

        def unlikeliness(parameters: Array, angles: Array) -> Array:
            on_contours = part.along(self.upright.to_pixels(placed(rims, parameters, angles)))
            likely: Array = self.misfit(parameters, angles) - RULES.wheel_pull * on_contours
            return likely

        self.parameters, self.angles, unlikely = _sought(self.parameters, self.angles, unlikeliness)
        return unlikely

    def outlines(self) -> Array:
        """(k, n, 2) pixels of the shape's outstanding points."""
        return self.upright.to_pixels(placed(self.model, self.parameters, self.angles))

    def footprint(self, cost: Array) -> Footprint:
        """That of the likeliest. Directions nearly as likely put the border elsewhere: that is uncertainty."""
        best = int(np.nanargmin(cost))
        corners = placed(self.model, self.parameters[best : best + 1], self.angles[best : best + 1])[0]
        covariance = np.linalg.inv(self.slopes[best].T @ self.slopes[best] + 1e-6 * np.eye(3))[:2, :2]
        likely = np.exp(-0.5 * (cost - cost[best]).clip(0, 50))
        turns = np.sin(self.angles - self.angles[best]) ** 2
        turn = np.sqrt(np.sum(likely * turns) / np.sum(likely)) * self.shape.length_m / 4
        spread = np.sqrt(max(float(np.linalg.eigvalsh(covariance)[0]), 0.0))
        uncertainty_m = float(np.hypot(spread, min(turn, self.shape.length_m / 4)))
        hull = MultiPoint(corners[:, :2]).convex_hull
        return Footprint(hull, uncertainty_m, least=hull, most=hull)


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
    foot = _foot(box, calibration)
    if foot is None:
        return None
    noise = np.maximum(
        np.array([RULES.side_noise, RULES.top_noise, RULES.side_noise, RULES.side_noise]) * _sides(box),
        RULES.least_noise_px,
    )
    noise = np.where(_cut(box, frame_size), 1e6, noise)
    fit = _Fit.into(box, shape, upright, foot, noise, noise)
    cost = fit.misfit(fit.parameters, fit.angles)
    if not np.isfinite(cost).any() or np.nanmin(cost) > RULES.misfit:
        return None
    if contours is not None and _has_rings(box, shape, calibration, contours):
        cost = fit.to_wheels(contours.around(box, RULES.around), cost)
    if contours is not None:
        cost = cost + RULES.bare_corners * contours.bare(fit.outlines(), box)
    return fit.footprint(cost)


def footprint_of_wheels(
    box: Box,
    shape: Shape,
    upright: Upright,
    calibration: Calibration,
    frame_size: tuple[int, int],
    contours: Contours,
) -> Footprint | None:
    """The footprint of a two-wheeler whose silhouette fills ``box``; None unless its wheels are seen there.

    A silhouette of change lacks the thin parts of a cycle, so that it lies in the box of the whole and may be much
    smaller. That alone fits heaps too: only wheels that lie on contours prove the cycle.
    """
    foot = _foot(box, calibration)
    if foot is None or not _has_rings(box, shape, calibration, contours):
        return None
    short = np.maximum(RULES.side_noise * _sides(box), RULES.least_noise_px)
    over = np.maximum(RULES.missing * _sides(box), RULES.least_noise_px)
    cut = _cut(box, frame_size)
    fit = _Fit.into(box, shape, upright, foot, np.where(cut, 1e6, short), np.where(cut, 1e6, over))
    cost = fit.misfit(fit.parameters, fit.angles)
    if not np.isfinite(cost).any() or np.nanmin(cost) > RULES.misfit:
        return None
    cost = fit.to_wheels(contours.around(box, RULES.around_silhouette), cost)
    if np.nanmin(cost) > -RULES.wheel_proof:
        return None
    return fit.footprint(cost)


def _foot(box: Box, calibration: Calibration) -> Array | None:
    foot: Array = calibration.to_ground([[(box[0] + box[2]) / 2, box[3]]])[0]
    return foot if np.isfinite(foot).all() else None


def _sides(box: Box) -> Array:
    """Width, height, width, height: what the place of each side is measured by."""
    return np.array([box[2] - box[0], box[3] - box[1]])[[0, 1, 0, 1]]


def _cut(box: Box, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
    """(4,) sides that touch the picture's border."""
    return np.array([box[0] <= 1, box[1] <= 1, box[2] >= frame_size[0] - 1, box[3] >= frame_size[1] - 1])


def _has_rings(box: Box, shape: Shape, calibration: Calibration, contours: Contours) -> bool:
    """Whether a shape has wheels that are large enough in the picture to be rings."""
    if shape.wheel_m is None:
        return False
    fine_m, _ = calibration.pixel_scale(((box[0] + box[2]) / 2, box[3]))
    return 2 * shape.wheel_m / fine_m * contours.scale >= RULES.least_wheel_px


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
