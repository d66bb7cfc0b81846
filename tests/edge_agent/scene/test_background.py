"""The background follows light and never takes in a thing."""

from __future__ import annotations

import tracemalloc

import cv2
import numpy as np
import pytest

from edge_agent.scene.background import Background
from tests.edge_agent.scene.made_deck import SIZE, Deck, cuboid, silhouette

WINDOW = np.s_[70:290, 200:440]
"""The part of the picture that is looked at, so that the tests are quick."""
NOTHING = np.zeros((SIZE[1], SIZE[0]), bool)[WINDOW]
ALL = ~NOTHING
CRATE = (cuboid(1.5, 8.0, 1.0, 0.8, 0.7), (40, 90, 190))
SHADE = [(2.4, 7.5), (3.8, 7.5), (3.8, 10.5), (2.4, 10.5)]


class Scene:
    """Feeds pictures at a steady period and lets the background learn from what shows no thing."""

    def __init__(self, period_s: float = 0.5) -> None:
        self.background = Background(NOTHING.shape)
        self.period_s = period_s
        self.now_s = 0.0
        self.things = NOTHING
        self.held = NOTHING

    def show(self, picture: np.ndarray, seconds: float, hidden: np.ndarray = NOTHING) -> None:
        for _ in range(round(seconds / self.period_s)):
            look = self.background.lit(picture[WINDOW], hidden, self.held, ALL)
            self.background.learn(look, hidden, self.now_s)
            self.things = self.background.shows_thing() & self.background.has_settled(self.now_s)
            self.background.absorb(self.held, self.things, ALL, self.now_s, self.period_s)
            self.now_s += self.period_s


def inside(corners: np.ndarray) -> np.ndarray:
    """The silhouette without its blurred border."""
    return (cv2.erode(silhouette(corners).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0)[WINDOW]


def test_an_empty_deck_shows_nothing_whatever_the_noise() -> None:
    deck, scene = Deck(), Scene()
    for _ in range(30):
        scene.show(deck.picture(), 0.5)
        assert scene.things.mean() < 1e-3


def test_a_thing_that_is_put_down_shows_once_it_has_settled_and_stays_for_an_hour() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.show(deck.picture(CRATE), 3)
    assert scene.things[inside(CRATE[0])].mean() > 0.95
    assert scene.things[~silhouette(CRATE[0])[WINDOW]].mean() < 0.005
    scene.held = cv2.dilate(silhouette(CRATE[0])[WINDOW].astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    scene.period_s = 60.0
    scene.show(deck.picture(CRATE), 3600)
    assert scene.things[inside(CRATE[0])].mean() > 0.95


def test_what_passes_never_settles() -> None:
    deck, scene = Deck(), Scene(0.25)
    scene.show(deck.picture(), 5)
    for step in range(24):
        walker = (cuboid(0.3 + 0.15 * step, 9.0, 0.4, 0.3, 1.7), (40, 40, 120))
        scene.show(deck.picture(walker), 0.25)
        assert scene.things.mean() < 2e-3


@pytest.mark.parametrize("light", [0.55, 0.8, 1.25])
def test_a_change_of_light_is_no_thing(light: float) -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.show(deck.picture(light=light), 5)
    assert scene.things.mean() < 2e-3


@pytest.mark.parametrize("depth", [0.45, 0.65, 0.85])
def test_a_shadow_that_falls_and_stays_is_no_thing(depth: float) -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.show(deck.picture(shadows=(SHADE,), shadow_depth=depth), 20)
    assert scene.things.mean() < 2e-3


def test_the_sun_on_a_place_that_lay_in_shade_is_no_thing() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(shadows=(SHADE,), shadow_depth=0.7), 10)
    scene.show(deck.picture(), 10)
    assert scene.things.mean() < 2e-3


def test_a_thing_still_shows_when_the_light_changes() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    scene.show(deck.picture(CRATE), 5)
    scene.show(deck.picture(CRATE, light=0.6), 5)
    assert scene.things[inside(CRATE[0])].mean() > 0.9


def tinted(picture: np.ndarray, where: np.ndarray, blue: float, red: float) -> np.ndarray:
    """A picture of which a part has another colour and, in the mean of its logarithms, the same brightness."""
    gains = np.exp(np.array([blue, 0.0, red]) - (blue + red) / 3)
    return np.where(where[:, :, None], np.clip(picture * gains, 0, 255), picture).astype(np.uint8)


def test_a_thing_as_bright_as_the_ground_shows_by_its_colour_alone() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    thing = silhouette(CRATE[0])
    for _ in range(6):
        scene.show(tinted(deck.picture(), thing, -0.09, 0.03), 0.5)
    assert scene.things[inside(CRATE[0])].mean() > 0.9
    assert (
        scene.things[~cv2.dilate(thing.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)[WINDOW]].mean() < 2e-3
    )


@pytest.mark.parametrize("depth", [0.45, 0.65])
def test_a_shadow_that_the_sky_turns_blue_is_no_thing(depth: float) -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    shaded = silhouette(np.array([(x, y, 0.0) for x, y in SHADE]))
    blue = -0.15 * float(np.log(depth))
    for _ in range(6):
        scene.show(tinted(deck.picture(shadows=(SHADE,), shadow_depth=depth), shaded, blue, -blue / 2), 0.5)
    assert scene.things.mean() < 2e-3


def test_the_border_of_a_colour_that_bleeds_in_compression_is_no_part_of_a_thing() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    thing = silhouette(CRATE[0]).astype(np.uint8)
    border = cv2.dilate(thing, np.ones((9, 9), np.uint8)) > thing
    for _ in range(6):
        scene.show(tinted(deck.picture(), border, -0.09, 0.03), 0.5)
    assert scene.things.mean() < 2e-3


def test_the_colour_that_a_thing_throws_on_the_ground_is_no_part_of_it() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    thing = silhouette(CRATE[0]).astype(np.uint8)
    glow = cv2.dilate(thing, np.ones((27, 27), np.uint8)) > thing
    for _ in range(6):
        scene.show(tinted(deck.picture(CRATE), glow, -0.09, 0.03), 0.5)
    assert scene.things[inside(CRATE[0])].mean() > 0.9
    assert scene.things[(glow & (cv2.dilate(thing, np.ones((5, 5), np.uint8)) == 0))[WINDOW]].mean() < 0.02


def test_a_shadow_becomes_background_within_minutes() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    before = scene.background.background.copy()
    scene.show(deck.picture(shadows=(SHADE,)), 120)
    learnt = scene.background.background[:, :, 0] - before[:, :, 0]
    assert learnt.min() < -0.35


def test_nothing_is_learnt_from_under_people() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    before = scene.background.background.copy()
    hidden = silhouette(CRATE[0])[WINDOW]
    scene.show(deck.picture(CRATE), 30, hidden=hidden)
    assert np.abs(scene.background.background - before)[hidden].max() < 0.05
    assert not scene.things[hidden].any()


def test_when_the_whole_zone_changes_at_once_it_is_the_light() -> None:
    deck, scene = Deck(), Scene()
    scene.show(deck.picture(), 10)
    lamps = deck.picture().astype(np.float32)
    lamps[:, :320] *= (0.5, 0.9, 1.3)
    lamps[:, 320:] *= (1.3, 0.9, 0.5)
    scene.show(np.clip(lamps, 0, 255).astype(np.uint8), 10)
    assert scene.things.mean() < 0.02


@pytest.mark.parametrize("levels", [4.0, 10.0])
def test_a_thing_is_found_and_nothing_else_in_the_noise_of_a_small_sensor(levels: float) -> None:
    deck, scene, random = Deck(), Scene(1.0), np.random.default_rng(11)

    def noisy(picture: np.ndarray) -> np.ndarray:
        return np.clip(picture + random.normal(0, levels, picture.shape), 0, 255).astype(np.uint8)

    for _ in range(20):
        scene.show(noisy(deck.picture(light=0.6)), 1.0)
    assert scene.background.has_settled(scene.now_s).mean() > 0.8
    assert scene.things.mean() < 2e-3
    for _ in range(6):
        scene.show(noisy(deck.picture(CRATE, light=0.6)), 1.0)
    assert scene.things[inside(CRATE[0])].mean() > 0.5
    assert scene.things[~silhouette(CRATE[0])[WINDOW]].mean() < 0.01


def test_noise_is_not_learnt_from_one_change_of_light() -> None:
    deck, scene = Deck(), Scene(1.0)
    scene.show(deck.picture(), 10)
    lamps = deck.picture().astype(np.float32)
    lamps[:, :320] *= 0.7
    dim, bright = scene.background.background, scene.background.background + np.float32(0.15)
    assert not scene.background.alike(dim, bright).any()
    scene.show(np.clip(lamps, 0, 255).astype(np.uint8), 2)
    assert not scene.background.alike(dim, bright).any()


def test_a_camera_that_turns_to_infrared_and_back_finds_each_background_as_it_was() -> None:
    deck, scene = Deck(), Scene(1.0)
    background = scene.background

    def infrared(picture: np.ndarray) -> np.ndarray:
        grey = cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY)
        return np.repeat((0.6 * grey).astype(np.uint8)[:, :, None], 3, axis=2)

    assert not background.turns(deck.picture()[WINDOW])
    scene.show(deck.picture(), 10)
    day = background.background.copy()
    assert background.turns(infrared(deck.picture())[WINDOW])
    background.turn()
    scene.show(infrared(deck.picture()), 10)
    assert not background.turns(infrared(deck.picture())[WINDOW])
    assert np.abs(background.background[:, :, 1:]).max() < 0.02
    assert scene.things.mean() < 2e-3
    assert background.turns(deck.picture()[WINDOW])
    background.turn()
    assert np.array_equal(background.background, day)


def test_a_day_of_light_takes_nothing_for_a_thing_and_no_memory() -> None:
    """Dawn to dusk at a picture every 150 seconds: the light rises and falls, the railing's shadow crosses the deck."""
    deck, scene = Deck(), Scene(150.0)
    scene.show(deck.picture(light=0.5), 1500)
    worst, start = 0.0, None
    for step in range(240):
        day = np.sin(np.pi * step / 240)
        edge = 4.0 * step / 240
        cloud = 0.8 if 80 < step < 92 or 160 < step < 163 else 1.0
        shade = [(edge - 0.6, 6.0), (edge, 6.0), (edge, 17.5), (edge - 0.6, 17.5)]
        scene.show(deck.picture(shadows=(shade,), light=cloud * (0.5 + 0.6 * day), shadow_depth=0.6), 150)
        worst = max(worst, float(scene.things.mean()))
        if step == 20:
            tracemalloc.start()
            start = tracemalloc.take_snapshot()
        if step == 120:
            assert start is not None
            grown = sum(entry.size_diff for entry in tracemalloc.take_snapshot().compare_to(start, "filename"))
            tracemalloc.stop()
            assert grown < 6_000_000
    assert worst < 0.03
