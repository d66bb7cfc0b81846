"""A camera held level, found from known lengths on the ground.

Pixels are square, the optical axis meets the middle of the picture, there is no lens distortion, and the camera is
not rolled (the horizon is level). Three numbers are then left: focal length, how far it looks down, and its height.
Lengths across the passage, one near and one far, fix the horizon and the scale; a length along it fixes the focal
length. With two lengths, or none along, the focal length stays at what street cameras usually have, and what follows
from not knowing it goes into the uncertainty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class LevelCameraPriors:
    """What is known of a street camera before anything is measured."""

    field_of_view_deg: float = 65.0
    """Across the picture; street cameras are sold with 50 to 90 degrees."""
    log_focal_spread: float = 0.35
    """One standard deviation of the focal length's logarithm, which covers 45 to 90 degrees."""
    roll_spread_deg: float = 1.5
    """How level cameras hang."""


PRIORS = LevelCameraPriors()

_ROUGH_SCATTER = 0.02
"""Of a length's logarithm, before its own is known."""


class LevelCameraError(Exception):
    """Lengths that no level camera explains."""


@dataclass(frozen=True, slots=True, eq=False)
class LevelCamera:
    """What was found: the homography (3, 3) from metres to pixels, covariance (9, 9) of its numbers, errors (n,)."""

    m_to_px: Array
    covariance: Array
    errors_m: Array


def fit_level_camera(ends_px: Array, lengths_m: Array, frame_size: tuple[int, int], click_px: float) -> LevelCamera:
    """The most likely level camera for segments ``ends_px`` (n, 2, 2) of known ``lengths_m`` (n,).

    Raises ``LevelCameraError`` when there is none under which every segment lies on the ground.
    """
    centre = np.array(frame_size, np.float64) / 2
    usual_focal = centre[0] / np.tan(np.radians(PRIORS.field_of_view_deg) / 2)
    prior = np.array([np.log(usual_focal), 0.0])
    spread = np.array([PRIORS.log_focal_spread, np.radians(PRIORS.roll_spread_deg)])

    def weighted_by(scatter: Array) -> Callable[[Array], Array]:
        def residuals(parameters: Array) -> Array:
            error = np.log(np.maximum(_ground_lengths(parameters, ends_px, centre), 1e-9) / lengths_m)
            return np.concatenate([error / scatter, (parameters[[0, 3]] - prior) / spread])

        return residuals

    def allowed(parameters: Array) -> bool:
        return _all_on_ground(parameters, ends_px, centre)

    # First with equal weights, which finds the way from afar; then with what marking scatters each length by.
    rough = weighted_by(np.full(len(lengths_m), _ROUGH_SCATTER))
    best: Array | None = None
    best_cost = np.inf
    for pitch_deg in (5.0, 10.0, 20.0, 35.0, 55.0, 75.0):
        start = np.array([prior[0], np.radians(pitch_deg), np.log(5.0), 0.0])
        if not _all_on_ground(start, ends_px, centre):
            continue
        measured = _ground_lengths(start, ends_px, centre)
        start[2] += float(np.mean(np.log(lengths_m / np.maximum(measured, 1e-9))))
        found, cost = _minimised(start, rough, allowed)
        if cost < best_cost:
            best, best_cost = found, cost
    if best is None:
        raise LevelCameraError(
            "no level camera sees all of the calibration's lengths on the ground: check their pixels, or give points"
        )
    weighted = weighted_by(_log_scatter(best, ends_px, centre, click_px))
    best, _ = _minimised(best, weighted, allowed)
    jacobian = _slope(weighted, best)
    parameter_covariance = np.linalg.pinv(jacobian.T @ jacobian, hermitian=True)
    numbers = _slope(lambda trial: _homography(trial, centre).reshape(-1), best)
    return LevelCamera(
        _homography(best, centre),
        numbers @ parameter_covariance @ numbers.T,
        _ground_lengths(best, ends_px, centre) - lengths_m,
    )


def _homography(parameters: Array, centre: Array) -> Array:
    """Metres (x to the right, y away from the camera, origin below it) to pixels."""
    focal, pitch, height, roll = np.exp(parameters[0]), parameters[1], np.exp(parameters[2]), parameters[3]
    sine, cosine = np.sin(pitch), np.cos(pitch)
    # Camera axes: x right, y down, z ahead. A ground point (X, Y) lies at (X, h cos - Y sin, h sin + Y cos).
    level = np.array([[1.0, 0, 0], [0, -sine, height * cosine], [0, cosine, height * sine]])
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1.0]])
    lens = np.array([[focal, 0, centre[0]], [0, focal, centre[1]], [0, 0, 1.0]])
    homography: Array = lens @ turn @ level
    return homography


def _to_ground(parameters: Array, ends_px: Array, centre: Array) -> tuple[Array, Array]:
    """Ground points (n, 2, 2) and the third coordinate (n, 2), positive below the horizon."""
    points = np.concatenate([ends_px.reshape(-1, 2), np.ones((ends_px.size // 2, 1))], axis=1)
    mapped = points @ np.linalg.inv(_homography(parameters, centre)).T
    third = mapped[:, 2]
    safe = np.where(np.abs(third) < 1e-12, 1e-12, third)
    return (mapped[:, :2] / safe[:, None]).reshape(ends_px.shape), third.reshape(ends_px.shape[:2])


def _all_on_ground(parameters: Array, ends_px: Array, centre: Array) -> bool:
    return bool((_to_ground(parameters, ends_px, centre)[1] > 0).all() and 0 < parameters[1] < np.pi / 2)


def _ground_lengths(parameters: Array, ends_px: Array, centre: Array) -> Array:
    ground, _ = _to_ground(parameters, ends_px, centre)
    lengths: Array = np.linalg.norm(ground[:, 1] - ground[:, 0], axis=1)
    return lengths


def _log_scatter(parameters: Array, ends_px: Array, centre: Array, click_px: float) -> Array:
    """(n,) one standard deviation of each length's logarithm when its ends are marked to ``click_px``."""
    lengths = _ground_lengths(parameters, ends_px, centre)
    variance = np.full(len(lengths), 1e-6)
    for end in range(2):
        for axis in range(2):
            moved = ends_px.copy()
            moved[:, end, axis] += click_px
            variance += np.log(_ground_lengths(parameters, moved, centre) / lengths) ** 2
    scatter: Array = np.sqrt(variance)
    return scatter


def _slope(function: Callable[[Array], Array], at: Array) -> Array:
    columns = []
    for index in range(len(at)):
        step = np.zeros_like(at)
        step[index] = 1e-5
        columns.append((function(at + step) - function(at - step)) / 2e-5)
    return np.stack(columns, axis=1)


def _minimised(
    start: Array, residuals: Callable[[Array], Array], allowed: Callable[[Array], bool]
) -> tuple[Array, float]:
    """Levenberg-Marquardt with a numeric slope."""
    damping, here = 1e-2, start
    cost = float(np.sum(residuals(here) ** 2))
    for _ in range(100):
        slope, error = _slope(residuals, here), residuals(here)
        normal = slope.T @ slope
        step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-9), -slope.T @ error)
        trial = here + step
        trial_cost = float(np.sum(residuals(trial) ** 2)) if allowed(trial) else np.inf
        if trial_cost < cost:
            gain = cost - trial_cost
            here, cost, damping = trial, trial_cost, max(damping / 5, 1e-9)
            if gain < 1e-10 * (1 + cost):
                break
        else:
            damping *= 5
            if damping > 1e9:
                break
    return here, cost
