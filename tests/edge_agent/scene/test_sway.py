"""A camera that shakes: where every single picture lies, and a passage that is measured all the same."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from edge_agent.scene.background import Background
from edge_agent.scene.sway import Sway
from tests.edge_agent.scene.made_deck import DECK, SIZE, Deck, person
from tests.edge_agent.scene.watched_deck import CRATE, Watch, width

NOBODY = np.zeros((SIZE[1], SIZE[0]), bool)
CORNERS = np.array([(0, 0), (SIZE[0], 0), (0, SIZE[1]), SIZE], np.float64)


def swayed(picture: np.ndarray, right: float, down: float, turn: float = 0.0, zoom: float = 0.0) -> np.ndarray:
    """The picture as a camera takes it that has moved; turned and zoomed about the middle."""
    return np.asarray(
        cv2.warpAffine(picture, matrix(right, down, turn, zoom), SIZE, borderMode=cv2.BORDER_REPLICATE), np.uint8
    )


def matrix(right: float, down: float, turn: float = 0.0, zoom: float = 0.0) -> np.ndarray:
    linear = np.array([[1 + zoom, -turn], [turn, 1 + zoom]])
    middle = np.array(SIZE) / 2 - 0.5
    return np.column_stack([linear, middle + np.array([right, down]) - linear @ middle])


class Eye:
    """Finds how pictures lie against the first."""

    def __init__(self, first: np.ndarray) -> None:
        self.background = Background(NOBODY.shape)
        self.sway = Sway(NOBODY.shape)
        self.sway.learn(self.background.plane(first), ~NOBODY, 0.0)

    def off_px(self, picture: np.ndarray, truth: np.ndarray, hidden: np.ndarray = NOBODY, now_s: float = 1.0) -> float:
        """How far the worst corner is from where it is found."""
        motion = self.sway.find(self.background.plane(picture), hidden, now_s)
        assert motion is not None
        off = (CORNERS @ motion.matrix[:, :2].T + motion.matrix[:, 2]) - (CORNERS @ truth[:, :2].T + truth[:, 2])
        return float(np.abs(off).max())


@pytest.mark.parametrize(
    "move", [(1.3, -0.6), (-7.7, 5.2), (15.0, -12.0), (2.4, 3.1, 0.006), (-3.2, 1.0, -0.004, 0.005)]
)
def test_a_picture_that_has_moved_is_found_to_a_fraction_of_a_pixel(move: tuple[float, ...]) -> None:
    deck = Deck()
    assert Eye(deck.picture()).off_px(swayed(deck.picture(), *move), matrix(*move)) < 0.3


def test_a_camera_that_keeps_still_does_not_move_at_all() -> None:
    deck = Deck()
    eye = Eye(deck.picture())
    for _ in range(5):
        motion = eye.sway.find(eye.background.plane(deck.picture()), NOBODY, 1.0)
        assert motion is not None
        assert motion.reach_px == 0.0


def test_light_on_a_part_of_the_deck_is_no_motion() -> None:
    deck = Deck()
    lamp = np.zeros(NOBODY.shape, np.float32)
    cv2.circle(lamp, (250, 200), 90, 1.0, -1)
    lamp = 0.6 + 1.0 * cv2.GaussianBlur(lamp, (0, 0), 25)
    lit = np.clip(deck.picture() * lamp[:, :, None], 0, 255).astype(np.uint8)
    assert Eye(deck.picture()).off_px(lit, matrix(0, 0)) < 0.2


def test_motion_is_told_from_a_crowd_that_hides_most_of_the_deck() -> None:
    deck = Deck()
    eye = Eye(deck.picture())
    crowd = [
        (person(0.4 + 0.8 * column, 6.5 + 1.6 * row), (40 + 30 * column, 60, 90))
        for row in range(7)
        for column in range(5)
    ]
    assert eye.off_px(swayed(deck.picture(*crowd), 4.3, -2.2), matrix(4.3, -2.2)) < 0.4


def test_motion_is_told_from_noise_in_the_dark() -> None:
    deck, random = Deck(), np.random.default_rng(3)
    dark = swayed(deck.picture(light=0.4), 2.6, 1.2) + random.normal(0, 3, (*NOBODY.shape, 3))
    assert Eye(deck.picture()).off_px(np.clip(dark, 0, 255).astype(np.uint8), matrix(2.6, 1.2)) < 0.5


def test_where_another_picture_lies_nobody_knows_while_the_camera_shakes_and_then_the_scene_has_changed() -> None:
    deck = Deck()
    eye = Eye(deck.picture())
    other = eye.background.plane(np.random.default_rng(5).integers(0, 255, (*NOBODY.shape, 3)).astype(np.uint8))
    calm = eye.sway.find(other, NOBODY, 1.0)
    assert calm is not None
    assert calm.reach_px == 0.0
    eye.off_px(swayed(deck.picture(), 3, 2), matrix(3, 2), now_s=2.0)
    assert eye.sway.find(other, NOBODY, 3.0) is None
    assert eye.sway.find(other, NOBODY, 12.0) is None
    changed = eye.sway.find(other, NOBODY, 13.5)
    assert changed is not None
    assert changed.reach_px == 0.0


def test_a_crate_before_a_camera_in_the_wind_is_measured_as_before_a_still_one() -> None:
    random = np.random.default_rng(7)

    def seen(shakes: bool) -> tuple[float, list[float | None]]:
        deck, watch = Deck(), Watch()
        widths = []
        for second in range(30):
            bodies = [CRATE] if second >= 10 else []
            right, down, turn = (*random.uniform(-6, 6, 2), random.normal(0, 0.002)) if shakes and second else (0, 0, 0)
            passage = watch.show(swayed(deck.picture(*bodies), right, down, turn), 1.0)
            widths.append(passage.clear_width.width_m)
        return width(passage), widths

    still, _ = seen(False)
    shaken, widths = seen(True)
    assert shaken == pytest.approx(still, abs=0.08)
    assert all(found is None or found == pytest.approx(4.0, abs=0.05) for found in widths[:10])
    assert all(found is None or found == pytest.approx(still, abs=0.1) for found in widths[12:])
    assert sum(found is None for found in widths[3:]) <= 5


def test_what_the_swayed_picture_does_not_show_is_hidden_and_no_change() -> None:
    deck, watch = Deck(), Watch()
    watch.show(deck.picture(), 10)
    for right in (12.0, -12.0, 9.0, -9.0):
        passage = watch.show(swayed(deck.picture(), right, -8.0), 3.0)
        assert passage.clear_width.width_m is None or width(passage) == pytest.approx(DECK[1][0], abs=0.05)
    assert width(watch.show(deck.picture(), 5)) == pytest.approx(DECK[1][0], abs=0.05)
