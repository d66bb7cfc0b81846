"""A painted deck before a pinhole camera, for tests: exact geometry, chosen light, no file needed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Frame
from edge_agent.config import CalibrationConfig, PassageDwell, PassageZone, PointPair
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.calibration import Calibration
from edge_agent.scene.camera_state import CameraState, View

SIZE = (640, 360)
SEEING = View(CameraState.SEEING)
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
DECK = ((0.0, 5.5), (4.0, 5.5), (4.0, 18.0), (0.0, 18.0))
FOCAL = 600.0
CAMERA = np.array([1.6, 0.0, 4.6])
PITCH = np.radians(25.0)


def project(points_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 3), metres (x across, y along, z up), to pixels (..., 2)."""
    ahead = np.array([0.0, np.cos(PITCH), -np.sin(PITCH)])
    right = np.array([1.0, 0.0, 0.0])
    down = np.cross(ahead, right)
    rays = np.asarray(points_m, np.float64) - CAMERA
    depth = rays @ ahead
    return np.stack(
        [FOCAL * (rays @ right) / depth + SIZE[0] / 2, FOCAL * (rays @ down) / depth + SIZE[1] / 2], axis=-1
    )


def on_ground(points_m: list[tuple[float, float]]) -> NDArray[np.float64]:
    """Ground points (x, y) to pixels (n, 2)."""
    return project(np.column_stack([np.array(points_m), np.zeros(len(points_m))]))


DECK_PX = tuple((float(x), float(y)) for x, y in on_ground(list(DECK)))
ZONE = PassageZone(
    id="deck",
    scenario="passage",
    polygon=DECK_PX,
    ends=((DECK_PX[0], DECK_PX[1]), (DECK_PX[2], DECK_PX[3])),
    calibration=CalibrationConfig(
        points=tuple(PointPair(px=px, m=m) for px, m in zip(DECK_PX, DECK, strict=True)),
    ),
    dwell_limit_s=PassageDwell(blocked=5, narrowed=5, crowded=30),
)


def calibration() -> Calibration:
    """The zone's."""
    assert ZONE.calibration is not None
    return Calibration.from_config(ZONE.calibration)


def cuboid(x: float, y: float, width: float, length: float, height: float) -> NDArray[np.float64]:
    """Corners (8, 3) of a box whose near left corner stands at (x, y)."""
    return np.array(
        [[x + a * width, y + b * length, c * height] for a in (0, 1) for b in (0, 1) for c in (0, 1)], np.float64
    )


def silhouette(corners: NDArray[np.float64]) -> NDArray[np.bool_]:
    """What a convex body covers in the picture, (height, width) bool."""
    mask = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    hull = cv2.convexHull(project(corners).astype(np.float32))
    cv2.fillConvexPoly(mask, np.round((hull - 0.5) * 256).astype(np.int32), 1, cv2.LINE_8, 8)
    return mask > 0


class Deck:
    """The picture: a tiled deck between railings, with what is put on it. Noise is the same for the same seed."""

    def __init__(self, seed: int = 0) -> None:
        self.random = np.random.default_rng(seed)
        base = np.full((SIZE[1], SIZE[0], 3), (95, 92, 90), np.float32)
        base += cv2.GaussianBlur(self.random.normal(0, 30, base.shape).astype(np.float32), (9, 9), 3)
        for row in range(5, 19):
            for column in range(4):
                tile = on_ground([(column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1)])
                shade = 150 + 16 * self.random.standard_normal()
                cv2.fillConvexPoly(base, np.round(tile).astype(np.int32), (shade * 0.97, shade, shade * 1.02))
        self.empty = base

    def picture(
        self,
        *bodies: tuple[NDArray[np.float64], tuple[int, int, int]],
        shadows: tuple[list[tuple[float, float]], ...] = (),
        light: float = 1.0,
        shadow_depth: float = 0.6,
    ) -> NDArray[np.uint8]:
        """The deck with convex bodies (corners, BGR), painted far to near, and shadows (ground polygons)."""
        image = self.empty.copy()
        for polygon in shadows:
            shade = np.zeros(image.shape[:2], np.float32)
            cv2.fillPoly(shade, [np.round(on_ground(polygon)).astype(np.int32)], 1.0)
            shade = cv2.GaussianBlur(shade, (5, 5), 0)
            image *= (1 - (1 - shadow_depth) * shade)[:, :, None]
        for corners, colour in sorted(bodies, key=lambda body: -float(body[0][:, 1].min())):
            image[silhouette(corners)] = colour
        image = image * light + self.random.normal(0, 1.5, image.shape)
        return np.clip(image, 0, 255).astype(np.uint8)


def frame(image: NDArray[np.uint8], at_s: float) -> Frame:
    """A frame at a media time."""
    return Frame(image, START + timedelta(seconds=at_s), at_s)


def person(x: float, y: float) -> NDArray[np.float64]:
    """A person who stands at (x, y)."""
    return cuboid(x - 0.25, y - 0.15, 0.5, 0.3, 1.7)


def detected(*bodies: NDArray[np.float64], score: float = 0.8) -> Detections:
    """Detections of people, one for each body."""
    if not bodies:
        return Detections.empty()
    boxes = []
    for corners in bodies:
        pixels = project(corners)
        boxes.append([*pixels.min(axis=0), *pixels.max(axis=0)])
    count = len(bodies)
    return Detections(
        np.array(boxes, np.float32),
        np.full(count, score, np.float32),
        ("person",) * count,
        (ClassGroup.PERSON,) * count,
    )
