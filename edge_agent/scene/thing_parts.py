"""Which regions of change are parts of a thing that is known already."""

from __future__ import annotations

import cv2
import numpy as np

from edge_agent.scene.patch import Mask, Patch
from edge_agent.scene.standing_object import ObjectRules, StandingObject

_TOUCH = np.ones((5, 5), np.uint8)


def is_part(region: Patch, ground_s: float, thing: StandingObject, rules: ObjectRules) -> bool:
    """True if a region touches a thing and is small beside it, or lies where it was hidden when it was found.

    ``ground_s``: when the region last showed the ground.
    """
    seam = Patch(region.x - 2, region.y - 2, cv2.dilate(np.pad(region.mask, 2).astype(np.uint8), _TOUCH) > 0)
    touching = thing.region.shared(seam)
    if not touching:
        return False
    if region.area < rules.same_thing_share * thing.region.area:
        return True
    if thing.judged is None or ground_s > thing.look_s:
        return False  # its place was seen to be bare after the thing had come
    near = cv2.dilate(np.pad(thing.region.mask, 3).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    border = np.zeros(thing.judged.shape, bool)
    Patch(region.x, region.y, region.mask).add_to(border)
    border &= _whole(Patch(thing.region.x - 3, thing.region.y - 3, near), border.shape)
    hidden = int(np.count_nonzero(border & ~thing.judged))
    return hidden >= rules.seam_share * max(int(np.count_nonzero(border)), 1)


def _whole(patch: Patch, shape: tuple[int, ...]) -> Mask:
    """A patch, which may stick out, as a mask of the whole raster."""
    rows, columns = shape
    x1, y1, x2, y2 = patch.box
    whole = np.zeros((rows, columns), bool)
    left, top, right, bottom = max(x1, 0), max(y1, 0), min(x2, columns), min(y2, rows)
    whole[top:bottom, left:right] = patch.mask[top - y1 : bottom - y1, left - x1 : right - x1]
    return whole
