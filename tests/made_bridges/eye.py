"""A pinhole camera over a made footbridge: x to the right across the deck, y along it, z up, metres."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SIZES = ((640, 360), (768, 432), (960, 540), (1280, 720), (1920, 1080))


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """``size`` is (width, height) in pixels, ``place_m`` where the camera hangs, ``axes`` its right, down and ahead."""

    size: tuple[int, int]
    focal_px: float
    place_m: Array
    axes: Array

    def depths(self, points_m: Array) -> Array:
        """How far ahead of the camera points (..., 3) lie."""
        ahead: Array = (np.asarray(points_m, np.float64) - self.place_m) @ self.axes[2]
        return ahead

    def pixels(self, points_m: Array) -> Array:
        """Points (..., 3) in pixels (..., 2), whose origin is the upper left corner of the picture."""
        rays = (np.asarray(points_m, np.float64) - self.place_m) @ self.axes.T
        depth = np.maximum(rays[..., 2:], 1e-6)
        return np.asarray(rays[..., :2] / depth * self.focal_px + np.array(self.size) / 2, np.float64)

    def on_ground(self, points_m: Array) -> Array:
        """Points (..., 2) of the deck in pixels."""
        points = np.asarray(points_m, np.float64)
        return self.pixels(np.concatenate([points, np.zeros((*points.shape[:-1], 1))], axis=-1))

    @property
    def ground_to_px(self) -> Array:
        """Homography (3, 3) from metres of the deck to pixels."""
        lens = np.array([[self.focal_px, 0, self.size[0] / 2], [0, self.focal_px, self.size[1] / 2], [0, 0, 1.0]])
        return lens @ np.column_stack([self.axes[:, 0], self.axes[:, 1], -self.axes @ self.place_m])


@dataclass(frozen=True, slots=True)
class Deck:
    """The passage: from ``near_m`` to ``far_m`` along y, ``width_m`` across, its middle at x = 0."""

    width_m: float
    near_m: float
    far_m: float

    @property
    def corners_m(self) -> tuple[tuple[float, float], ...]:
        """Near left, near right, far right, far left."""
        half = self.width_m / 2
        return (-half, self.near_m), (half, self.near_m), (half, self.far_m), (-half, self.far_m)


def seen_deck(random: np.random.Generator) -> tuple[Eye, Deck]:
    """A deck and a camera that sees all of it, from 3 to 7 m above, with a far end that is not too small."""
    while True:
        size = SIZES[random.integers(len(SIZES))]
        height, pitch, yaw = random.uniform(3, 7), np.radians(random.uniform(16, 42)), np.radians(random.normal(0, 12))
        roll, focal = np.radians(random.uniform(-2, 2)), size[0] * random.uniform(0.65, 1.25)
        width = random.uniform(2.2, 6)
        aside = random.uniform(-width / 2 - 1.0, width / 2 + 1.0)
        ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
        right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
        down = np.cross(ahead, right)
        tilted = np.cos(roll) * right + np.sin(roll) * down
        eye = Eye(size, focal, np.array([aside, 0, height]), np.array([tilted, np.cross(ahead, tilted), ahead]))
        near = height * random.uniform(0.8, 2.2)
        deck = Deck(width, near, near + random.uniform(8, 16))
        corners, inside = _seen_whole(eye, deck, size)
        far_px = np.linalg.norm(corners[2] - corners[3]) / width
        # A person at the far end is some fifty pixels tall in a picture of 640, and the near end is in its lower half.
        if inside and far_px * 640 / size[0] > 26 and corners[:2, 1].max() > 0.75 * size[1]:
            return eye, deck


def _seen_whole(eye: Eye, deck: Deck, size: tuple[int, int]) -> tuple[np.ndarray, bool]:
    """Where the corners of a deck lie in the picture, and whether all are in it and people on them before the eye."""
    corners = eye.on_ground(np.array(deck.corners_m))
    tops = np.array([(x, y, 1.8) for x, y in deck.corners_m])
    return corners, bool(((corners >= 0) & (corners <= np.array(size))).all() and (eye.depths(tops) > 1).all())


def seen_from_beside(random: np.random.Generator) -> tuple[Eye, Deck]:
    """A deck and a camera beside it, whose near railing hides between 0.3 and 1.5 m of the deck behind it."""
    while True:
        size = SIZES[random.integers(len(SIZES))]
        height, pitch, roll = (
            random.uniform(3.2, 6.5),
            np.radians(random.uniform(16, 40)),
            np.radians(random.uniform(-2, 2)),
        )
        width, beyond = random.uniform(2.4, 4.5), random.uniform(1.0, 6.0)
        side, turned = float(random.choice([-1, 1])), np.radians(random.uniform(15, 65))
        eye = _eye(random, size, -side * (width / 2 + beyond), height, pitch, side * turned, roll)
        near = random.uniform(0.0, 8.0)
        deck = Deck(width, near, near + random.uniform(6, 11))
        corners, inside = _seen_whole(eye, deck, size)
        rail = np.array([(x, y, 1.2) for x in (-width / 2, width / 2) for y in (near - 1, deck.far_m + 1)])
        inside = inside and (eye.depths(rail) > 1).all()
        hides_m = RAILING_M * beyond / (height - RAILING_M)
        if inside and _is_large(corners, size) and 0.3 < hides_m < 1.5:
            return eye, deck


def seen_cut(random: np.random.Generator) -> tuple[Eye, Deck]:
    """A deck whose near end lies beyond the picture's lower border or one of its sides, by up to two metres."""
    while True:
        size = SIZES[random.integers(len(SIZES))]
        height, pitch, roll = (
            random.uniform(3, 6),
            np.radians(random.uniform(16, 38)),
            np.radians(random.uniform(-2, 2)),
        )
        width = random.uniform(2.2, 5)
        aside = random.uniform(-width / 2 - 1.0, width / 2 + 1.0)
        eye = _eye(random, size, aside, height, pitch, np.radians(random.normal(0, 14)), roll)
        near = height * random.uniform(0.6, 2.0)
        deck = Deck(width, near, near + random.uniform(7, 13))
        corners = eye.on_ground(np.array(deck.corners_m))
        far_in = ((corners[2:] >= 0) & (corners[2:] <= np.array(size))).all()
        later = eye.on_ground(np.array([(x, y + 2.0) for x, y in deck.corners_m[:2]]))
        soon_in = ((later >= 0) & (later <= np.array(size))).all()
        cut = not ((corners[:2] >= 0) & (corners[:2] <= np.array(size))).all()
        tops = np.array([(x, y, 1.8) for x, y in deck.corners_m])
        if far_in and soon_in and cut and _is_large(corners[2:], size) and (eye.depths(tops) > 1).all():
            return eye, deck


RAILING_M = 1.05
"""Height of a railing, in the middle."""


def _eye(
    random: np.random.Generator,
    size: tuple[int, int],
    aside_m: float,
    height_m: float,
    pitch: float,
    yaw: float,
    roll: float,
) -> Eye:
    """A camera over y = 0 that looks along y but for ``yaw`` and ``pitch``, radians."""
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    tilted = np.cos(roll) * right + np.sin(roll) * np.cross(ahead, right)
    axes = np.array([tilted, np.cross(ahead, tilted), ahead])
    return Eye(size, size[0] * random.uniform(0.65, 1.25), np.array([aside_m, 0, height_m]), axes)


def _is_large(pixels: Array, size: tuple[int, int]) -> bool:
    """Whether the shortest side of a polygon is 60 pixels long in a picture of 640."""
    sides = np.linalg.norm(pixels - np.roll(pixels, 1, axis=0), axis=1)
    return bool(sides.min() * 640 / size[0] > 60)
