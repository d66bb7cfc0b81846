"""A thing's footprint comes from its box when its size is known, else from its silhouette."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from shapely.geometry import MultiPoint, Polygon

from edge_agent.detection.detections import ClassGroup
from edge_agent.scene.contours import Contours
from edge_agent.scene.footprint import Footprint, footprint_of_box, footprint_of_wheels
from edge_agent.scene.shapes import SHAPES, shape_for
from edge_agent.scene.silhouette import Cut, footprint_of_silhouette
from edge_agent.scene.stay import Box
from edge_agent.scene.upright import Upright
from tests.edge_agent.scene.made_deck import CAMERA, SIZE, calibration, cuboid, project, silhouette

CALIBRATION = calibration()
UPRIGHT = Upright.of(CALIBRATION, SIZE)


def bicycle(x: float, y: float, turned_deg: float) -> np.ndarray:
    """Outstanding points of a bicycle, 1.65 m long, whose middle stands at (x, y)."""
    turn = np.radians(turned_deg)
    wheels = [
        [side * 0.5 + 0.33 * np.cos(a), 0.0, 0.33 + 0.33 * np.sin(a)]
        for side in (-1, 1)
        for a in np.arange(0, 2 * np.pi, 0.2)
    ]
    points = np.array([*wheels, [0.5, 0.27, 1.02], [0.5, -0.27, 1.02], [-0.3, 0.0, 0.92]])
    east, north = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    ground = points[:, :1] * east + points[:, 1:2] * north + [x, y]
    return np.column_stack([ground, points[:, 2]])


def box_of(points: np.ndarray) -> Box:
    pixels = project(points)
    low, high = pixels.min(axis=0), pixels.max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def test_the_calibrated_ground_gives_the_camera_back() -> None:
    assert np.allclose(UPRIGHT.camera_m, CAMERA, atol=0.01)
    above = np.array([[1.0, 9.0, 1.2], [3.0, 12.0, 0.5]])
    assert np.allclose(UPRIGHT.to_pixels(above), project(above), atol=0.05)


@pytest.mark.parametrize("turned_deg", [0.0, 90.0, 45.0, 120.0])
@pytest.mark.parametrize("x", [0.8, 2.0, 3.3])
def test_a_bicycle_is_found_side_on_end_on_and_in_between(turned_deg: float, x: float) -> None:
    points = bicycle(x, 10.0, turned_deg)
    found = footprint_of_box(box_of(points), SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    assert found is not None
    true = MultiPoint(points[:, :2]).convex_hull
    left, _, right, _ = found.shape.bounds
    assert left == pytest.approx(true.bounds[0], abs=0.2)
    assert right == pytest.approx(true.bounds[2], abs=0.2)
    assert found.shape.centroid.distance(true.centroid) < 0.35


def test_a_bicycle_seen_side_on_is_as_long_as_it_is_and_seen_end_on_as_wide() -> None:
    side = footprint_of_box(box_of(bicycle(2, 10, 0)), SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    end = footprint_of_box(box_of(bicycle(2, 10, 90)), SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    assert side is not None
    assert end is not None
    assert side.shape.bounds[2] - side.shape.bounds[0] == pytest.approx(1.66, abs=0.2)
    assert end.shape.bounds[2] - end.shape.bounds[0] == pytest.approx(0.54, abs=0.2)


@pytest.mark.parametrize("turned_deg", [0.0, 70.0, 120.0])
def test_wheels_in_the_picture_correct_a_box_that_is_off(turned_deg: float) -> None:
    points = bicycle(2.0, 10.0, turned_deg)
    picture = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    rims = len(np.arange(0, 2 * np.pi, 0.2))
    for wheel in (points[:rims], points[rims : 2 * rims]):
        cv2.polylines(picture, [np.round(project(wheel) * 16).astype(np.int32)], True, 255, 2, cv2.LINE_AA, shift=4)
    contours = Contours(picture.astype(np.float32), (0.0, 0.0), 1.0)
    true = MultiPoint(points[:, :2]).convex_hull
    left, top, right, bottom = box_of(points)
    width, height = right - left, bottom - top
    # As detectors do: room above the handlebar, and other sides cut short.
    off = left - 0.02 * width, top - 0.12 * height, right - 0.05 * width, bottom - 0.04 * height
    by_box = footprint_of_box(off, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    by_wheels = footprint_of_box(off, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE, contours)
    assert by_box is not None
    assert by_wheels is not None

    def error_m(found: Footprint) -> float:
        return float(np.abs(np.subtract(found.shape.bounds, true.bounds)).max())

    assert error_m(by_wheels) < 0.12
    assert error_m(by_wheels) < 0.75 * error_m(by_box)


def wheels_drawn(points: np.ndarray) -> Contours:
    """Contours with the two rims of ``bicycle`` and nothing else."""
    picture = np.zeros((SIZE[1], SIZE[0]), np.uint8)
    rims = len(np.arange(0, 2 * np.pi, 0.2))
    for wheel in (points[:rims], points[rims : 2 * rims]):
        cv2.polylines(picture, [np.round(project(wheel) * 16).astype(np.int32)], True, 255, 2, cv2.LINE_AA, shift=4)
    return Contours(picture.astype(np.float32), (0.0, 0.0), 1.0)


@pytest.mark.parametrize("turned_deg", [0.0, 30.0, 150.0])
def test_a_part_of_a_bicycle_is_the_bicycle_where_its_wheels_are_seen(turned_deg: float) -> None:
    points = bicycle(2.0, 10.0, turned_deg)
    left, top, right, bottom = box_of(points)
    width, height = right - left, bottom - top
    part = left + 0.15 * width, top + 0.15 * height, right - 0.1 * width, bottom - 0.02 * height
    shape = SHAPES["bicycle"]
    found = footprint_of_wheels(part, shape, UPRIGHT, CALIBRATION, SIZE, wheels_drawn(points))
    assert found is not None
    true = MultiPoint(points[:, :2]).convex_hull
    assert np.abs(np.subtract(found.shape.bounds, true.bounds)).max() < 0.2
    nothing = Contours(np.zeros((SIZE[1], SIZE[0]), np.float32), (0.0, 0.0), 1.0)
    assert footprint_of_wheels(part, shape, UPRIGHT, CALIBRATION, SIZE, nothing) is None
    assert footprint_of_wheels(part, SHAPES["car"], UPRIGHT, CALIBRATION, SIZE, wheels_drawn(points)) is None


def test_wheels_elsewhere_make_no_bicycle_of_a_heap() -> None:
    heap = box_of(cuboid(0.2, 9.5, 1.2, 0.8, 0.5))
    elsewhere = wheels_drawn(bicycle(3.2, 10.0, 0.0))
    assert footprint_of_wheels(heap, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE, elsewhere) is None


def test_a_picture_without_wheels_leaves_the_place_to_the_box() -> None:
    box = box_of(bicycle(2.0, 10.0, 0.0))
    nothing = Contours(np.zeros((SIZE[1], SIZE[0]), np.float32), (0.0, 0.0), 1.0)
    plain = footprint_of_box(box, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    seen = footprint_of_box(box, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE, nothing)
    assert plain is not None
    assert seen is not None
    assert np.allclose(plain.shape.bounds, seen.shape.bounds, atol=0.1)


def test_a_box_that_its_class_cannot_fill_is_not_of_that_class() -> None:
    stall = cuboid(1.0, 9.0, 2.2, 1.3, 1.0)
    assert footprint_of_box(box_of(stall), SHAPES["bus"], UPRIGHT, CALIBRATION, SIZE) is None


def test_a_side_cut_by_the_pictures_border_is_not_taken_for_the_things_own() -> None:
    points = bicycle(2.0, 7.0, 0.0)
    whole = box_of(points)
    cut = (whole[0], whole[1], SIZE[0] - 0.5, whole[3])
    shifted = (whole[0], whole[1], whole[2] - 30.0, whole[3])
    at_border = footprint_of_box(cut, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    assert at_border is not None
    assert at_border.shape.bounds[0] == pytest.approx(points[:, 0].min(), abs=0.2)
    inside = footprint_of_box(shifted, SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE)
    assert inside is None or inside.shape.bounds[2] < at_border.shape.bounds[2]


def test_a_thing_whose_foot_is_above_the_horizon_has_no_footprint() -> None:
    assert footprint_of_box((300, -400, 340, -300), SHAPES["bicycle"], UPRIGHT, CALIBRATION, SIZE) is None


@pytest.mark.parametrize(
    ("x", "y", "width", "length", "height"),
    [(0.3, 9.0, 1.2, 1.1, 1.2), (2.4, 8.0, 0.9, 0.8, 0.9), (1.2, 11.0, 1.0, 1.2, 0.5), (2.9, 7.5, 0.6, 0.6, 1.6)],
)
def test_a_silhouette_is_brought_back_to_its_true_base(
    x: float, y: float, width: float, length: float, height: float
) -> None:
    corners = cuboid(x, y, width, length, height)
    found = footprint_of_silhouette(silhouette(corners), (0, 0), 1.0, UPRIGHT, CALIBRATION)
    assert found is not None
    true = Polygon([(x, y), (x + width, y), (x + width, y + length), (x, y + length)])
    left, near, right, far = found.shape.bounds
    assert left == pytest.approx(x, abs=0.12)
    assert right == pytest.approx(x + width, abs=0.12)
    assert near == pytest.approx(y, abs=0.12)
    assert far == pytest.approx(y + length, abs=0.45)
    assert found.shape.intersection(true).area > 0.7 * true.area
    # Without height it would reach as far as its top hides the ground.
    naive = CALIBRATION.to_ground(project(corners))[:, 1].max()
    assert far < y + length + 0.5 * (naive - y - length)


def test_a_flat_thing_keeps_its_width_and_most_of_its_depth() -> None:
    """It might as well be a low thing that hides ground behind it: which, one picture does not say."""
    sheet = cuboid(1.0, 8.0, 2.0, 1.8, 0.02)
    found = footprint_of_silhouette(silhouette(sheet), (0, 0), 1.0, UPRIGHT, CALIBRATION)
    assert found is not None
    left, near, right, far = found.shape.bounds
    assert np.allclose((left, near, right), (1.0, 8.0, 3.0), atol=0.12)
    assert 9.35 < far < 9.9


def test_a_tall_thin_thing_does_not_reach_as_far_as_it_hides_the_ground() -> None:
    post = cuboid(2.0, 9.0, 0.15, 0.15, 1.9)
    found = footprint_of_silhouette(silhouette(post), (0, 0), 1.0, UPRIGHT, CALIBRATION)
    assert found is not None
    assert found.shape.bounds[3] < 9.6


def test_a_reduced_part_of_the_picture_gives_the_same_footprint() -> None:
    mask = silhouette(cuboid(2.4, 8.0, 1.0, 0.6, 0.9))
    whole = footprint_of_silhouette(mask, (0, 0), 1.0, UPRIGHT, CALIBRATION)
    part = footprint_of_silhouette(mask[100:340, 300:], (300, 100), 1.0, UPRIGHT, CALIBRATION)
    assert whole is not None
    assert part is not None
    assert np.allclose(whole.shape.bounds, part.shape.bounds, atol=0.05)


def test_what_a_silhouette_leaves_open_lies_between_two_bounds() -> None:
    """Where it begins one picture says well, how deep it is hardly."""
    found = footprint_of_silhouette(silhouette(cuboid(1.2, 9.0, 1.2, 1.1, 1.2)), (0, 0), 1.0, UPRIGHT, CALIBRATION)
    assert found is not None
    assert found.foot_seen
    assert found.most.buffer(1e-6).contains(found.shape)
    assert found.shape.buffer(1e-6).contains(found.least)
    assert found.least.bounds[3] < 10.1 < found.most.bounds[3]
    assert found.most.bounds[3] - found.least.bounds[3] > 0.15
    assert found.least.bounds[1] == pytest.approx(found.most.bounds[1], abs=0.1)


@pytest.mark.parametrize(("near_m", "height"), [(7.0, 1.2), (7.0, 0.8), (8.2, 1.6)])
def test_of_a_thing_whose_foot_is_below_the_picture_the_reach_is_a_range(near_m: float, height: float) -> None:
    length, end_m = 1.0, 8.2
    mask = silhouette(cuboid(1.2, near_m, 1.1, length, height))
    ((_, end_px),) = project(np.array([(1.7, end_m, 0.0)]))
    seen = mask[: int(end_px)]
    assert seen[-1].any()
    uncut = footprint_of_silhouette(seen, (0, 0), 1.0, UPRIGHT, CALIBRATION)
    found = footprint_of_silhouette(seen, (0, 0), 1.0, UPRIGHT, CALIBRATION, Cut(False, False, True))
    assert uncut is not None
    assert found is not None
    assert uncut.foot_seen
    assert not found.foot_seen
    least = found.least.bounds[3] if not found.least.is_empty else end_m
    assert least - 0.15 <= max(near_m + length, end_m) <= found.most.bounds[3] + 0.15
    assert found.most.bounds[3] - least > 0.3


def test_an_empty_silhouette_has_no_footprint() -> None:
    assert footprint_of_silhouette(np.zeros((20, 20), bool), (0, 0), 1.0, UPRIGHT, CALIBRATION) is None


def test_a_class_has_its_own_size_and_else_that_of_its_group() -> None:
    assert shape_for(ClassGroup.CYCLE, "motorcycle") is SHAPES["motorcycle"]
    assert shape_for(ClassGroup.CYCLE, "cargo bike") is SHAPES["bicycle"]
    assert shape_for(ClassGroup.OBJECT, "bench") is None
