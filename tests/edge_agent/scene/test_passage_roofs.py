"""A roof on posts too thin to be seen belongs to what stands under it, and not to the ground behind."""

from __future__ import annotations

import numpy as np

from tests.edge_agent.scene.made_deck import Deck, cuboid
from tests.edge_agent.scene.watched_deck import Watch, width

COUNTER = (cuboid(0.4, 9.1, 1.4, 0.6, 0.9), (40, 90, 190))
ROOF = (cuboid(0.3, 9.0, 1.6, 1.1, 0.2) + np.array([0, 0, 2.0]), (150, 60, 40))
BEHIND = (cuboid(0.4, 13.0, 1.4, 0.8, 0.7), (150, 60, 40))


def test_a_stall_is_one_thing_where_its_counter_stands() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    passage = watch.show(deck.picture(COUNTER, ROOF), 8)
    assert len(passage.obstacles) == 1
    assert abs(width(passage) - 2.1) <= 0.2


def test_what_comes_to_stand_behind_it_later_is_another_thing() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    watch.show(deck.picture(COUNTER), 10)
    passage = watch.show(deck.picture(COUNTER, BEHIND), 8)
    assert len(passage.obstacles) == 2


def test_what_is_higher_up_than_any_roof_stands_behind() -> None:
    deck, watch = Deck(), Watch()
    near = (cuboid(0.4, 5.8, 1.4, 0.5, 0.4), (40, 90, 190))
    far = (cuboid(0.4, 15.5, 1.4, 0.8, 0.7), (150, 60, 40))
    watch.show(deck.picture(), 8)
    passage = watch.show(deck.picture(near, far), 8)
    assert len(passage.obstacles) == 2
