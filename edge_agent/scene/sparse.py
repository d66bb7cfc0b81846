"""Operations on masks of which little is set, done where that is: the result is that on the whole mask."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.scene.patch import Mask

Part = tuple[slice, slice]
"""Rows and columns of a raster."""


def around(mask: Mask, reach: int) -> Part | None:
    """The rows and columns of all set pixels of a mask and of ``reach`` pixels on all sides; None if none is set."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    if not width:
        return None
    return slice(max(y - reach, 0), y + height + reach), slice(max(x - reach, 0), x + width + reach)


def morphed(mask: Mask, operation: int, kernel: NDArray[np.uint8]) -> Mask:
    """``cv2.morphologyEx`` of a mask: an opening, a closing, an erosion or a dilation."""
    result = np.zeros(mask.shape, bool)
    part = around(mask, 2 * (max(kernel.shape) // 2))
    if part is not None:
        result[part] = cv2.morphologyEx(mask[part].view(np.uint8), operation, kernel) > 0
    return result
