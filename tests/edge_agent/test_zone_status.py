"""What is said of a passage's width while its camera sees, and while it does not."""

from __future__ import annotations

import pytest

from edge_agent.scenarios.finding import ClearWidth
from edge_agent.scene.camera_state import CameraState
from edge_agent.status import width_now

WIDTH = ClearWidth(2.6, 0.05, 41.0)


def test_a_width_is_told_as_measured_while_the_camera_sees() -> None:
    assert width_now(WIDTH, CameraState.SEEING) == WIDTH


@pytest.mark.parametrize("state", [state for state in CameraState if state is not CameraState.SEEING])
def test_the_last_width_of_a_camera_that_does_not_see_is_unknown(state: CameraState) -> None:
    assert width_now(WIDTH, state) == ClearWidth(None, None, 41.0)


def test_what_is_no_passage_has_no_width() -> None:
    assert width_now(None, CameraState.DARK) is None
