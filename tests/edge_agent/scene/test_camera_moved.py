"""A camera that was turned: a small shift is followed, a large one distrusted."""

from __future__ import annotations

import numpy as np
import pytest

from edge_agent.scene.camera_state import View
from tests.edge_agent.watched_camera import MOVED, SEEING, Watched, noisy, states, street, view_of


@pytest.mark.parametrize(("right", "down"), [(19, 0), (-14, 8), (6, -5)])
def test_a_small_shift_is_measured_and_followed_at_once(right: int, down: int) -> None:
    camera = Watched()
    camera.street(20)
    views = camera.street(15, right=right, down=down)
    assert states(views) == {SEEING}
    for view in views:
        assert view.shift_px == pytest.approx((right, down), abs=1.5)
    assert camera.street(3)[-1].shift_px == (0.0, 0.0)
    assert camera.stated() == [(SEEING, 0.0)]


def test_every_picture_may_lie_elsewhere() -> None:
    camera = Watched()
    camera.street(20)
    random = np.random.default_rng(3)
    for right, down in random.integers(-8, 9, (20, 2)):
        view = camera.street(1, right=int(right), down=int(down))[0]
        assert view.state is SEEING
        assert view.shift_px == pytest.approx((right, down), abs=2.5)


def test_a_mount_that_gives_way_bit_by_bit_is_followed_and_given_up_when_it_is_too_far() -> None:
    camera = Watched()
    camera.street(20)
    for step in range(1, 41):
        view = camera.street(2, right=step // 2)[-1]
    assert view.shift_px == pytest.approx((20, 0), abs=4)
    for step in range(20, 36):
        view = camera.street(2, right=step)[-1]
    assert view.state is MOVED


def test_a_large_shift_is_moved_until_the_old_view_is_back() -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()
    assert states(camera.street(30, right=96)) == {MOVED}
    (change,) = camera.health.take_changes()
    assert (change.to_state, change.media_time_s) == (MOVED, 20.0)
    assert change.shift_px == pytest.approx((96, 0), abs=3)
    assert camera.street(5)[-1] == View(SEEING)


def test_another_view_is_moved_until_someone_confirms_it() -> None:
    camera = Watched()
    camera.street(20)
    camera.scene = street(seed=9)
    assert states(camera.street(120)) == {MOVED}
    assert camera.health.confirm_view()
    assert camera.street(5)[-1] == View(SEEING)
    assert [state for state, _ in camera.stated()] == [SEEING, MOVED, SEEING]


def test_a_view_that_did_not_move_needs_nobody_to_confirm_it() -> None:
    camera = Watched()
    camera.street(20)
    assert not camera.health.confirm_view()
    assert camera.street(5, right=6)[-1].shift_px == pytest.approx((6, 0), abs=1.5)  # by the reference that it has


def test_a_picture_of_other_proportions_starts_a_new_reference() -> None:
    camera = Watched()
    camera.street(20)
    other = street(seed=4, width=320, height=320)
    for second in range(5):
        view = camera.show(noisy(view_of(other, width=320, height=320), second))
    assert view == View(SEEING)
