"""What is done where a mask is set gives what it gives on the whole mask."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_agent.scene.sparse import around, morphed


@pytest.mark.parametrize("operation", [cv2.MORPH_OPEN, cv2.MORPH_CLOSE, cv2.MORPH_ERODE, cv2.MORPH_DILATE])
@pytest.mark.parametrize("corner", [(0, 0), (20, 30), (52, 71)])
@pytest.mark.parametrize("side_px", [3, 5, 9, 13])
def test_a_part_gives_what_the_whole_gives(operation: int, corner: tuple[int, int], side_px: int) -> None:
    specks = np.random.default_rng(side_px).random((28, 29)) < 0.8
    specks[:15, :15] = True
    mask = np.zeros((80, 100), bool)
    mask[corner[0] : corner[0] + 28, corner[1] : corner[1] + 29] = specks
    disc = np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px)), np.uint8)
    whole = cv2.morphologyEx(mask.view(np.uint8), operation, disc) > 0
    assert np.array_equal(morphed(mask, operation, disc), whole)
    assert whole.any()


def test_nothing_gives_nothing() -> None:
    nothing = np.zeros((8, 9), bool)
    assert around(nothing, 3) is None
    assert not morphed(nothing, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).any()
