"""How the picture lies on the ground: pixels to metres and back, with how far it can be trusted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.config import CalibrationConfig
from edge_agent.scene.level_camera import LevelCameraError, fit_level_camera

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class CalibrationLimits:
    """What a calibration must hold to be accepted, and what is assumed of the hand that made it."""

    click_px: float = 1.5
    """How well a person marks a point in a picture; about what repeated marking of paving joints scatters by."""
    min_spread: float = 0.03
    """Least width of the marked points across their longest direction, as a share of their length. Below it they
    are as good as a line, and a pixel of error turns the ground over."""
    min_condition: float = 1e-4
    """Least ratio of the eighth to the first singular value of the normalised equations: below it some direction of
    the homography is not held by the points (three of four on a line, for example)."""


LIMITS = CalibrationLimits()


class CalibrationError(Exception):
    """A calibration that cannot be used; the message says why and what to do."""


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """The ground plane of one view.

    ``m_to_px`` is the homography (3, 3) from metres on the ground to pixels, of positive depth for the ground that is
    seen. ``covariance`` (9, 9) is that of its nine numbers. ``residual_m`` is the worst disagreement of the given
    points (or lengths) with it, ``rms_m`` the usual one. ``redundant`` is false when there were only as many
    as it takes, so that the residual is zero by construction and proves nothing.
    """

    m_to_px: Array
    covariance: Array
    residual_m: float
    rms_m: float
    redundant: bool
    marked_px: Array

    @staticmethod
    def from_config(config: CalibrationConfig, frame_size: tuple[int, int] | None = None) -> Calibration:
        """Fit what the configuration gives. ``frame_size`` (width, height) is needed for lengths only.

        Raises ``CalibrationError``.
        """
        if config.points:
            found = _from_points(config)
        else:
            if frame_size is None:
                raise CalibrationError("a calibration from lengths needs the size of the picture")
            found = _from_lengths(config, frame_size)
        if found.residual_m > config.max_residual_m:
            raise CalibrationError(_bad_residual(config, found))
        return found

    def to_ground(self, points_px: NDArray[np.floating] | Sequence[Sequence[float]]) -> Array:
        """Pixels (n, 2) to metres (n, 2). Points on or above the horizon give NaN."""
        mapped = _homogeneous(points_px) @ np.linalg.inv(self.m_to_px).T
        depth = 1.0 / np.where(mapped[:, 2] == 0, np.inf, mapped[:, 2])
        ground: Array = mapped[:, :2] * depth[:, None]
        ground[~self.sees(points_px)] = np.nan
        return ground

    def to_pixels(self, points_m: NDArray[np.floating] | Sequence[Sequence[float]]) -> Array:
        """Metres (n, 2) to pixels (n, 2). Points behind the camera give NaN."""
        mapped = _homogeneous(points_m) @ self.m_to_px.T
        pixels: Array = mapped[:, :2] / np.where(mapped[:, 2:] > 0, mapped[:, 2:], np.nan)
        return pixels

    def sees(self, points_px: NDArray[np.floating] | Sequence[Sequence[float]]) -> NDArray[np.bool_]:
        """(n,) true where a pixel shows ground: below the horizon."""
        # The homography takes a ground point to depth times the pixel, so its inverse gives one over the depth.
        below: NDArray[np.bool_] = (_homogeneous(points_px) @ np.linalg.inv(self.m_to_px).T)[:, 2] > 0
        return below

    def require_ground(self, polygon_px: Sequence[Sequence[float]]) -> None:
        """Raise ``CalibrationError`` if the horizon runs through, or near, a polygon that should lie on the ground."""
        outside = ~self.sees(polygon_px)
        if outside.any():
            x, y = polygon_px[int(np.flatnonzero(outside)[0])]
            raise CalibrationError(
                f"the horizon runs through the zone: its corner ({x:g}, {y:g}) px lies above it; keep the zone on the "
                f"ground, or correct the calibration's points"
            )

    def pixel_scale(self, point_px: Sequence[float] | Array) -> tuple[float, float]:
        """(least, most) metres on the ground that one pixel spans at a point."""
        singular = np.linalg.svd(self._ground_per_pixel(point_px), compute_uv=False)
        return float(singular[1]), float(singular[0])

    def uncertainty_m(self, point_px: Sequence[float] | Array, pixel_noise_px: float = 0.0) -> float:
        """One standard deviation, metres, of the ground position of a pixel known to ``pixel_noise_px``."""
        point = np.asarray(point_px, np.float64)
        per_parameter = self._ground_per_parameter(point)
        spread = per_parameter @ self.covariance @ per_parameter.T
        per_pixel = self._ground_per_pixel(point)
        spread = spread + per_pixel @ per_pixel.T * pixel_noise_px**2
        return float(np.sqrt(max(np.linalg.eigvalsh(spread)[1], 0.0)))

    def length_uncertainty_m(
        self, from_px: Sequence[float] | Array, to_px: Sequence[float] | Array, pixel_noise_px: float = 0.0
    ) -> float:
        """One standard deviation, metres, of the ground distance of two pixels, each known to ``pixel_noise_px``.

        Errors of the calibration that both ends share cancel, as they do on the ground.
        """
        ends = np.asarray([from_px, to_px], np.float64)
        on_ground = self.to_ground(ends)
        along = on_ground[1] - on_ground[0]
        along = along / max(float(np.linalg.norm(along)), 1e-9)
        per_parameter = along @ (self._ground_per_parameter(ends[1]) - self._ground_per_parameter(ends[0]))
        variance = float(per_parameter @ self.covariance @ per_parameter)
        for end in ends:
            variance += float(np.sum((along @ self._ground_per_pixel(end)) ** 2)) * pixel_noise_px**2
        return float(np.sqrt(max(variance, 0.0)))

    def shifted(self, shift_px: tuple[float, float]) -> Calibration:
        """The same ground in a picture that has moved: what was at p is now at p + shift."""
        if shift_px == (0.0, 0.0):
            return self
        return self._moved(np.array([[1.0, 0, shift_px[0]], [0, 1.0, shift_px[1]], [0, 0, 1.0]]))

    def scaled(self, x_factor: float, y_factor: float) -> Calibration:
        """The same ground in a picture of another size: a point (x, y) is now at (x * x_factor, y * y_factor)."""
        return self._moved(np.diag([x_factor, y_factor, 1.0]))

    def _moved(self, change: Array) -> Calibration:
        lifted = np.kron(change, np.eye(3))
        marked = _homogeneous(self.marked_px) @ change.T
        return Calibration(
            change @ self.m_to_px,
            lifted @ self.covariance @ lifted.T,
            self.residual_m,
            self.rms_m,
            self.redundant,
            marked[:, :2],
        )

    def _ground_per_pixel(self, point_px: Sequence[float] | Array) -> Array:
        x, y = (float(value) for value in point_px)
        step = 0.25
        ground = self.to_ground([[x - step, y], [x + step, y], [x, y - step], [x, y + step]])
        return np.stack([ground[1] - ground[0], ground[3] - ground[2]], axis=1) / (2 * step)

    def _ground_per_parameter(self, point_px: Array) -> Array:
        """(2, 9): how the ground position of a pixel moves with each number of ``m_to_px``."""
        ground = self.to_ground(point_px[None])[0]
        homogeneous = np.array([ground[0], ground[1], 1.0])
        depth = float(self.m_to_px[2] @ homogeneous)
        pixel_per_parameter = np.zeros((2, 9))
        for row in range(2):
            pixel_per_parameter[row, 3 * row : 3 * row + 3] = homogeneous / depth
            pixel_per_parameter[row, 6:9] = -point_px[row] * homogeneous / depth
        return -self._ground_per_pixel(point_px) @ pixel_per_parameter


def _from_points(config: CalibrationConfig) -> Calibration:
    pixels = np.array([pair.px for pair in config.points], np.float64)
    metres = np.array([pair.m for pair in config.points], np.float64)
    for name, points in (("in the picture", pixels), ("on the ground", metres)):
        if _spread(points) < LIMITS.min_spread:
            raise CalibrationError(
                f"the calibration's points lie near one line {name}: "
                f"give points on both sides of the passage, near and far"
            )
    pixel_frame, metre_frame = _normaliser(pixels), _normaliser(metres)
    source = _homogeneous(metres) @ metre_frame.T
    target = _homogeneous(pixels) @ pixel_frame.T
    zero = np.zeros_like(source)
    equations = np.vstack(
        [
            np.hstack([source, zero, -target[:, :1] * source]),
            np.hstack([zero, source, -target[:, 1:2] * source]),
        ]
    )
    _, singular, basis = np.linalg.svd(equations)
    if singular[7] < LIMITS.min_condition * singular[0]:
        raise CalibrationError(
            "the calibration's points do not fix the ground (three of four on a line, or the same point twice): "
            "spread them over the passage"
        )
    homography = np.linalg.inv(pixel_frame) @ basis[-1].reshape(3, 3) @ metre_frame
    homography = _facing(homography, metres)
    homography = _refined(homography, metres, pixels)
    depth = _homogeneous(metres) @ homography[2]
    if (depth <= 0).any():
        number = int(np.flatnonzero(depth <= 0)[0]) + 1
        raise CalibrationError(
            f"the calibration puts point {number} on the far side of the horizon: its pixels and metres belong to "
            f"different points, or two points are swapped"
        )
    if np.linalg.det(homography) > 0:
        raise CalibrationError(
            "the calibration's ground is a mirror image: seen from above, its points go round the other way than in "
            "the picture. Points are swapped left for right, or its axes are left-handed: with x to the right, y must "
            "point away from the camera"
        )
    jacobian = _pixels_per_parameter(homography, metres)
    covariance = np.asarray(np.linalg.pinv(jacobian.T @ jacobian, rcond=1e-13, hermitian=True), np.float64)
    covariance = covariance * LIMITS.click_px**2
    found = Calibration(homography, covariance, 0.0, 0.0, len(pixels) > 4, pixels)
    errors = np.linalg.norm(found.to_ground(pixels) - metres, axis=1)
    errors = np.where(np.isfinite(errors), errors, np.inf)
    # More disagreement than marking explains means that the points are worse than LIMITS.click_px: say so.
    reprojected = np.sqrt(np.sum((found.to_pixels(metres) - pixels) ** 2) / max(2 * len(pixels) - 8, 1))
    worse = max(1.0, float(reprojected) / LIMITS.click_px) if found.redundant else 1.0
    return Calibration(
        homography,
        covariance * worse**2,
        float(errors.max()),
        float(np.sqrt(np.mean(errors**2))),
        found.redundant,
        pixels,
    )


def _from_lengths(config: CalibrationConfig, frame_size: tuple[int, int]) -> Calibration:
    ends = np.array([[length.from_px, length.to_px] for length in config.lengths], np.float64)
    metres = np.array([length.length_m for length in config.lengths], np.float64)
    try:
        fit = fit_level_camera(ends, metres, frame_size, LIMITS.click_px)
    except LevelCameraError as error:
        raise CalibrationError(str(error)) from error
    return Calibration(
        fit.m_to_px,
        fit.covariance,
        float(np.abs(fit.errors_m).max()),
        float(np.sqrt(np.mean(fit.errors_m**2))),
        len(metres) > 3,
        ends.reshape(-1, 2),
    )


def _bad_residual(config: CalibrationConfig, found: Calibration) -> str:
    if config.points:
        metres = np.array([pair.m for pair in config.points], np.float64)
        errors = np.linalg.norm(found.to_ground(found.marked_px) - metres, axis=1)
        worst = f"point {int(np.nanargmax(errors)) + 1}"
    else:
        worst = "one of the lengths"
    return (
        f"the calibration disagrees with itself by {100 * found.residual_m:.0f} cm at {worst} "
        f"(allowed: {100 * config.max_residual_m:.0f} cm, max_residual_m): measure it again, or look for swapped values"
    )


def _homogeneous(points: NDArray[np.floating] | Sequence[Sequence[float]]) -> Array:
    array = np.asarray(points, np.float64).reshape(-1, 2)
    return np.column_stack([array, np.ones(len(array))])


def _spread(points: Array) -> float:
    singular = np.linalg.svd(points - points.mean(axis=0), compute_uv=False)
    return float(singular[1] / singular[0]) if singular[0] > 0 else 0.0


def _normaliser(points: Array) -> Array:
    """Hartley's similarity: centre at the origin, mean distance the root of two."""
    centre = points.mean(axis=0)
    scale = np.sqrt(2) / max(float(np.linalg.norm(points - centre, axis=1).mean()), 1e-12)
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1.0]])


def _facing(homography: Array, metres: Array) -> Array:
    """Scaled so that depth is positive for most of the points and one on average."""
    depth = _homogeneous(metres) @ homography[2]
    sign = 1.0 if np.sum(depth > 0) * 2 >= len(depth) else -1.0
    facing: Array = homography * (sign / float(np.mean(np.abs(depth))))
    return facing


def _pixels_per_parameter(homography: Array, metres: Array) -> Array:
    """(2n, 9): how each pixel coordinate moves with each number of the homography."""
    source = _homogeneous(metres)
    mapped = source @ homography.T
    jacobian = np.zeros((2 * len(metres), 9))
    for axis in range(2):
        jacobian[axis::2, 3 * axis : 3 * axis + 3] = source / mapped[:, 2:]
        jacobian[axis::2, 6:9] = -source * (mapped[:, axis] / mapped[:, 2] ** 2)[:, None]
    return jacobian


def _refined(homography: Array, metres: Array, pixels: Array) -> Array:
    """Gauss-Newton on the distance in pixels, which is where marking errs (Hartley and Zisserman, 4.5)."""
    if len(metres) == 4:
        return homography
    for _ in range(10):
        mapped = _homogeneous(metres) @ homography.T
        error = (pixels - mapped[:, :2] / mapped[:, 2:]).reshape(-1)
        step = np.linalg.lstsq(_pixels_per_parameter(homography, metres), error, rcond=1e-12)[0].reshape(3, 3)
        trial = homography + step
        after = _homogeneous(metres) @ trial.T
        if np.sum((pixels - after[:, :2] / after[:, 2:]) ** 2) >= np.sum(error**2):
            break
        homography = trial
    return homography
