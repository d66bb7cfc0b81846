"""FastestDet: one map of objectness, offsets, sizes and class scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import best_class, cell_grid, require

STRIDE = 16
OBJECTNESS_POWER, CLASS_POWER = 0.6, 0.4
"""How the authors weigh objectness against class in a score."""


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode one output (1, 5 + classes, rows, columns). Boxes in input px."""
    require(len(outputs) == 1, f"1 output is needed, there are {len(outputs)}")
    grid = cell_grid(input_size, (STRIDE,))
    output = outputs[0][0].reshape(len(outputs[0][0]), -1).T
    require(
        len(output) == len(grid) and output.shape[1] > 5,
        f"the output must have {len(grid)} cells of 5 + classes values, it has {output.shape}",
    )
    scores = output[:, :1] ** OBJECTNESS_POWER * output[:, 5:] ** CLASS_POWER
    rows, class_ids = best_class(scores, min_score)
    raw, size = output[rows, 1:5], np.array(input_size, np.float32)
    centres = (grid[rows, :2] + np.tanh(raw[:, :2])) * STRIDE
    half = size / (1 + np.exp(-raw[:, 2:])) / 2
    return Candidates(np.concatenate([centres - half, centres + half], axis=1), scores[rows, class_ids], class_ids)
