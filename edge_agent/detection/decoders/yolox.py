"""YOLOX: one output of offsets, log sizes, objectness and class scores per cell."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import cell_grid, require

STRIDES = (8, 16, 32)


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode one output (1, n, 5 + classes), sigmoid applied by the model. Boxes in input px."""
    require(len(outputs) == 1, f"1 output is needed, there are {len(outputs)}")
    output, grid = outputs[0][0], cell_grid(input_size, STRIDES)
    require(
        output.ndim == 2 and len(output) == len(grid) and output.shape[1] > 5,
        f"the output must be ({len(grid)}, 5 + classes), it is {output.shape}",
    )
    likely = np.flatnonzero(output[:, 4] >= min_score)  # a score is at most its objectness
    class_ids = output[likely, 5:].argmax(axis=1)
    scores = output[likely, 4] * output[likely, 5 + class_ids]
    chosen = scores >= min_score
    rows, class_ids, scores = likely[chosen], class_ids[chosen], scores[chosen]
    cells, raw = grid[rows], output[rows, :4]
    centres = (raw[:, :2] + cells[:, :2]) * cells[:, 2:]
    half = np.exp(raw[:, 2:]) * cells[:, 2:] / 2
    return Candidates(np.concatenate([centres - half, centres + half], axis=1), scores, class_ids)
