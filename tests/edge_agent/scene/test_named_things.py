"""A change that light could explain is a thing if the detector sees one there, and did not before."""

from __future__ import annotations

from dataclasses import replace

from edge_agent.detection.detections import ClassGroup, Detections
from tests.edge_agent.scene.made_deck import Deck, cuboid, detected
from tests.edge_agent.scene.watched_deck import Watch, width

DARK = [(0.1, 9.0), (1.5, 9.0), (1.5, 10.4), (0.1, 10.4)]
"""A plain dark thing as seen from above: to the pixel a shadow."""
BARE_M = 3.9


def as_suitcase(score: float = 0.3) -> Detections:
    seen = detected(cuboid(0.1, 9.0, 1.4, 1.4, 0.02), score=score)
    return replace(seen, class_names=("suitcase",), groups=(ClassGroup.OBJECT,))


def test_a_dark_change_is_a_shadow_until_it_is_seen_as_a_suitcase() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 5)
    dark = deck.picture(shadows=(DARK,))
    assert width(watch.show(dark, 4)) > BARE_M
    watch.show(dark, 1, as_suitcase(0.22))
    assert width(watch.show(dark, 3)) > BARE_M, "once weakly may be a mistake"
    watch.show(dark, 1, as_suitcase(0.22))
    assert width(watch.show(dark, 3)) < 3.0, "twice weakly is enough while it looks the same"


def test_it_is_gone_when_the_ground_shows_again() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 5)
    assert width(watch.show(deck.picture(shadows=(DARK,)), 5, as_suitcase())) < 3.0
    assert width(watch.show(deck.picture(), 5)) > BARE_M


def test_a_weak_detection_says_nothing() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 5)
    assert width(watch.show(deck.picture(shadows=(DARK,)), 5, as_suitcase(0.19))) > BARE_M


def test_a_shadow_on_what_has_been_taken_for_a_suitcase_all_along_is_a_shadow() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 8, as_suitcase())
    assert width(watch.show(deck.picture(shadows=(DARK,)), 5, as_suitcase())) > BARE_M
