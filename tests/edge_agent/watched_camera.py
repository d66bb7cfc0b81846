"""A made street before a camera whose frames are fed one a second, and what may befall it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

import cv2
import numpy as np

from edge_agent.capture.frame import Frame
from edge_agent.scene.camera_health import CameraHealth
from edge_agent.scene.camera_state import CameraState, View

Change = Callable[[np.ndarray, int], np.ndarray]
START = datetime(2026, 5, 17, tzinfo=UTC)
SEEING, MOVED, FROZEN = CameraState.SEEING, CameraState.MOVED, CameraState.FROZEN


def street(seed: int = 1, width: int = 480, height: int = 270) -> np.ndarray:
    """A still scene: ground, kerbs and some thirty angular things of all sizes, half as large again as the picture."""
    random = np.random.default_rng(seed)
    wide, high = width * 3 // 2, height * 3 // 2
    image = np.full((high, wide, 3), (110, 115, 112), np.uint8)
    for _ in range(45):
        centre = random.integers((0, 0), (wide, high))
        corners = centre + random.integers(-high // 7, high // 7, (4, 2))
        colour = tuple(int(value) for value in random.integers(30, 220, 3))
        cv2.fillConvexPoly(image, cv2.convexHull(corners.astype(np.int32)), colour, cv2.LINE_AA)
    return image


def view_of(scene: np.ndarray, right: int = 0, down: int = 0, width: int = 480, height: int = 270) -> np.ndarray:
    """What the camera sees when the picture lies (right, down) off."""
    left, top = (scene.shape[1] - width) // 2 - right, (scene.shape[0] - height) // 2 - down
    return scene[top : top + height, left : left + width]


NOISE = np.random.default_rng(0).normal(0, 1, (640, 1200, 3)).astype(np.float32)


def noisy(image: np.ndarray, second: int, deviation: float = 1.5) -> np.ndarray:
    row, column = second * 37 % 97, second * 61 % 211
    noise = NOISE[row : row + image.shape[0], column : column + image.shape[1]]
    return np.clip(image + deviation * noise, 0, 255).astype(np.uint8)


def with_traffic(image: np.ndarray, second: int) -> np.ndarray:
    image = image.copy()
    for lane, colour in ((0.55, (40, 40, 160)), (0.75, (200, 190, 180))):
        left = int((second * 97 + lane * 500) % (image.shape[1] + 120)) - 120
        top = int(image.shape[0] * lane)
        cv2.rectangle(image, (left, top), (left + 110, top + 45), colour, -1)
    return image


class Watched:
    """A camera whose frames are fed one a second."""

    def __init__(self, health: CameraHealth | None = None) -> None:
        self.health = health or CameraHealth()
        self.second = 0
        self.scene = street()

    def frame(self, image: np.ndarray) -> Frame:
        return Frame(image, START + timedelta(seconds=self.second), float(self.second))

    def show(self, image: np.ndarray) -> View:
        view = self.health.observe(self.frame(image))
        self.second += 1
        return view

    def street(self, seconds: int, change: Change | None = None, right: int = 0, down: int = 0) -> list[View]:
        views = []
        for _ in range(seconds):
            image = noisy(with_traffic(view_of(self.scene, right, down), self.second), self.second)
            views.append(self.show(image if change is None else change(image, self.second)))
        return views

    def stated(self) -> list[tuple[CameraState, float]]:
        return [(change.to_state, change.media_time_s) for change in self.health.take_changes()]


def states(views: Iterable[View]) -> set[CameraState]:
    return {view.state for view in views}


def black(image: np.ndarray, second: int) -> np.ndarray:
    return np.random.default_rng(second).integers(0, 4, image.shape, dtype=np.uint8)


def hand(image: np.ndarray, second: int) -> np.ndarray:
    ramp = np.linspace(40, 110, image.shape[1])[None, :, None] * np.array([0.7, 0.8, 1.0])
    return noisy(np.broadcast_to(ramp, image.shape), second)


def half_a_hand(image: np.ndarray, second: int) -> np.ndarray:
    edge = image.shape[1] // 3
    return np.concatenate([image[:, :edge], hand(image, second)[:, edge:]], axis=1)


def defocused(image: np.ndarray, second: int) -> np.ndarray:
    return noisy(cv2.GaussianBlur(image, (0, 0), 4), second)


def glaring(image: np.ndarray, second: int) -> np.ndarray:
    return cv2.convertScaleAbs(image, alpha=1.6, beta=140)


FAULTS = {
    CameraState.DARK: black,
    CameraState.COVERED: hand,
    CameraState.BLURRED: defocused,
    CameraState.OVER_EXPOSED: glaring,
}
