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
        corners = eye.on_ground(np.array(deck.corners_m))
        tops = np.array([(x, y, 1.8) for x, y in deck.corners_m])
        inside = ((corners >= 0) & (corners <= np.array(size))).all() and (eye.depths(tops) > 1).all()
        far_px = np.linalg.norm(corners[2] - corners[3]) / width
        # A person at the far end is some fifty pixels tall in a picture of 640, and the near end is in its lower half.
        if inside and far_px * 640 / size[0] > 26 and corners[:2, 1].max() > 0.75 * size[1]:
            return eye, deck
