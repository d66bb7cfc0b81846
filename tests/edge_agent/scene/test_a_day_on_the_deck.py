"""A whole day before one passage: nothing that stands is forgotten, light is no thing, and memory stays as it was."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest

from edge_agent.scenarios.moment import Passage
from edge_agent.scene.passage_meter import PassageMeter
from tests.edge_agent.scene.day_on_the_deck import DAY_S, HOUR_S, THINGS, Day, Sight
from tests.edge_agent.scene.made_deck import SEEING, SIZE, ZONE, calibration, frame

pytestmark = pytest.mark.timeout(600)
PERIOD_S = 12.0
SETTLES_S = 4 * PERIOD_S
"""After a change a thing is believed, or let go, in so many pictures."""


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """One moment of the day and what was made of it."""

    sight: Sight
    passage: Passage

    @property
    def settled(self) -> bool:
        """Nothing has come or gone lately."""
        at_s = self.sight.at_s
        return at_s > SETTLES_S and not any(
            0 <= at_s - edge_s < SETTLES_S for thing in THINGS for edge_s in (thing.from_s, thing.to_s)
        )


@pytest.fixture(scope="module")
def day() -> tuple[list[Measured], dict[float, int]]:
    """Every measured moment, and how many bytes the meter kept at some hours."""
    made, meter = Day(), PassageMeter(ZONE, calibration(), SIZE)
    seen: list[Measured] = []
    kept_bytes: dict[float, int] = {}
    for step in range(int(DAY_S / PERIOD_S)):
        sight = made.sight(step * PERIOD_S)
        closer = sight.closer
        passage = meter.measure(frame(sight.image, sight.at_s), SEEING, sight.people, (), lambda _, it=closer: it)
        seen.append(Measured(sight, passage))
        if sight.at_s % (4 * HOUR_S) < PERIOD_S:
            kept_bytes[sight.at_s] = len(pickle.dumps(meter))
    return seen, kept_bytes


def test_what_stands_for_hours_is_measured_until_it_is_taken(day: tuple[list[Measured], dict[float, int]]) -> None:
    for thing in THINGS:
        while_it_stood = [each for each in day[0] if each.settled and thing.stands(each.sight.at_s)]
        widths = [each.passage.clear_width.width_m for each in while_it_stood]
        known = [width_m for width_m in widths if width_m is not None]
        assert len(known) > 0.9 * len(widths)
        assert known == pytest.approx([thing.width_m] * len(known), abs=0.15)


def test_light_shadows_rain_and_people_never_narrow_the_deck(day: tuple[list[Measured], dict[float, int]]) -> None:
    empty = [each for each in day[0] if each.settled and each.sight.width_m == 4.0]
    narrow = [each for each in empty if (each.passage.at_most_m or 4.0) < 3.9]
    assert len(narrow) <= 0.005 * len(empty), [each.sight.at_s / HOUR_S for each in narrow]
    assert min(each.passage.at_most_m or 4.0 for each in empty) > 1.8 + 1.0
    assert sum(each.passage.clear_width.width_m is None for each in empty) <= 0.03 * len(empty)


def test_the_meter_keeps_no_more_in_the_evening_than_in_the_morning(
    day: tuple[list[Measured], dict[float, int]],
) -> None:
    kept_bytes = list(day[1].values())
    assert len(kept_bytes) == 6
    assert max(kept_bytes[1:]) <= 1.02 * min(kept_bytes[1:]) + 50_000
