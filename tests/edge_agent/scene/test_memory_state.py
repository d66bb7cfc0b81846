"""What scene memory keeps through a restart."""

from __future__ import annotations

import json
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import pytest

from edge_agent.scene.memory_state import dump_place, load_place
from edge_agent.scene.place import Place
from tests.edge_agent.synthetic_street import Eye, Street, passing, standing, steps, watch


@cache
def remembered() -> list[Place]:
    """Places of every sort: standing, hidden, a candidate."""
    street = Street(
        (
            standing("car", 40, 110, 2, 900),
            standing("hidden", 180, 110, 4, 900, seed=5),
            standing("new", 100, 110, 38.5, 900, seed=6),
            passing("bus", 150, 36, 8, size=(140, 80), class_name="bus", seed=3),
        ),
        Eye(miss=0.3, jitter_px=0.5, swap=0.2),
    )
    places = watch(street, steps(0, 40)).memory.places
    assert {place.standing for place in places} == {True, False}
    return places


def test_a_place_comes_back_as_it_was() -> None:
    for place in remembered():
        again = load_place(json.loads(json.dumps(dump_place(place))))
        for field in fields(Place):
            was, now = getattr(place, field.name), getattr(again, field.name)
            if field.name == "picture":
                assert np.abs(was - now).max() <= 0.5
            elif field.name == "sightings":
                assert [(s.at_s, s.score, s.elapsed_s, s.state) for s in was] == [
                    (s.at_s, s.score, s.elapsed_s, s.state) for s in now
                ]
                assert [s.box for s in was] == [s.box for s in now]
                assert now.maxlen == was.maxlen
            elif field.name == "album":
                assert [look.box for look in now] == [look.box for look in was]
                for look, again_look in zip(was, now, strict=True):
                    assert np.abs(look.picture - again_look.picture).max() <= 0.5
            else:
                assert now == was, field.name


def test_keeping_it_twice_changes_nothing_more() -> None:
    for place in remembered():
        once = load_place(json.loads(json.dumps(dump_place(place))))
        assert dump_place(load_place(dump_place(once))) == dump_place(once)


@pytest.mark.parametrize(
    "damage",
    [
        {"box": [1, 2, 3]},
        {"box": None},
        {"pictured_box": [1, 2]},
        {"state": "asleep"},
        {"group_votes": {"spaceship": 1.0}},
        {"votes": None},
        {"sightings": [[1.0, [0, 0, 1, 1], 0.5]]},
        {"picture": "bm90IGEgcGljdHVyZQ=="},
        {"picture": ""},
        {"album": [["", [0, 0, 9, 9]]]},
        {"album": [["bm90IGEgcGljdHVyZQ==", [0, 0, 9, 9]]]},
        {"album": [[None]]},
        {"album": 3},
        {"from_s": "yesterday"},
        {"misses": "many"},
        {"misses": None},
        {"standing": 1},
        {"missing_since_s": "noon"},
        {"observed_s": True},
    ],
)
def test_damaged_state_is_refused(damage: dict[str, Any]) -> None:
    state = dump_place(remembered()[0]) | damage
    with pytest.raises((KeyError, TypeError, ValueError)):
        load_place(state)


def test_state_without_a_field_is_refused() -> None:
    whole = dump_place(remembered()[0])
    for name in whole.keys() - {"pictured_box", "came", "album"}:
        state = {other: value for other, value in whole.items() if other != name}
        with pytest.raises(KeyError):
            load_place(state)


def test_a_place_kept_before_it_had_an_album_can_be_read() -> None:
    state = dump_place(remembered()[0])
    assert state["album"]
    del state["album"]
    assert len(load_place(state).album) == 0


def test_a_place_kept_before_its_picture_had_a_box_of_its_own_can_be_read() -> None:
    state = dump_place(remembered()[0])
    del state["pictured_box"]
    assert load_place(state).pictured_box is None


def test_a_place_is_small_enough_to_keep_hundreds() -> None:
    assert all(len(json.dumps(dump_place(place))) < 8000 for place in remembered())
