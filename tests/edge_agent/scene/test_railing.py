"""A railing between the camera and the passage cuts what is behind it into pieces: it stays one thing, in its place."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edge_agent.config import PassageZone
from edge_agent.scenarios.moment import Passage
from edge_agent.scene.clear_width import Corridor
from edge_agent.scene.passage_meter import PassageMeter
from edge_agent.scene.pose import Pose
from edge_agent.scene.railing import Railing
from edge_agent.scene.stay import Box
from edge_agent.scene.upright import Upright
from edge_agent.scene.zone_crop import ZoneCrop
from tests.edge_agent.scene.made_deck import (
    SIZE,
    ZONE,
    Deck,
    calibration,
    cuboid,
    detected,
    on_ground,
    person,
    project,
)
from tests.edge_agent.scene.watched_deck import Watch, width

ACROSS_M = ((0.0, 6.0), (4.0, 6.0), (4.0, 12.0), (0.0, 12.0))
ACROSS_PX = tuple((float(x), float(y)) for x, y in on_ground(list(ACROSS_M)))
ACROSS = replace(ZONE, polygon=ACROSS_PX, ends=((ACROSS_PX[0], ACROSS_PX[3]), (ACROSS_PX[1], ACROSS_PX[2])))
"""A passage that people cross from left to right: the camera looks at it from beyond its near wall."""
PAINT = (200, 205, 210)
BOX_M = (1.5, 6.4, 1.0, 0.9, 0.8)
"""Near left corner, width, length and height of what stands behind the railing: it leaves 4.7 m of 6."""


def bar(z: float, thick: float) -> tuple[np.ndarray, tuple[int, int, int]]:
    """A rail along the near wall, ``z`` above the deck."""
    return cuboid(-1.0, 5.9, 6.0, 0.06, thick) + np.array([0, 0, z]), PAINT


def posts(apart_m: float, thick_m: float) -> list[tuple[np.ndarray, tuple[int, int, int]]]:
    return [(cuboid(x, 5.9, thick_m, 0.06, 1.1), PAINT) for x in np.arange(-1.0, 5.0, apart_m)]


STILL = Pose.shifted((0.0, 0.0))
POST = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (17, 17))
RAILINGS = {
    "a handrail on posts": [bar(1.02, 0.08), *posts(0.8, 0.06)],
    "bars": [bar(1.02, 0.08), bar(0.3, 0.04), bar(0.55, 0.04), bar(0.8, 0.04), *posts(1.5, 0.06)],
    "balusters": [bar(1.02, 0.06), bar(0.1, 0.04), *posts(0.13, 0.03)],
    "a broad rail": [bar(0.5, 0.12), *posts(0.7, 0.12)],
}


def ground_under(passage: Passage) -> Box:
    (obstacle,) = passage.obstacles
    ground = calibration().to_ground(np.array(obstacle.footprint_px))
    return (*ground.min(axis=0), *ground.max(axis=0))


@pytest.mark.parametrize("name", RAILINGS)
def test_a_thing_seen_between_posts_is_one_thing_stands_where_it_does_and_is_let_go(name: str) -> None:
    railing, watch, deck = RAILINGS[name], Watch(meter=PassageMeter(ACROSS, calibration(), SIZE)), Deck()
    bare, filled = deck.picture(*railing), deck.picture(*railing, (cuboid(*BOX_M), (40, 90, 190)))
    assert width(watch.show(bare, 8)) == pytest.approx(6.0, abs=0.02)
    passage = watch.show(filled, 6)
    assert width(passage) == pytest.approx(4.7, abs=0.22)
    assert passage.at_least_m == passage.at_most_m
    left, near, right, far = ground_under(passage)
    assert np.allclose((left, near, right), (1.5, 6.4, 2.5), atol=0.12)
    assert far == pytest.approx(7.3, abs=0.22)
    passage = watch.show(bare, 6)
    assert passage.obstacles == ()
    assert width(passage) == pytest.approx(6.0, abs=0.02)


def rails_of(*bodies: tuple[np.ndarray, tuple[int, int, int]], zone: PassageZone = ACROSS) -> NDArray[np.bool_] | None:
    """The pixels that are taken for a railing on a deck with these bodies."""
    ends = [tuple(map(tuple, calibration().to_ground(end))) for end in zone.ends]
    corridor = Corridor.between([tuple(point) for point in calibration().to_ground(zone.polygon)], ends)
    upright = Upright.of(calibration(), SIZE)
    crop = ZoneCrop.around(zone.polygon, calibration(), upright, SIZE)
    picture = cv2.GaussianBlur(crop.of(Deck().picture(*bodies), STILL), (3, 3), 0)
    brightness = np.log(picture.astype(np.float32).mean(axis=2) + 12)
    return Railing(corridor, upright, crop).among(brightness, POST)


@pytest.mark.parametrize("name", RAILINGS)
def test_a_railing_is_known_by_the_handrail_along_its_wall(name: str) -> None:
    found = rails_of(*RAILINGS[name])
    assert found is not None
    assert 0.03 < found.mean() < 0.5


def test_somebody_whose_feet_a_railing_hides_is_somebody_down_to_his_feet() -> None:
    railing, watch, deck = RAILINGS["balusters"], Watch(meter=PassageMeter(ACROSS, calibration(), SIZE)), Deck()
    watch.show(deck.picture(*railing), 8)
    body = person(2.0, 6.7)
    seen = detected(body)
    seen.boxes[0, 3] = project(np.array([2.0, 5.9, 1.0]))[1]
    for _ in range(12):
        passage = watch.show(deck.picture(*railing, (body, (40, 60, 160))), 1, seen)
    assert passage.obstacles == ()
    assert width(passage) == pytest.approx(6.0, abs=0.02)


def test_thin_things_that_stand_about_are_no_railing() -> None:
    assert rails_of() is None
    assert rails_of(*posts(0.5, 0.06)) is None
    frames = [(cuboid(x, 6.6, 0.9, 0.05, 0.05) + np.array([0, 0, z]), PAINT) for x in (0.2, 1.8) for z in (0.3, 0.6)]
    assert rails_of(*frames) is None


def test_a_camera_over_the_deck_looks_through_no_railing() -> None:
    assert rails_of(*RAILINGS["bars"], zone=ZONE) is None
