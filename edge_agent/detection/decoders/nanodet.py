"""NanoDet (first generation): per stride, class scores and distance distributions around cell centres."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import best_class, cell_grid, integral_boxes, require

STRIDES = (8, 16, 32)


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode scores (1, n, classes) of each stride, then distributions (1, n, 4 * bins) of each. Boxes in input px."""
    return decode_centred(outputs, input_size, min_score, STRIDES)


def decode_centred(
    outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float, strides: tuple[int, ...]
) -> Candidates:
    """Decode a head whose cells look from their centre, (i + 0.5) * stride. The one of PicoDet has a stride more."""
    levels = len(strides)
    require(len(outputs) == 2 * levels, f"{2 * levels} outputs are needed, there are {len(outputs)}")
    scores = np.concatenate([part[0] for part in outputs[:levels]])
    logits = [part[0] for part in outputs[levels:]]
    grid = cell_grid(input_size, strides)
    require(len(scores) == len(grid), f"{len(grid)} cells are needed, there are {len(scores)}")
    require(
        sum(len(part) for part in logits) == len(grid) and len({part.shape[1] for part in logits}) == 1,
        "the distance outputs do not fit the score outputs: give scores, then distances, both by stride",
    )
    require(logits[0].shape[1] % 4 == 0, f"distances need 4 equal parts, they have {logits[0].shape[1]}")
    rows, class_ids = best_class(scores, min_score)
    cells = grid[rows]
    centres = (cells[:, :2] + 0.5) * cells[:, 2:]
    boxes = integral_boxes(np.concatenate(logits)[rows], centres, cells[:, 2])
    return Candidates(boxes, scores[rows, class_ids], class_ids)
