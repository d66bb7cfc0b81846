"""Where a picture lies against the reference view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.stay import Box

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Pose:
    """(2, 3) ``matrix``: from pixels of the reference view to pixels of the frame."""

    matrix: Array

    @staticmethod
    def shifted(shift_px: tuple[float, float]) -> Pose:
        """A picture that has moved by (right, down)."""
        return Pose(np.array([[1.0, 0.0, shift_px[0]], [0.0, 1.0, shift_px[1]]]))

    @property
    def is_still(self) -> bool:
        """True if the picture lies as the reference does."""
        return bool(np.array_equal(self.matrix, np.eye(2, 3)))

    def to_frame(self, points: Array) -> Array:
        """(n, 2) points of the reference view in pixels of the frame."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2], np.float64)

    def to_reference(self, points: Array) -> Array:
        """(n, 2) points of the frame in pixels of the reference view."""
        return np.asarray((points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T, np.float64)

    def boxes_to_reference(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, 4) boxes xyxy of the frame in pixels of the reference view; a roll is small enough for that."""
        corners = np.asarray(boxes, np.float64).reshape(-1, 2)
        return np.asarray(self.to_reference(corners), np.float32).reshape(-1, 4)

    def box_to_frame(self, box: Box) -> Box:
        """A box xyxy of the reference view in pixels of the frame."""
        (x1, y1), (x2, y2) = self.to_frame(np.asarray(box, np.float64).reshape(2, 2)).tolist()
        return x1, y1, x2, y2
