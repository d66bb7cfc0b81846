"""How large things are where they stand in the picture."""

from __future__ import annotations

import pytest

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.stay import Box
from edge_agent.scene.usual_size import UsualSizes
from tests.edge_agent.told_street import RULES, cars


def learned(count: int, box: Box = (0.0, 60.0, 60.0, 100.0), score: float = 0.7) -> UsualSizes:
    sizes = UsualSizes(RULES)
    for _ in range(count):
        seen = cars([(box, score)])
        sizes.learn(seen, seen.boxes)
    return sizes


def scaled(factor: float) -> Box:
    return 100.0, 100 - 40 * factor, 100 + 60 * factor, 100.0


@pytest.mark.parametrize(("factor", "odd"), [(0.3, True), (0.4, False), (1.0, False), (2.5, False), (3.2, True)])
def test_a_size_is_odd_when_it_is_far_from_what_was_seen_there(factor: float, odd: bool) -> None:
    assert learned(RULES.size_samples).odd(scaled(factor), ClassGroup.VEHICLE, 180) is odd


def test_it_takes_several_sure_sights_to_know_a_size() -> None:
    assert not learned(RULES.size_samples - 1).odd(scaled(5), ClassGroup.VEHICLE, 180)
    assert not learned(50, score=RULES.sure_score - 0.01).odd(scaled(5), ClassGroup.VEHICLE, 180)


def test_sizes_are_known_for_a_group_and_a_height_in_the_picture() -> None:
    sizes = learned(20)
    assert not sizes.odd(scaled(5), ClassGroup.CYCLE, 180)
    nearer = (100.0, 120 - 200.0, 400.0, 100 + RULES.size_band * 180 + 1)
    assert not sizes.odd(nearer, ClassGroup.VEHICLE, 180)
    assert sizes.odd(nearer, ClassGroup.VEHICLE, 360)


def test_an_odd_sight_among_many_does_not_change_what_is_usual() -> None:
    sizes = learned(20)
    seen = cars([((0.0, 0.0, 600.0, 100.0), 0.9)])
    sizes.learn(seen, seen.boxes)
    assert sizes.odd(scaled(5), ClassGroup.VEHICLE, 180)
    assert not sizes.odd(scaled(1), ClassGroup.VEHICLE, 180)
