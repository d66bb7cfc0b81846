"""What people who stand before a thing hide of it: its width is bounded, not guessed, until its ends have been seen."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.scenarios.moment import Passage
from tests.edge_agent.scene.made_deck import Deck, cuboid, detected, person
from tests.edge_agent.scene.watched_deck import CRATE, Watch, width

BENCH = (cuboid(0.1, 9.0, 2.4, 0.8, 0.9), (40, 90, 190))
"""Leaves 1.5 m of 4 m."""
BOARD = (cuboid(0.85, 15.5, 0.5, 0.3, 2.6), (40, 90, 190))
COAT = (50, 50, 90)


def put_down(thing: tuple[np.ndarray, tuple[int, int, int]], *people: np.ndarray, seconds: int = 6) -> list[Passage]:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    picture = deck.picture(thing, *((body, COAT) for body in people))
    return [watch.show(picture, 1, detected(*people)) for _ in range(seconds)]


def test_a_thing_beside_somebody_who_hides_its_end_is_no_measured_width() -> None:
    carrier = person(2.4, 8.7)
    for passage in put_down(BENCH, carrier)[2:]:
        assert passage.clear_width.width_m is None
        assert passage.at_least_m is not None
        assert passage.at_least_m <= 1.6
        assert passage.at_most_m is not None
        assert passage.at_most_m >= 1.7


def test_what_is_seen_above_somebody_does_not_stand_beyond_the_deck() -> None:
    seen = put_down(BOARD, person(1.15, 13.5), seconds=5)
    assert all(passage.clear_width.width_m is None for passage in seen[1:])


def test_it_is_measured_once_who_hid_it_has_gone() -> None:
    deck, watch, carrier = Deck(), Watch(), person(2.4, 8.7)
    watch.show(deck.picture(), 8)
    watch.show(deck.picture(BENCH, (carrier, COAT)), 4, detected(carrier))
    assert width(watch.show(deck.picture(BENCH), 4)) == pytest.approx(1.5, abs=0.2)


def test_who_comes_to_stand_before_a_thing_whose_ends_were_seen_changes_nothing() -> None:
    deck, watch, waiting = Deck(), Watch(), person(1.6, 8.7)
    watch.show(deck.picture(), 8)
    known = width(watch.show(deck.picture(CRATE), 5))
    for _ in range(6):
        passage = watch.show(deck.picture(CRATE, (waiting, COAT)), 1, detected(waiting))
        assert width(passage) == pytest.approx(known, abs=0.01)


def test_who_stands_behind_a_thing_hides_none_of_it() -> None:
    seller = person(0.7, 11.0)
    assert width(put_down(CRATE, seller)[-1]) == pytest.approx(2.5, abs=0.12)


def test_who_stands_before_it_for_long_is_no_longer_waited_for() -> None:
    seen = put_down(BENCH, person(2.4, 8.7), seconds=14)
    assert seen[-1].clear_width.width_m is not None
