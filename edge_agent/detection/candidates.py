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
    overlap = intersection(box, others)
    union = _area(box) + _area(others) - overlap
    iou: NDArray[np.float32] = np.divide(overlap, union, out=np.zeros_like(overlap), where=union > 0)
    return iou


def intersection(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Area that one box, (4,), shares with others, (n, 4); (n,) float32."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared: NDArray[np.float32] = np.prod(np.maximum(sides, 0), axis=1, dtype=np.float32)
    return shared


def suppress(
    boxes: NDArray[np.float32], scores: NDArray[np.float32], labels: NDArray[np.int64], iou: float
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each label; indices of what stays, best score first.

    Equal scores keep their order, so the same input always gives the same output.
    """
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        best, rest = order[0], order[1:]
        kept.append(int(best))
        same = labels[rest] == labels[best]
        order = rest[~(same & (box_iou(boxes[best], boxes[rest]) > iou))]
    return np.array(kept, np.int64)


def _area(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    area: NDArray[np.float32] = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return area
