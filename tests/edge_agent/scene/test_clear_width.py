"""The clear width is the widest disc that passes, exactly, whatever stands in the way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.affinity import rotate, translate
from shapely.geometry import LineString, Point, Polygon, box

from edge_agent.scene.clear_width import Corridor, CorridorError, clear_path, clear_width
from tests.edge_agent.scene.raster_width import CELL_M, raster_width

DECK = Corridor.between(
    [(0.0, 0.0), (20.0, 0.0), (20.0, 4.0), (0.0, 4.0)],
    [((0.0, 0.0), (0.0, 4.0)), ((20.0, 0.0), (20.0, 4.0))],
)


def test_an_empty_deck_is_as_wide_as_it_is() -> None:
    assert clear_width(DECK, []).width_m == pytest.approx(4.0)


def test_a_box_at_the_wall_leaves_the_rest() -> None:
    found = clear_width(DECK, [box(8, 0, 9, 1.3)])
    assert found.width_m == pytest.approx(2.7)
    (ax, ay), (bx, by) = found.narrowest_m
    assert {round(ay, 6), round(by, 6)} == {1.3, 4.0}
    assert 8 <= ax <= 9
    assert 8 <= bx <= 9


def test_a_box_in_the_middle_leaves_its_wider_side() -> None:
    assert clear_width(DECK, [box(8, 1, 9, 1.8)]).width_m == pytest.approx(2.2)


def test_boxes_one_behind_the_other_leave_the_slanted_gap_between_them() -> None:
    staggered = [box(8, 0, 9, 2.5), box(10, 1.5, 11, 4)]
    assert clear_width(DECK, staggered).width_m == pytest.approx(1.0)
    further = [box(8, 0, 9, 2.5), box(9.6, 3.3, 11, 4)]
    assert clear_width(DECK, further).width_m == pytest.approx(1.0)
    slanted = [box(8, 0, 9, 2.5), box(9.3, 2.9, 11, 4)]
    assert clear_width(DECK, slanted).width_m == pytest.approx(0.5)


def test_the_better_of_two_ways_counts() -> None:
    island = [box(8, 1.5, 9, 2.0), box(8.2, 0, 8.8, 0.4)]
    assert clear_width(DECK, island).width_m == pytest.approx(2.0)


def test_a_round_thing_is_measured_to_its_edge() -> None:
    disc = Point(10, 2.0).buffer(0.75, quad_segs=64)
    assert clear_width(DECK, [disc]).width_m == pytest.approx(1.25, abs=1e-3)


def test_a_barrier_from_wall_to_wall_leaves_nothing() -> None:
    assert clear_width(DECK, [box(8, -1, 9, 5)]).width_m == 0.0


def test_things_that_touch_act_as_one() -> None:
    assert clear_width(DECK, [box(8, 0, 9, 2), box(8.5, 2, 9.5, 3.4)]).width_m == pytest.approx(0.6)


def test_what_stands_outside_does_not_matter() -> None:
    assert clear_width(DECK, [box(8, 4.5, 9, 5.5), box(21, 0, 22, 4)]).width_m == pytest.approx(4.0)


def test_a_bent_passage_is_as_wide_as_its_narrowest_part() -> None:
    corners = [(0.0, 0.0), (10.0, 0.0), (10.0, 10.0), (7.5, 10.0), (7.5, 3.0), (0.0, 3.0)]
    bend = Corridor.between(corners, [((0.0, 0.0), (0.0, 3.0)), ((10.0, 10.0), (7.5, 10.0))])
    assert clear_width(bend, []).width_m == pytest.approx(2.5)


def test_ends_may_be_given_in_any_order_and_a_little_beside_the_border() -> None:
    corners = [(0.0, 0.0), (20.0, 0.0), (20.0, 4.0), (0.0, 4.0)]
    for ends in (
        [((20.02, 3.99), (20.01, 0.02)), ((-0.02, 0.01), (0.0, 3.98))],
        [((0.0, 4.0), (0.0, 0.0)), ((20.0, 0.0), (20.0, 4.0))],
    ):
        assert clear_width(Corridor.between(corners, ends), []).width_m == pytest.approx(4.0, abs=0.05)


def test_ends_that_cross_are_refused() -> None:
    corners = [(0.0, 0.0), (20.0, 0.0), (20.0, 4.0), (0.0, 4.0)]
    with pytest.raises(CorridorError, match="cross each other"):
        Corridor.between(corners, [((0.0, 0.0), (20.0, 4.0)), ((20.0, 0.0), (0.0, 4.0))])
    with pytest.raises(CorridorError, match="no length"):
        Corridor.between(corners, [((0.0, 0.0), (0.0, 0.0)), ((20.0, 0.0), (20.0, 4.0))])


def test_the_path_goes_from_end_to_end_clear_of_everything() -> None:
    things = [box(5, 0, 6, 2.4), box(10, 1.4, 11, 4), box(14, 0, 15, 1)]
    width_m = clear_width(DECK, things).width_m
    path = LineString(clear_path(DECK, things, width_m))
    assert path.distance(DECK.ends[0]) < 0.3
    assert path.distance(DECK.ends[1]) < 0.3
    assert min(path.distance(thing) for thing in things) > width_m / 2 - 0.3


def test_a_blocked_passage_has_no_path() -> None:
    assert clear_path(DECK, [box(8, -1, 9, 5)], 0.0) == ()


@st.composite
def things(draw: st.DrawFn) -> Polygon:
    x, y = draw(st.floats(0.5, 19.5)), draw(st.floats(-0.2, 4.2))
    length, width = draw(st.floats(0.15, 2.0)), draw(st.floats(0.15, 1.2))
    turned = rotate(box(-length / 2, -width / 2, length / 2, width / 2), draw(st.floats(0, 180)))
    return translate(turned, x, y)


@settings(max_examples=80, deadline=None)
@given(st.lists(things(), max_size=6))
def test_it_agrees_with_the_raster_to_within_its_cells(footprints: list[Polygon]) -> None:
    exact = clear_width(DECK, footprints).width_m
    # A raster cell on each side of the gap, and no finer than a diagonal.
    assert raster_width(DECK, footprints) == pytest.approx(exact, abs=2 * CELL_M * np.sqrt(2))


@settings(max_examples=150, deadline=None)
@given(st.lists(things(), max_size=6), things())
def test_one_thing_more_never_makes_it_wider(footprints: list[Polygon], added: Polygon) -> None:
    before = clear_width(DECK, footprints).width_m
    assert clear_width(DECK, [*footprints, added]).width_m <= before + 1e-9


@settings(max_examples=60, deadline=None)
@given(st.lists(things(), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_things_does_not_matter(footprints: list[Polygon], shuffler) -> None:  # type: ignore[no-untyped-def]
    mixed = list(footprints)
    shuffler.shuffle(mixed)
    assert clear_width(DECK, mixed).width_m == pytest.approx(clear_width(DECK, footprints).width_m, abs=1e-9)
