"""Since when a candidate has stood, in every branch of the question."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.appearance import LookTable
from edge_agent.scene.arrivals import Arrivals
from edge_agent.scene.now import Now
from edge_agent.scene.place import Place, Sighting
from edge_agent.scene.stay import Box, StayState
from tests.edge_agent.synthetic_street import SEEING, Street, standing
from tests.edge_agent.told_street import CAR, RULES

FIRST_S = 30.0
"""When the candidate of these tests is first seen at rest."""
ELSEWHERE: Box = (20.0, 40.0, 80.0, 76.0)
ALWAYS = Street((standing("car", 100, 110, -1, 400),))
"""A street in which the car has stood all along: every frame looks alike."""


def now_at(at_s: float) -> Now:
    return Now(ALWAYS.frame(at_s), SEEING, Detections.empty(), at_s, 1.0, False, None, RULES)


def looked_back(times: Iterable[float] = (), unlooked: Iterable[float] = ()) -> Arrivals:
    arrivals = Arrivals(RULES)
    for at_s, looked in sorted([*((t, True) for t in times), *((t, False) for t in unlooked)]):
        arrivals.remember(now_at(at_s), looked)
    return arrivals


def candidate(*sights: tuple[float, float | None], score: float = 0.36, before: float | None = None) -> Place:
    """A candidate with these sights: time and score, None for a frame in which it was only recognised. ``before`` is
    when it was seen elsewhere, on its way."""
    times = [at_s for at_s, _ in sights]
    first_s = times[0] if before is None else before
    place = Place("", CAR, from_s=first_s, first_seen_s=first_s, last_observed_s=times[-1], open_start=False)
    place.show(LookTable(ALWAYS.frame(FIRST_S).grey), FIRST_S)
    if before is not None:
        place.sightings.append(Sighting(before, ELSEWHERE, score, 1.0, StayState.OBSERVED))
    for at_s, said in sights:
        place.sightings.append(Sighting(at_s, None if said is None else CAR, said or 0.0, 1.0, StayState.OBSERVED))
    place.vote("car", ClassGroup.VEHICLE, score)
    place.best_score = score
    return place


def fair(misses: int, score: float = 0.36) -> tuple[tuple[float, float | None], ...]:
    """Three sights within three seconds, and some frames between them in which it was missed."""
    missed = [(FIRST_S + 0.1 * (n + 1), None) for n in range(misses)]
    return ((FIRST_S, score), *missed, (FIRST_S + 1.5, score), (FIRST_S + 3, score))


def start_of(arrivals: Arrivals, place: Place) -> float | None:
    return arrivals.start_of(place, now_at(place.last_observed_s))


@pytest.mark.parametrize(("times", "stands"), [((30, 31.5, 33), True), ((30, 33), False)])
def test_it_takes_three_sights(times: tuple[float, ...], stands: bool) -> None:
    assert (start_of(looked_back(), candidate(*((at_s, 0.6) for at_s in times), score=0.6)) == FIRST_S) is stands


@pytest.mark.parametrize(("last_s", "stands"), [(FIRST_S + RULES.settle_s, True), (FIRST_S + 2.45, False)])
def test_it_must_have_kept_its_place_for_so_long_to_the_very_frame(last_s: float, stands: bool) -> None:
    place = candidate((30, 0.6), (31, 0.6), (last_s, 0.6), score=0.6)
    assert (start_of(looked_back(), place) is not None) is stands


@pytest.mark.parametrize(("misses", "stands"), [(3, True), (4, False)])
def test_a_fair_score_needs_half_of_the_frames(misses: int, stands: bool) -> None:
    assert (start_of(looked_back(), candidate(*fair(misses))) is not None) is stands


def test_a_frame_that_looked_alike_before_counts_against_it() -> None:
    assert start_of(looked_back([28.0]), candidate(*fair(2))) == 28
    assert start_of(looked_back([28.0]), candidate(*fair(3))) is None


def test_a_frame_just_before_or_after_it_came_to_rest_is_neither_for_nor_against_it() -> None:
    """Arrivals are known to a second: at 29.5 it may have been there, and 30.6 is part of its stay."""
    assert start_of(looked_back([29.5, 30.6]), candidate(*fair(3))) == FIRST_S


def test_a_frame_in_which_it_was_detected_on_its_way_is_not_against_it() -> None:
    assert start_of(looked_back([26.0]), candidate(*fair(3), before=26.0)) == FIRST_S
    assert start_of(looked_back([26.0]), candidate(*fair(3), before=25.0)) is None


def test_frames_that_the_detector_left_out_are_not_against_it_but_date_it_back() -> None:
    assert start_of(looked_back(unlooked=[27.0, 28.0]), candidate(*fair(3))) == 27
    assert start_of(looked_back([27.0, 28.0]), candidate(*fair(3))) is None


def test_what_was_seen_on_its_way_is_not_dated_back_to_a_time_after_that() -> None:
    """At 25.5 its place looked as it does, but at 25 it was seen elsewhere: that was something like it."""
    assert start_of(looked_back([25.5]), candidate(*fair(0), before=25.0)) == FIRST_S
    assert start_of(looked_back([24.0]), candidate(*fair(0), before=25.0)) == 24


def test_without_a_picture_nothing_is_dated_back() -> None:
    place = candidate(*fair(0))
    place.picture = None
    assert start_of(looked_back([27.0, 28.0]), place) == FIRST_S


@pytest.mark.parametrize(("seen_s", "nothing"), [(FIRST_S + 10, True), (FIRST_S, True), (FIRST_S - 1, False)])
def test_a_weak_sight_over_two_neighbours_is_nothing_new_when_they_are_hidden_either(
    seen_s: float, nothing: bool
) -> None:
    """Unless they were lost before it was first seen: then it may have come in their place."""
    between = candidate((FIRST_S, 0.45), (FIRST_S + 10, 0.45), score=0.45)
    neighbours = []
    for box in ((60.0, 74.0, 130.0, 110.0), (130.0, 74.0, 200.0, 110.0)):
        neighbour = Place("", box, from_s=5, first_seen_s=5, last_observed_s=seen_s, open_start=False, standing=True)
        neighbour.vote("car", ClassGroup.VEHICLE, 0.5)
        neighbour.best_score = 0.5
        neighbours.append(neighbour)
    now = now_at(FIRST_S + 10)
    assert Arrivals(RULES).nothing_new(between, FIRST_S, [between, *neighbours], now) is nothing


@pytest.mark.parametrize(("noticed_s", "came"), [(30.0, True), (33.0, False)])
def test_frames_since_it_was_first_seen_do_not_say_that_it_was_there_before(noticed_s: float, came: bool) -> None:
    """It stands from 30 s on, and its boxes agree from 33 s on."""
    street, arrivals = Street((standing("car", 100, 110, 30, 400),)), Arrivals(RULES)
    for at_s in range(20, 36):
        now = Now(street.frame(at_s), SEEING, Detections.empty(), at_s, 1.0, False, None, RULES)
        arrivals.remember(now, looked=True)
    place = candidate((noticed_s, 0.6), (36.0, 0.6))
    place.show(LookTable(street.frame(36).grey), 36.0)
    assert arrivals.came(place, 33.0, 4.0) is came
