"""Cells of a detector's grid and the boxes they point at; shared by the anchor-free families."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=32)
def cell_grid(input_size: tuple[int, int], strides: tuple[int, ...]) -> NDArray[np.float32]:
    """Column, row and stride of every cell, (n, 3) float32, stride by stride, rows first, of a (width, height) input.

    An input that is not a multiple of a stride has one more, partial, cell.
    """
    parts = []
    for stride in strides:
        columns, rows = -(-input_size[0] // stride), -(-input_size[1] // stride)
        row, column = np.mgrid[0:rows, 0:columns]
        parts.append(np.stack([column.ravel(), row.ravel(), np.full(rows * columns, stride)], axis=1))
    grid: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
    grid.setflags(write=False)
    return grid


def best_class(scores: NDArray[np.float32], min_score: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of ``scores``, (n, classes), whose best class reaches ``min_score``, and that class of each."""
    rows = np.flatnonzero(scores.max(axis=1, initial=0.0) >= min_score)
    return rows, scores[rows].argmax(axis=1)


def integral_boxes(
    logits: NDArray[np.float32], centres: NDArray[np.float32], strides: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Boxes from the distances to their four sides, each the mean of a distribution over bins.

    ``logits``: (n, 4 * bins), left, top, right, bottom; ``centres``: (n, 2) px; ``strides``: (n,) px. Gives (n, 4)
    xyxy px. Source: Generalized Focal Loss, Li et al. 2020, section 3.2.
    """
    bins = logits.shape[1] // 4
    shaped = logits.reshape(len(logits), 4, bins)
    weights = np.exp(shaped - shaped.max(axis=2, keepdims=True))
    mean = (weights @ np.arange(bins, dtype=np.float32)) / weights.sum(axis=2)
    distance = mean * strides[:, None]
    return np.concatenate([centres - distance[:, :2], centres + distance[:, 2:]], axis=1).astype(np.float32)


def require(condition: bool, message: str) -> None:
    """Raise ``ValueError`` with ``message`` unless ``condition`` holds."""
    if not condition:
        raise ValueError(message)
