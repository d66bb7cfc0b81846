"""Change that keeps its place is in doubt before it is known; what walks, or stays strange for ever, is not."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.scene.patch import Patch
from edge_agent.scene.unexplained import Unexplained

SHAPE = (120, 160)
NOBODY = np.zeros(SHAPE, bool)


def at(x: int, y: int = 40, width: int = 20, height: int = 30) -> Patch:
    return Patch(x, y, np.ones((height, width), bool))


def hidden(region: Patch) -> np.ndarray:
    mask = NOBODY.copy()
    region.add_to(mask)
    return mask


@pytest.mark.parametrize("period_s", [0.25, 0.5, 1.0, 2.0])
def test_what_keeps_its_place_is_in_doubt_from_the_second_look_on(period_s: float) -> None:
    unexplained = Unexplained()
    doubted = [bool(unexplained.observe([at(50)], NOBODY, step * period_s)) for step in range(int(4 / period_s))]
    assert not doubted[0]
    assert doubted == [step * period_s >= 0.8 for step in range(len(doubted))]


def test_what_walks_is_not_in_doubt() -> None:
    unexplained = Unexplained()
    assert not any(unexplained.observe([at(10 + 12 * step)], NOBODY, float(step)) for step in range(8))


def test_what_comes_nearer_is_not_in_doubt_though_it_covers_where_it_was() -> None:
    unexplained = Unexplained()
    for step in range(8):
        assert not unexplained.observe([at(50, 20 + 5 * step)], NOBODY, float(step))


def test_who_passes_before_it_does_not_make_it_another() -> None:
    unexplained = Unexplained()
    assert not unexplained.observe([at(50)], NOBODY, 0.0)
    passer = at(60, 10, 30, 80)
    assert unexplained.observe([at(50, width=10)], hidden(passer), 1.0)


def test_what_stays_strange_for_long_is_no_longer_in_doubt() -> None:
    unexplained = Unexplained()
    doubted = [bool(unexplained.observe([at(50)], NOBODY, float(step))) for step in range(20)]
    assert doubted[1:9] == [True] * 8
    assert not any(doubted[9:])
