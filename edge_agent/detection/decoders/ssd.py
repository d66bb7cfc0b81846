"""SSD and its kin cut before the final suppression: boxes and class scores, ready to use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.grid import require


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode boxes (n, 4) xyxy and scores (n, classes). A box counts for every class that reaches ``min_score``."""
    require(len(outputs) == 2, f"2 outputs (boxes, scores) are needed, there are {len(outputs)}")
    boxes, scores = outputs
    require(
        boxes.ndim == scores.ndim == 2 and boxes.shape == (len(scores), 4),
        f"boxes {boxes.shape} and scores {scores.shape} do not fit each other",
    )
    rows, class_ids = np.nonzero(scores >= min_score)
    return Candidates(boxes[rows], scores[rows, class_ids], class_ids.astype(np.int64))
