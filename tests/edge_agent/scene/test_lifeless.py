"""A thing that the detector takes for a person is told by that nothing moves in it; people who wait are left alone."""

from __future__ import annotations

import numpy as np

from edge_agent.detection.detections import Detections
from tests.edge_agent.scene.made_deck import Deck, detected, person
from tests.edge_agent.scene.watched_deck import CRATE, Watch, width

WEAK = 0.35


def as_person(score: float) -> Detections:
    return detected(CRATE[0], score=score)


def test_a_crate_that_is_taken_for_a_person_again_and_again_is_a_thing() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    for _ in range(15):
        passage = watch.show(deck.picture(CRATE), 1, as_person(WEAK))
    assert abs(width(passage) - 2.5) <= 0.1
    assert passage.standing_people == 0


def test_who_is_surely_detected_is_somebody_even_if_nothing_is_seen_to_move() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    for _ in range(30):
        passage = watch.show(deck.picture(CRATE), 1, as_person(0.8))
    assert width(passage) > 3.9


def test_somebody_who_waits_and_shifts_his_weight_is_no_thing() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    for second in range(40):
        body = person(2.0 + 0.05 * (second % 3), 9.0)
        coat = (60, 40, 160) if second % 2 else (80, 60, 190)
        passage = watch.show(deck.picture((body, coat)), 1, detected(person(2.05, 9.0), score=WEAK))
        assert width(passage) > 3.9


def test_it_stays_a_thing_while_somebody_passes_before_it() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8)
    for _ in range(15):
        watch.show(deck.picture(CRATE), 1, as_person(WEAK))
    for step in range(5):
        walker = person(0.3 + 0.7 * step, 8.0)
        both = detected(CRATE[0], walker)
        weak = Detections(both.boxes, np.array([WEAK, 0.8], np.float32), both.class_names, both.groups)
        watch.show(deck.picture(CRATE, (walker, (60, 40, 160))), 1, weak)
    passage = watch.show(deck.picture(CRATE), 1, as_person(WEAK))
    assert abs(width(passage) - 2.5) <= 0.1
