"""NanoDet-Plus: one output of class scores followed by distance distributions, cells looked at from their corner."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import best_class, cell_grid, integral_boxes, require

STRIDES = (8, 16, 32, 64)
BINS = 8
"""Distances of 0 to 7 strides (``reg_max`` 7)."""


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode one output (1, n, classes + 32). Boxes in input px."""
    require(len(outputs) == 1, f"1 output is needed, there are {len(outputs)}")
    output, grid = outputs[0][0], cell_grid(input_size, STRIDES)
    require(
        output.ndim == 2 and len(output) == len(grid) and output.shape[1] > 4 * BINS,
        f"the output must be ({len(grid)}, classes + {4 * BINS}), it is {output.shape}",
    )
    scores, logits = output[:, : -4 * BINS], output[:, -4 * BINS :]
    rows, class_ids = best_class(scores, min_score)
    cells = grid[rows]
    boxes = integral_boxes(logits[rows], cells[:, :2] * cells[:, 2:], cells[:, 2])
    return Candidates(boxes, scores[rows, class_ids], class_ids)
