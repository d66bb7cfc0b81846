"""DEIM and DEIMv2: a list of labels, boxes and scores that needs no decoding."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import require


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode labels (1, k), boxes (1, k, 4) xyxy and scores (1, k). Boxes in the px of ``orig_target_sizes``."""
    require(len(outputs) == 3, f"3 outputs (labels, boxes, scores) are needed, there are {len(outputs)}")
    labels, boxes, scores = (part[0] for part in outputs)
    require(
        labels.shape == scores.shape and boxes.shape == (*scores.shape, 4),
        f"labels {labels.shape}, boxes {boxes.shape} and scores {scores.shape} do not fit each other",
    )
    rows = np.flatnonzero(scores >= min_score)
    return Candidates(boxes[rows].astype(np.float32), scores[rows], labels[rows].astype(np.int64))
