"""What a decoder finds in a model's raw outputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """Boxes before non-maximum suppression, in the unit that the model card names.

    ``boxes``: (n, 4) float32 xyxy. ``scores``: (n,) float32. ``class_ids``: (n,) int64, index into the card's classes.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: NDArray[np.int64]) -> Candidates:
        """The candidates at ``index``, (m,) int, in its order."""
        return Candidates(self.boxes[index], self.scores[index], self.class_ids[index])

    @staticmethod
    def empty() -> Candidates:
        """No candidates."""
        return Candidates(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int64))


def box_iou(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box, (4,), with others, (n, 4); (n,) float32."""
    ious: NDArray[np.float32] = _iou_of_all(box[None], others)[0]
    return ious


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], labels: NDArray[np.int64], iou: float
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each label; indices of what stays, best score first.

    Equal scores keep their order, so the same input always gives the same output.
    """
    order = np.argsort(-scores, kind="stable")
    boxes, labels = boxes[order], labels[order]
    alive = np.ones(len(order), bool)
    for first in range(0, len(order), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        again = _iou_of_all(boxes[rows], boxes[first:]) > iou
        again &= labels[rows, None] == labels[None, first:]
        for row in range(len(again)):
            if alive[first + row]:
                alive[first + row + 1 :] &= ~again[row, row + 1 :]
    return order[alive]


_ROWS_AT_ONCE = 128
"""Boxes compared with all others at a time: nearly all of a usual picture, some MB of one that is full of them."""


def _iou_of_all(some: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """(m, n) intersection over union of m boxes with n others."""
    across = np.minimum(some[:, None, 2], others[None, :, 2]) - np.maximum(some[:, None, 0], others[None, :, 0])
    down = np.minimum(some[:, None, 3], others[None, :, 3]) - np.maximum(some[:, None, 1], others[None, :, 1])
    overlap = np.maximum(across, 0) * np.maximum(down, 0)
    union = _area(some)[:, None] + _area(others)[None, :] - overlap
    ious: NDArray[np.float32] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return ious


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    area: NDArray[np.float32] = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area
