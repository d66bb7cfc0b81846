"""Hardships are the same in every run and do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from edge_agent.capture.capture_status import CaptureCounts
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.source import SourceInfo
from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.evaluation.perturb import PERTURBATIONS, PerturbedSource, ThinnedLooker, lay_back

LENGTH_S = 100
SHAPE = (90, 200, 3)


class Film:
    """A hundred seconds of a picture with texture, one frame a second."""

    def __init__(self) -> None:
        self.counts = CaptureCounts()

    def probe(self) -> SourceInfo:
        return SourceInfo(SHAPE[1], SHAPE[0], float(LENGTH_S), 1.0, {})

    def frames(self) -> Iterator[Frame]:
        self.counts = CaptureCounts()
        picture = np.random.default_rng(1).integers(60, 160, SHAPE, dtype=np.uint8)
        for second in range(LENGTH_S + 1):
            self.counts.frames_analysed += 1
            yield Frame(picture.copy(), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=second), float(second))


def pictures(name: str) -> list[Image]:
    change = PERTURBATIONS[name].change
    assert change is not None
    return [frame.image for frame in PerturbedSource(Film(), change).frames()]


PLAIN = [frame.image for frame in Film().frames()]
CHANGING = [name for name, hardship in PERTURBATIONS.items() if hardship.change is not None]


@pytest.mark.parametrize("name", CHANGING)
def test_every_run_is_the_same_and_sizes_stay(name: str) -> None:
    first, second = pictures(name), pictures(name)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert {picture.shape for picture in first} == {SHAPE}
    assert {picture.dtype for picture in first} == {np.dtype(np.uint8)}
    assert any(not np.array_equal(a, b) for a, b in zip(first, PLAIN, strict=True))


def test_times_and_counts_stay_those_of_the_recording() -> None:
    change = PERTURBATIONS["jitter"].change
    assert change is not None
    source = PerturbedSource(Film(), change)
    assert [frame.media_time_s for frame in source.frames()] == list(range(LENGTH_S + 1))
    assert source.counts.frames_analysed == LENGTH_S + 1


def test_a_frames_change_does_not_depend_on_what_was_sampled_before_it() -> None:
    change = PERTURBATIONS["jitter"].change
    assert change is not None
    film = Film()
    whole = [frame.image for frame in PerturbedSource(film, change).frames()]

    class Half(Film):
        def frames(self) -> Iterator[Frame]:
            yield from (frame for frame in Film().frames() if frame.media_time_s % 2 == 0)

    half = [frame.image for frame in PerturbedSource(Half(), change).frames()]
    assert all(np.array_equal(a, b) for a, b in zip(half, whole[::2], strict=True))


@pytest.mark.parametrize(("name", "factor"), [("darker", 0.6), ("brighter", 1.4)])
def test_light_is_scaled(name: str, factor: float) -> None:
    assert pictures(name)[0].mean() == pytest.approx(PLAIN[0].mean() * factor, rel=0.01)


def test_light_swings_every_ten_seconds() -> None:
    means = [picture.mean() / PLAIN[0].mean() for picture in pictures("swinging-light")]
    assert [round(means[t], 1) for t in (0, 9, 10, 20, 30)] == [0.6, 0.6, 1.0, 1.4, 0.6]


def test_the_black_out_lasts_thirty_seconds_in_the_middle() -> None:
    dark = [second for second, picture in enumerate(pictures("blackout")) if picture.mean() < 5]
    assert (dark[0], dark[-1]) == (35, 65)


def test_a_knock_moves_the_second_half_by_four_per_cent_of_the_width() -> None:
    knocked = pictures("knock")
    assert np.array_equal(knocked[49], PLAIN[49])
    assert np.array_equal(knocked[50][:, 8:], PLAIN[50][:, :-8])


def test_a_box_seen_after_the_knock_is_laid_back() -> None:
    hardship = PERTURBATIONS["knock"]
    assert lay_back((50, 10, 60, 20), hardship, 0.4, 200) == (50, 10, 60, 20)
    assert lay_back((50, 10, 60, 20), hardship, 0.6, 200) == (42, 10, 52, 20)
    assert lay_back((50, 10, 60, 20), PERTURBATIONS["darker"], 0.6, 200) == (50, 10, 60, 20)


def test_jitter_stays_within_eight_pixels() -> None:
    inner = (slice(20, 60), slice(40, 140))
    for moved, plain in zip(pictures("jitter")[:10], PLAIN[:10], strict=True):
        offsets = [
            (x, y)
            for x in range(-8, 9)
            for y in range(-8, 9)
            if np.array_equal(moved[inner], plain[20 - y : 60 - y, 40 - x : 140 - x])
        ]
        assert offsets


class Looker:
    def detect(self, image: Image, *, closely: bool = True) -> Detections:
        boxes = np.tile(np.array([[0, 0, 5, 5]], np.float32), (40, 1))
        return Detections(boxes, np.full(40, 0.5, np.float32), ("car",) * 40, (ClassGroup.VEHICLE,) * 40)

    def look_at(self, image: Image, place: tuple[float, float, float, float]) -> Detections:
        return self.detect(image)


def test_half_of_the_detections_are_lost_and_each_time_the_same() -> None:
    looker = ThinnedLooker(Looker(), 0.5)
    images = [np.full((4, 4, 3), value, np.uint8) for value in range(50)]
    kept = [len(looker.detect(image)) for image in images]
    assert sum(kept) / (40 * len(images)) == pytest.approx(0.5, abs=0.05)
    assert kept == [len(looker.detect(image)) for image in images]
    assert len(set(kept)) > 1


def test_lamps_go_off_in_the_middle_third_but_for_one_and_the_exposure_follows() -> None:
    lit = pictures("light-switched")
    share = [float(after.mean() / before.mean()) for after, before in zip(lit, PLAIN, strict=True)]
    assert share[:34] == [1.0] * 34
    assert share[34] < 0.75 < share[40] < 0.9
    assert share[67] > 1.1
    assert share[80:] == [1.0] * 21
    pool, edge = np.s_[40:50, 74:94], np.s_[80:, 170:]
    assert lit[50][pool].mean() > 1.6 * lit[50][edge].mean()


def test_a_camera_sees_by_infrared_in_the_middle_third() -> None:
    night = pictures("night-mode")
    grey = [bool((picture == picture[:, :, :1]).all()) for picture in night]
    assert grey == [34 <= second < 67 for second in range(LENGTH_S + 1)]
    assert np.array_equal(night[10], PLAIN[10])


def test_noise_is_as_strong_as_it_says_and_no_picture_has_that_of_another() -> None:
    noisy = pictures("noise")
    assert 9.5 < float((noisy[3].astype(float) - PLAIN[3]).std()) < 10.5
    assert not np.array_equal(noisy[3], noisy[4])


def test_second_looks_lose_half_too_and_not_the_same_half() -> None:
    looker = ThinnedLooker(Looker(), 0.5)
    image = np.zeros((4, 4, 3), np.uint8)
    places = [(float(x), -1.0, x + 2.0, 3.0) for x in range(50)]
    kept = [len(looker.look_at(image, place)) for place in places]
    assert sum(kept) / (40 * len(places)) == pytest.approx(0.5, abs=0.05)
    assert kept == [len(looker.look_at(image, place)) for place in places]
    assert len(set(kept)) > 1
