"""The agent on made footbridges of seeds that nothing was tuned on: what stands there is found, measured and let go."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from edge_agent.evaluation.commands import evaluate
from tests.made_bridges.bridge import Bridge
from tests.made_bridges.people import Walker, walkers
from tests.made_bridges.suite import write_suite

pytestmark = [pytest.mark.footage, pytest.mark.timeout(600)]

SEEDS = {100: 1, 103: 0}
"""Seeds and how many incidents each holds: boards that are left and taken, and somebody who waits for a minute."""
MEAN_M, WORST_M = 0.10, 0.30


@pytest.fixture(scope="module")
def people(footage: Path) -> list[Walker]:
    """Cut out of a recording."""
    return walkers(footage, ("B1_footbridge_narrowing", "B2_footbridge_stall"))


@pytest.fixture(scope="module")
def scores(people: list[Walker], tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, Any]]:
    suite = write_suite(tmp_path_factory.mktemp("bridges"), SEEDS, people)
    done = CliRunner().invoke(evaluate, [str(suite), "--json"])
    assert done.exit_code == 0, done.stderr
    return dict(zip(SEEDS, json.loads(done.stdout)["clips"], strict=True))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_bridge_that_was_never_seen_before_is_measured(scores: dict[int, dict[str, Any]], seed: int) -> None:
    score = scores[seed]
    assert (score["expected"], score["found"]) == (SEEDS[seed], SEEDS[seed])
    assert (score["false"], score["duplicates"]) == (0, 0)
    assert score["width_error_mean_m"] <= MEAN_M
    assert score["width_error_worst_m"] <= WORST_M


def test_a_seed_makes_the_same_scene_again(people: list[Walker]) -> None:
    first, again = (Bridge.of(100, people) for _ in range(2))
    assert first.section() == again.section()
    assert np.array_equal(first.picture(15.0), again.picture(15.0))
    assert not np.array_equal(first.picture(15.0), first.picture(5.0))


@pytest.mark.parametrize(("view", "seed"), [("beside", 6), ("cut", 2), ("recorded", 0), ("recorded", 5)])
def test_a_view_shows_the_whole_zone_and_its_truth(people: list[Walker], view: str, seed: int) -> None:
    """Through a railing, which hides a part of what stands behind it, with a deck that the picture cuts, and on
    recorded ground."""
    bridge = Bridge.of(seed, people, view)
    (zone,) = bridge.section()["zones"]
    polygon = np.array(zone["polygon"])
    assert (polygon >= -0.01).all()
    assert (polygon <= np.array(bridge.eye.size) + 0.01).all()
    visible: dict[int, float] = {}
    bridge.picture(max(thing.from_s for thing in bridge.story.things) + 5.0, visible)
    if view == "beside":
        assert 0.3 < min(visible.values()) < 0.95
    elif view == "cut":
        assert polygon[:, 1].max() > bridge.eye.size[1] - 1
    assert bridge.width_m(0.0) > bridge.width_m(bridge.story.things[-1].from_s + 1.0)


def test_on_recorded_ground_a_thing_is_put_down_among_recorded_walkers(people: list[Walker]) -> None:
    bridge = Bridge.of(0, people, "recorded")
    assert bridge.recording is not None
    thing = bridge.story.things[0]
    recorded, made = bridge.recording.picture(thing.from_s + 5.0), bridge.picture(thing.from_s + 5.0)
    added = np.abs(made - recorded).max(axis=2) > 40
    x, y = (int(v) for v in bridge.eye.on_ground(np.array([thing.place.footprint.centroid.coords[0]]))[0])
    assert added[y, x]
    assert added.mean() < 0.1
    walkers_there = bridge.recording.movers(recorded, bridge.eye)
    assert len(walkers_there) >= 3
    assert all(away > 5 for away, _ in walkers_there)
