"""What a place looks like, whatever the light."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from edge_agent.scene.appearance import LEAST_SIDE_PX, SIDE_PX, Grey, LookTable
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box
from tests.edge_agent.synthetic_street import Street, standing

PLACE: Box = (100.0, 74.0, 160.0, 110.0)
RULES = MemoryRules()


def grey(street: Street, at_s: float = 20.0) -> Grey:
    return np.asarray(cv2.cvtColor(street.frame(at_s).image, cv2.COLOR_BGR2GRAY), np.uint8)


def parked(seed: int = 1, **more: object) -> Street:
    return Street((standing("car", 100, 110, 5, 99, seed=seed),), **more)  # type: ignore[arg-type]


def similarity(then: Grey, now: Grey, place: Box = PLACE, shift: tuple[float, float] = (0.0, 0.0)) -> float:
    picture = LookTable(then).picture(place)
    assert picture is not None
    return LookTable(now, shift).similarity(picture, place)


def test_the_same_thing_a_moment_later_is_as_good_as_the_same() -> None:
    assert similarity(grey(parked()), grey(parked(), 30)) > 0.98


def test_an_empty_place_and_another_thing_are_neither() -> None:
    assert similarity(grey(parked()), grey(Street(()))) < RULES.other_appearance
    others = [similarity(grey(parked()), grey(parked(seed))) for seed in range(2, 12)]
    assert max(others) < RULES.same_appearance


@pytest.mark.parametrize("light", [0.4, 0.6, 1.4])
def test_brightness_does_not_matter(light: float) -> None:
    assert similarity(grey(parked()), grey(parked(light=lambda _: light))) > RULES.sure_appearance


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image * 0.4 + 90,
        lambda image: 255 * (image / 255) ** 0.6,
        lambda image: cv2.GaussianBlur(image, (0, 0), 1.0),
        lambda image: image + np.linspace(-30, 30, image.shape[1], dtype=np.float32),
    ],
    ids=["haze", "gamma", "soft", "evening sun"],
)
def test_contrast_haze_and_softness_matter_little(change: Callable[[np.ndarray], np.ndarray]) -> None:
    now = np.clip(change(grey(parked()).astype(np.float32)), 0, 255).astype(np.uint8)
    assert similarity(grey(parked()), now) > RULES.same_appearance


def test_half_a_shadow_does_not_hide_it() -> None:
    shaded = grey(parked()).astype(np.float32)
    shaded[:, 130:] *= 0.6
    assert similarity(grey(parked()), shaded.astype(np.uint8)) > RULES.other_appearance


def test_the_cameras_shake_does_not_matter_but_a_move_does() -> None:
    steady = grey(parked())
    assert similarity(steady, np.roll(steady, (1, -2), (0, 1))) > RULES.sure_appearance
    assert similarity(steady, np.roll(steady, 20, 1)) < RULES.same_appearance


def test_a_shift_of_the_view_is_followed() -> None:
    steady = grey(parked())
    moved = np.roll(steady, (-12, 25), (0, 1))
    assert similarity(steady, moved, shift=(25.0, -12.0)) > 0.98
    assert similarity(steady, moved) < RULES.same_appearance


def test_a_place_without_texture_is_like_nothing() -> None:
    flat = np.full((180, 320), 90, np.uint8)
    assert similarity(flat, flat) == 0.0
    assert similarity(grey(parked()), flat) == 0.0
    assert similarity(flat, grey(parked())) == 0.0


@pytest.mark.parametrize("place", [(-200.0, 0.0, -100.0, 50.0), (0.0, 400.0, 50.0, 450.0), (316.0, 70.0, 400.0, 120.0)])
def test_a_place_out_of_view_shows_nothing(place: Box) -> None:
    table = LookTable(grey(parked()))
    assert table.picture(place) is None
    picture = table.picture(PLACE)
    assert picture is not None
    assert table.similarity(picture, place) == 0.0


def test_a_place_that_is_partly_in_view_can_be_remembered() -> None:
    edge: Box = (290.0, 70.0, 350.0, 110.0)
    assert similarity(grey(parked()), grey(parked(), 30), edge) > 0.5


def test_a_place_too_small_to_see_is_not_remembered() -> None:
    table = LookTable(grey(parked()))
    assert table.picture((100.0, 80.0, 100.0 + LEAST_SIDE_PX / 2, 110.0)) is None


@pytest.mark.parametrize(
    "place", [PLACE, (0.0, 0.0, 320.0, 180.0), (10.0, 10.0, 310.0, 24.0), (50.0, 0.0, 62.0, 180.0)]
)
def test_a_remembered_picture_is_small(place: Box) -> None:
    picture = LookTable(grey(parked())).picture(place)
    assert picture is not None
    assert max(picture.shape) <= SIDE_PX
    assert similarity(grey(parked()), grey(parked(), 30), place) > 0.7


def test_a_place_is_still_when_nothing_moves_before_it() -> None:
    table = LookTable(grey(parked()))
    picture = table.picture(PLACE)
    assert picture is not None
    assert LookTable(grey(parked(), 21)).still(picture, PLACE, RULES.quiet)
    assert LookTable(grey(parked(light=lambda _: 1.3), 21)).still(picture, PLACE, RULES.quiet)
    assert not LookTable(grey(parked(seed=4), 21)).still(picture, PLACE, RULES.quiet)


def test_an_empty_place_without_texture_is_still_too() -> None:
    flat = np.full((180, 320), 90, np.uint8)
    picture = LookTable(flat).picture(PLACE)
    assert picture is not None
    assert LookTable(flat + 10).still(picture, PLACE, RULES.quiet)
    assert not LookTable(grey(parked())).still(picture, PLACE, RULES.quiet)
