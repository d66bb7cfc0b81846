"""A second look at a place: squares around it that lie in the frame, and boxes in the frame's own pixels."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.capture.frame import Image
from edge_agent.detection.camera_looker import CameraLooker
from edge_agent.detection.close_up import close_ups
from edge_agent.detection.detections import ClassGroup, Detections

SIDES = st.floats(-50, 900, allow_nan=False)


@given(x=SIDES, y=SIDES, width=st.floats(1, 700), height=st.floats(1, 700))
def test_every_part_is_a_square_inside_the_frame(x: float, y: float, width: float, height: float) -> None:
    parts = close_ups((x, y, x + width, y + height), (640, 360))
    assert 1 <= len(parts) <= 2
    for part in parts:
        assert part.width == part.height
        assert part.left >= 0
        assert part.top >= 0
        assert part.right <= 640
        assert part.bottom <= 360


def test_a_part_holds_the_place_in_its_middle() -> None:
    wide, near = close_ups((300, 150, 320, 180), (640, 360))
    assert (wide.width, near.width) == (180, 75)
    assert (wide.left + wide.right) / 2 == 310
    assert abs((near.top + near.bottom) / 2 - 165) <= 1


class _MiddleFinder:
    """A detector that finds a person in the middle of what it is shown, and one that the lower edge cuts."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def detect(self, image: Image) -> Detections:
        height, width = image.shape[:2]
        self.sizes.append((width, height))
        boxes = [[0.4 * width, 0.3 * height, 0.6 * width, 0.7 * height], [0, 0.5 * height, width, height]]
        groups = (ClassGroup.PERSON,) * 2
        return Detections(np.array(boxes, np.float32), np.array([0.6, 0.5], np.float32), ("person",) * 2, groups)


def test_a_look_at_a_place_gives_what_is_whole_in_pixels_of_the_frame_and_counts_its_cost() -> None:
    model = _MiddleFinder()
    looker = CameraLooker(model, ())  # type: ignore[arg-type]
    found = looker.look_at(np.zeros((360, 640, 3), np.uint8), (300, 150, 320, 180))
    assert model.sizes == [(180, 180), (75, 75)]
    assert looker.inferences == 2
    assert looker.inference_s > 0
    assert len(found) == 2
    middles = (found.boxes[:, :2] + found.boxes[:, 2:]) / 2
    assert np.abs(middles - [310, 165]).max() <= 1
