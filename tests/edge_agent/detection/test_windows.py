"""Which parts of a frame are looked at more closely."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.detection.windows import RULE, Window, plan_windows

HD = (1920, 1080)
INPUT = (416, 416)


def rectangle(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def holds(window: Window, left: float, top: float, right: float, bottom: float) -> bool:
    return window.left <= left and window.top <= top and window.right >= right and window.bottom >= bottom


def test_without_a_zone_the_whole_frame_is_enough() -> None:
    assert plan_windows(HD, INPUT, []) == ()


def test_a_frame_that_the_model_sees_enlarged_enough_needs_no_window() -> None:
    assert plan_windows((240, 180), INPUT, [rectangle(10, 10, 100, 100)]) == ()


def test_a_small_zone_gets_one_window_with_room_for_what_stands_on_it() -> None:
    (window,) = plan_windows(HD, INPUT, [rectangle(900, 600, 1100, 640)])
    assert holds(window, 900, 600 - RULE.head_room * 1080, 1100, 640)
    assert window.width == pytest.approx(RULE.least_side * 1920, abs=2)
    assert window.height == pytest.approx(RULE.least_side * 1080, abs=2)


def test_a_zone_in_the_corner_gets_a_window_inside_the_frame() -> None:
    (window,) = plan_windows(HD, INPUT, [rectangle(0, 900, 150, 1080)])
    assert (window.left, window.bottom) == (0, 1080)
    assert window.width >= RULE.least_side * 1920


def test_a_zone_along_the_whole_kerb_gets_two_windows_that_overlap() -> None:
    left, right = plan_windows(HD, INPUT, [rectangle(20, 700, 1900, 760)])
    assert left.left == 0
    assert right.right == 1920
    assert left.right - right.left >= RULE.overlap * 1920 - 1


def test_two_zones_side_by_side_share_a_window() -> None:
    zones = [rectangle(800, 500, 900, 560), rectangle(950, 500, 1050, 560)]
    assert len(plan_windows(HD, INPUT, zones)) == 1


def test_two_zones_far_apart_have_each_their_own() -> None:
    zones = [rectangle(50, 800, 200, 1000), rectangle(1700, 100, 1850, 200)]
    windows = plan_windows(HD, INPUT, zones)
    assert len(windows) == 2
    assert windows[0].top < windows[1].top


def test_the_order_of_zones_does_not_matter() -> None:
    zones = [rectangle(50, 800, 200, 1000), rectangle(1700, 100, 1850, 200), rectangle(800, 500, 900, 560)]
    assert plan_windows(HD, INPUT, zones) == plan_windows(HD, INPUT, zones[::-1])


shares = st.floats(0, 0.95, allow_nan=False)


@given(
    st.tuples(st.integers(64, 4000), st.integers(64, 3000)),
    st.lists(st.tuples(shares, shares, st.floats(0.01, 1), st.floats(0.01, 1)), min_size=1, max_size=6),
)
def test_every_point_of_every_zone_lies_in_a_window_and_every_window_in_the_frame(
    size: tuple[int, int], zones: list[tuple[float, float, float, float]]
) -> None:
    width, height = size
    corners = [
        (x * width, y * height, min(width, (x + w) * width), min(height, (y + h) * height)) for x, y, w, h in zones
    ]
    windows = plan_windows(size, INPUT, [rectangle(*corner) for corner in corners])
    if not windows:
        assert min(INPUT[0] / width, INPUT[1] / height) >= RULE.enough_scale
        return
    assert len(windows) <= RULE.most
    for window in windows:
        assert 0 <= window.left < window.right <= width
        assert 0 <= window.top < window.bottom <= height
    for left, top, right, bottom in corners:
        for x, y in ((left, top), (right, top), (right, bottom), (left, bottom), ((left + right) / 2, bottom)):
            assert any(holds(window, x, y, x, y) for window in windows)
