"""The same picture again and again."""

from __future__ import annotations

from edge_agent.scene.camera_state import View
from tests.edge_agent.watched_camera import FROZEN, SEEING, Watched, noisy, states, view_of


def test_a_picture_that_stays_the_very_same_is_frozen_until_it_changes() -> None:
    camera = Watched()
    camera.street(20)
    camera.stated()
    still = view_of(camera.scene).copy()
    views = [camera.show(still) for _ in range(10)]
    assert [view.state for view in views[:3]] == [SEEING] * 3
    assert states(views[3:]) == {FROZEN}
    assert camera.stated() == [(FROZEN, 23.0)]
    assert camera.street(4)[-1] == View(SEEING)


def test_a_still_scene_with_a_sensors_noise_is_not_frozen() -> None:
    camera = Watched()
    still = view_of(camera.scene)
    assert states(camera.show(noisy(still, second, 0.6)) for second in range(90)) == {SEEING}


def test_a_codec_that_repeats_the_picture_while_nothing_moves_is_not_frozen() -> None:
    camera = Watched()
    kept = [noisy(view_of(camera.scene), group) for group in range(12)]
    assert states(camera.show(kept[second // 8]) for second in range(96)) == {SEEING}


def test_a_single_picture_given_twice_does_not_blunt_the_sense_for_a_frozen_one() -> None:
    camera = Watched()
    camera.street(20)
    image = noisy(view_of(camera.scene), 1)
    camera.show(image)
    camera.show(image)
    camera.street(3)
    still = noisy(view_of(camera.scene), 2)
    assert [camera.show(still) for _ in range(6)][-1].state is FROZEN


def test_a_camera_that_never_changes_is_frozen_after_a_minute() -> None:
    camera = Watched()
    still = view_of(camera.scene)
    views = [camera.show(still) for _ in range(70)]
    assert states(views[:60]) == {SEEING}
    assert views[-1].state is FROZEN
