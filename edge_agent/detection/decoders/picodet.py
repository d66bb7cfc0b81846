"""PP-PicoDet: NanoDet's head with one stride more."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.candidates import Candidates
from edge_agent.detection.decoders.nanodet import decode_centred

STRIDES = (8, 16, 32, 64)


def decode(outputs: Sequence[NDArray[np.float32]], input_size: tuple[int, int], min_score: float) -> Candidates:
    """Decode scores (1, n, classes) of each stride, then distributions (1, n, 4 * bins) of each. Boxes in input px."""
    return decode_centred(outputs, input_size, min_score, STRIDES)
