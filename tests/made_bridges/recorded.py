"""Recorded ground on which things are made to stand: real light and walkers, with the truth of what was added."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.made_bridges.eye import Deck, Eye
from tests.made_bridges.paint import Layer, Picture

FOOTAGE = Path(__file__).resolve().parents[3] / "shared" / "footage"
"""Recordings that are kept outside the project."""
MOVED = 22
"""Grey values by which somebody differs from the bare ground."""
SMALLEST_PX = 60
"""Pixels of the smallest thing that moves."""
LAST_UNREADABLE = 10
"""Pictures that a file may promise at its end and not have."""


@dataclass(frozen=True, slots=True)
class Ground:
    """A recording whose camera hangs still, with a guess at how: metres above the ground, and degrees.

    ``aside_m`` and ``near_m`` place a deck of ``width_m`` by ``long_m`` on ground on which nothing is left.
    """

    file: str
    focal: float
    height_m: float
    pitch: float
    yaw: float
    aside_m: float
    width_m: float
    near_m: float
    long_m: float


GROUNDS = (
    Ground("real/opencv/vtest.avi", 1.04, 5.0, 15.7, -11.0, 1.5, 3.2, 11.8, 12.0),
    Ground("real/intel/person-bicycle-car-detection.mp4", 1.3, 9.7, 40.0, 0.0, 0.0, 5.0, 8.4, 8.6),
)


class Recording:
    """The pictures of a recording, played there and back, and who moves in them."""

    def __init__(self, path: Path) -> None:
        self._reader = cv2.VideoCapture(str(path))
        self._fps = self._reader.get(cv2.CAP_PROP_FPS)
        self.size = (
            int(self._reader.get(cv2.CAP_PROP_FRAME_WIDTH)),
            int(self._reader.get(cv2.CAP_PROP_FRAME_HEIGHT)),
        )
        self._last = int(self._reader.get(cv2.CAP_PROP_FRAME_COUNT)) - LAST_UNREADABLE
        samples = np.stack([self._read(number) for number in np.linspace(0, self._last, 40).astype(int)])
        self._bare = np.median(samples, axis=0).astype(np.float32)

    def picture(self, at_s: float) -> Picture:
        """What it shows."""
        turns, number = divmod(round(at_s * self._fps), self._last)
        return self._read(number if turns % 2 == 0 else self._last - number).astype(np.float32)

    def movers(self, picture: Picture, eye: Eye) -> list[tuple[float, Layer]]:
        """Everybody who is not of the ground, with how far from the camera his foot is, metres."""
        apart = cv2.GaussianBlur(np.abs(picture - self._bare).max(axis=2), (0, 0), 1.0)
        mask = cv2.morphologyEx((apart > MOVED).astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        _, labels, found, _ = cv2.connectedComponentsWithStats(mask)
        to_ground = np.linalg.inv(eye.ground_to_px)
        layers = []
        for label, (x, y, columns, rows, area) in enumerate(found[1:], start=1):
            if area < SMALLEST_PX:
                continue
            part = np.s_[y : y + rows, x : x + columns]
            share = (labels[part] == label).astype(np.float32)
            foot = to_ground @ (x + columns / 2, y + rows, 1.0)
            away = float(np.hypot(*(foot[:2] / foot[2] - eye.place_m[:2]))) if foot[2] > 0 else np.inf
            layers.append((away, Layer(int(x), int(y), picture[part].copy(), share)))
        return layers

    def _read(self, number: int) -> NDArray[np.uint8]:
        self._reader.set(cv2.CAP_PROP_POS_FRAMES, number)
        good, image = self._reader.read()
        if not good:
            raise RuntimeError(f"picture {number} cannot be read")
        return np.asarray(image, np.uint8)


@cache
def recording_of(ground: Ground) -> Recording:
    """The recording of a ground, opened once."""
    return Recording(FOOTAGE / ground.file)


def seen_recorded(ground: Ground, size: tuple[int, int]) -> tuple[Eye, Deck]:
    """The camera of a ground and its deck."""
    pitch, yaw = np.radians(ground.pitch), np.radians(ground.yaw)
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    axes = np.array([right, np.cross(ahead, right), ahead])
    eye = Eye(size, ground.focal * size[0], np.array([-ground.aside_m, 0, ground.height_m]), axes)
    return eye, Deck(ground.width_m, ground.near_m, ground.near_m + ground.long_m)
