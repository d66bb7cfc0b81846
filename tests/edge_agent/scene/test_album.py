"""The looks of one thing."""

from __future__ import annotations

import numpy as np

from edge_agent.scene.album import ANOTHER_LOOK, LOOKS_KEPT, Album, Portrait
from edge_agent.scene.appearance import LookTable
from edge_agent.scene.stay import Box
from tests.edge_agent.synthetic_street import Street, standing

PLACE: Box = (100.0, 74.0, 160.0, 110.0)
SURE = 0.83


def table(*seeds: int) -> LookTable:
    """Things of these looks, one before the other, each 20 px nearer to the camera."""
    things = [standing(f"{n}", 100, 110 + 21 * n, -1, 99, seed=seed) for n, seed in enumerate(seeds)]
    return LookTable(Street(tuple(things)).frame(10).grey)


def album(*seeds: int) -> Album:
    looks = Album()
    for seed in seeds:
        shown = table(seed)
        picture = shown.picture(PLACE)
        assert picture is not None
        looks.add(Portrait(picture, PLACE), shown)
    return looks


def test_an_empty_album_knows_nothing() -> None:
    assert Album().likeness(table(1), SURE) == Album().upper_likeness(table(1), SURE) == 0


def test_any_of_its_looks_is_recognised_and_another_is_not() -> None:
    looks = album(1, 2, 3)
    assert all(looks.likeness(table(seed), SURE) > SURE for seed in (1, 2, 3))
    assert looks.likeness(table(9), SURE) < 0.65


def test_a_look_that_it_has_is_not_kept_twice() -> None:
    assert len(album(1, 1, 1)) == 1
    assert len(album(1, 2, 1, 2)) == 2
    assert ANOTHER_LOOK < 1


def test_it_is_bounded_and_the_oldest_look_goes_first() -> None:
    looks = album(*range(1, LOOKS_KEPT + 2))
    assert len(looks) == LOOKS_KEPT
    assert looks.likeness(table(1), SURE) < SURE < looks.likeness(table(LOOKS_KEPT + 1), SURE)


def test_what_shows_above_something_nearer_is_recognised_by_its_upper_part() -> None:
    looks, half_hidden = album(1), table(1, 7)
    assert looks.likeness(half_hidden, SURE) < SURE < looks.upper_likeness(half_hidden, SURE)
    assert looks.upper_likeness(table(8, 7), SURE) < 0.65


def test_what_is_too_low_to_be_told_by_half_is_not() -> None:
    low: Box = (100.0, 100.0, 160.0, 110.0)
    shown = table(1)
    picture = shown.picture(low)
    assert picture is not None
    looks = Album()
    looks.keep(Portrait(picture, low))
    assert looks.likeness(shown, SURE) > SURE
    assert looks.upper_likeness(shown, SURE) == 0


def test_pictures_without_any_texture_are_like_nothing() -> None:
    looks = Album()
    looks.keep(Portrait(np.full((20, 30), 90, np.float32), PLACE))
    assert looks.likeness(table(1), SURE) == looks.upper_likeness(table(1), SURE) == 0
