"""A thing is where it touches the ground, not where its box has its middle."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import Polygon

from edge_agent.scenarios.ground_contact import share_in

BAY = Polygon([(0, 60), (200, 60), (200, 100), (0, 100)])


def test_a_car_whose_foot_is_in_the_bay_is_in_it_though_its_roof_is_not() -> None:
    assert share_in(BAY, (50, 20, 110, 95)) == pytest.approx(1.0)


def test_a_car_beyond_the_bay_is_not_in_it_though_its_box_reaches_over() -> None:
    assert share_in(BAY, (50, 80, 110, 140)) == 0.0


def test_a_car_half_way_in_has_half_its_share() -> None:
    assert share_in(BAY, (170, 40, 230, 90)) == pytest.approx(0.5)


def test_the_lower_corners_of_a_box_show_road_and_do_not_count() -> None:
    assert share_in(BAY, (195, 40, 295, 90)) == 0.0


def test_a_box_without_area_touches_nothing() -> None:
    assert share_in(BAY, (50, 70, 50, 90)) == 0.0
    assert share_in(BAY, (50, 90, 110, 70)) == 0.0


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(1, 200), st.floats(1, 200))
def test_a_share_is_a_share_wherever_the_box_lies(x: float, y: float, width: float, height: float) -> None:
    assert 0.0 <= share_in(BAY, (x, y, x + width, y + height)) <= 1.0 + 1e-9
