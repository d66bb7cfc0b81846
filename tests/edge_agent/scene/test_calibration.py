"""A calibration puts pixels on the ground, says how well, and refuses what cannot be right."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from edge_agent.commands.calibrate import calibrate
from edge_agent.config import CalibrationConfig, KnownLength, PointPair
from edge_agent.scene.calibration import Calibration, CalibrationError

SIZE = (960, 540)
DECK = [(0.0, 0.0), (4.0, 0.0), (4.0, 14.0), (0.0, 14.0)]


def camera(yaw_deg: float = 3.0, pitch_deg: float = 25.0, height_m: float = 4.6, focal: float = 866.0) -> np.ndarray:
    """Homography from metres (x across, y along a deck) to pixels of a pinhole camera before the deck's near end."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    ahead = np.array([np.sin(yaw) * np.cos(pitch), np.cos(yaw) * np.cos(pitch), -np.sin(pitch)])
    right = np.array([np.cos(yaw), -np.sin(yaw), 0.0])
    down = np.cross(ahead, right)
    turn = np.stack([right, down, ahead])
    place = np.array([1.5, -6.0, height_m])
    lens = np.array([[focal, 0, SIZE[0] / 2], [0, focal, SIZE[1] / 2], [0, 0, 1]])
    return lens @ np.column_stack([turn[:, 0], turn[:, 1], -turn @ place])


def project(homography: np.ndarray, points: list[tuple[float, float]]) -> np.ndarray:
    mapped = np.column_stack([np.array(points), np.ones(len(points))]) @ homography.T
    return mapped[:, :2] / mapped[:, 2:]


def points_config(pixels: np.ndarray, metres: list[tuple[float, float]], **more: float) -> CalibrationConfig:
    pairs = tuple(PointPair(px=(float(p[0]), float(p[1])), m=m) for p, m in zip(pixels, metres, strict=True))
    return CalibrationConfig(points=pairs, **more)


def length(homography: np.ndarray, a: tuple[float, float], b: tuple[float, float]) -> KnownLength:
    from_px, to_px = (tuple(map(float, p)) for p in project(homography, [a, b]))
    return KnownLength(from_px=from_px, to_px=to_px, length_m=float(np.hypot(a[0] - b[0], a[1] - b[1])))


def test_four_exact_points_give_the_ground_back_and_admit_that_nothing_checks_them() -> None:
    truth = camera()
    found = Calibration.from_config(points_config(project(truth, DECK), DECK))
    inside = [(1.0, 2.0), (3.0, 9.0), (2.0, 13.0)]
    assert np.allclose(found.to_ground(project(truth, inside)), inside, atol=1e-6)
    assert np.allclose(found.to_pixels(np.array(inside)), project(truth, inside), atol=1e-6)
    assert found.residual_m < 1e-9
    assert not found.redundant


def test_more_points_report_how_far_they_disagree() -> None:
    rng = np.random.default_rng(5)
    metres = [(x, y) for x in (0.0, 2.0, 4.0) for y in (0.0, 7.0, 14.0)]
    marked = project(camera(), metres) + rng.normal(0, 1.0, (9, 2))
    found = Calibration.from_config(points_config(marked, metres))
    assert found.redundant
    assert 0.005 < found.rms_m <= found.residual_m < 0.15


def test_the_stated_uncertainty_is_what_repeated_marking_scatters_by() -> None:
    truth, rng = camera(), np.random.default_rng(7)
    probe = project(truth, [(0.5, 7.0), (3.5, 7.0)])
    widths, places = [], []
    for _ in range(300):
        marked = project(truth, DECK) + rng.normal(0, 1.5, (4, 2))
        ground = Calibration.from_config(points_config(marked, DECK)).to_ground(probe)
        widths.append(np.linalg.norm(ground[1] - ground[0]))
        places.append(ground[0])
    exact = Calibration.from_config(points_config(project(truth, DECK), DECK))
    assert exact.length_uncertainty_m(probe[0], probe[1]) == pytest.approx(np.std(widths), rel=0.2)
    spread = np.sqrt(np.linalg.eigvalsh(np.cov(np.array(places).T))[1])
    assert exact.uncertainty_m(probe[0]) == pytest.approx(spread, rel=0.2)
    assert exact.length_uncertainty_m(probe[0], probe[1], 3.0) > exact.length_uncertainty_m(probe[0], probe[1])


def test_a_pixel_spans_more_ground_far_away_than_near() -> None:
    found = Calibration.from_config(points_config(project(camera(), DECK), DECK))
    near, far = (found.pixel_scale(project(camera(), [(2.0, y)])[0]) for y in (1.0, 13.0))
    assert near[0] < far[0]
    assert near[1] < far[1]
    assert near[0] < near[1]


@pytest.mark.parametrize("yaw_deg", [0.0, 3.0, 25.0])
def test_two_widths_and_a_length_along_calibrate_a_level_camera(yaw_deg: float) -> None:
    truth = camera(yaw_deg, focal=700.0)
    lengths = (
        length(truth, (0.0, 0.0), (4.0, 0.0)),
        length(truth, (0.0, 14.0), (4.0, 14.0)),
        length(truth, (0.0, 0.0), (0.0, 14.0)),
    )
    found = Calibration.from_config(CalibrationConfig(lengths=lengths), SIZE)
    assert found.residual_m < 0.03
    for y in (1.0, 7.0, 13.0):
        ends = found.to_ground(project(truth, [(0.6, y), (2.1, y)]))
        assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(1.5, abs=0.03)


def test_two_widths_alone_leave_lengths_along_the_passage_less_certain() -> None:
    truth = camera(0.0, focal=1100.0)
    widths = (length(truth, (0.0, 0.0), (4.0, 0.0)), length(truth, (0.0, 14.0), (4.0, 14.0)))
    along = length(truth, (4.0, 0.0), (4.0, 14.0))
    two = Calibration.from_config(CalibrationConfig(lengths=widths), SIZE)
    three = Calibration.from_config(CalibrationConfig(lengths=(*widths, along)), SIZE)
    across_px, along_px = project(truth, [(1.0, 7.0), (3.0, 7.0)]), project(truth, [(2.0, 4.0), (2.0, 8.0)])
    across = two.to_ground(across_px)
    assert np.linalg.norm(across[1] - across[0]) == pytest.approx(2.0, abs=0.05)
    assert two.length_uncertainty_m(*along_px) > 3 * three.length_uncertainty_m(*along_px)
    stretch = two.to_ground(along_px)
    error_m = abs(np.linalg.norm(stretch[1] - stretch[0]) - 4.0)
    assert error_m < 3 * two.length_uncertainty_m(*along_px)


def test_lengths_that_contradict_each_other_are_refused() -> None:
    truth = camera()
    good = [length(truth, (0.0, y), (4.0, y)) for y in (0.0, 5.0, 14.0)]
    wrong = KnownLength(from_px=good[1].from_px, to_px=good[1].to_px, length_m=6.5)
    with pytest.raises(CalibrationError, match="disagrees with itself"):
        Calibration.from_config(CalibrationConfig(lengths=(good[0], wrong, good[2])), SIZE)


def test_lengths_need_the_size_of_the_picture() -> None:
    lengths = tuple(length(camera(), (0.0, y), (4.0, y)) for y in (0.0, 14.0))
    with pytest.raises(CalibrationError, match="size of the picture"):
        Calibration.from_config(CalibrationConfig(lengths=lengths))


def test_points_near_one_line_are_refused() -> None:
    metres = [(1.0, 0.0), (1.02, 4.0), (1.0, 8.0), (1.01, 14.0)]
    with pytest.raises(CalibrationError, match="near one line"):
        Calibration.from_config(points_config(project(camera(), metres), metres))


def test_three_of_four_points_on_a_line_are_refused() -> None:
    metres = [(0.0, 0.0), (2.0, 0.0), (4.0, 0.0), (2.0, 10.0)]
    with pytest.raises(CalibrationError, match="do not fix the ground"):
        Calibration.from_config(points_config(project(camera(), metres), metres))


def test_two_swapped_points_are_refused() -> None:
    pixels = project(camera(), DECK)[[0, 1, 3, 2]]
    with pytest.raises(CalibrationError, match="far side of the horizon"):
        Calibration.from_config(points_config(pixels, DECK))


@pytest.mark.parametrize(
    "mirrored",
    [
        pytest.param([(4.0 - x, y) for x, y in DECK], id="left for right"),
        pytest.param([(x, 14.0 - y) for x, y in DECK], id="y towards the camera"),
        pytest.param([(y, x) for x, y in DECK], id="x and y exchanged"),
    ],
)
@pytest.mark.parametrize("yaw_deg", [-25.0, 3.0])
def test_a_mirror_image_of_the_ground_is_refused(mirrored: list[tuple[float, float]], yaw_deg: float) -> None:
    with pytest.raises(CalibrationError, match=r"mirror image.*y must point away from the camera"):
        Calibration.from_config(points_config(project(camera(yaw_deg), DECK), mirrored))


def test_the_same_point_twice_is_refused() -> None:
    metres = [(0.0, 0.0), (0.0, 0.0), (4.0, 14.0), (0.0, 14.0)]
    with pytest.raises(CalibrationError, match="do not fix the ground"):
        Calibration.from_config(points_config(project(camera(), metres), metres))


def test_a_wrong_measurement_among_many_is_refused_by_name() -> None:
    metres = [(x, y) for x in (0.0, 4.0) for y in (0.0, 7.0, 14.0)]
    pixels = project(camera(), metres)
    told = [*metres[:4], (4.0, 9.0), metres[5]]
    with pytest.raises(CalibrationError, match=r"disagrees with itself by \d+ cm at point"):
        Calibration.from_config(points_config(pixels, told))


def test_axes_that_point_elsewhere_measure_the_same() -> None:
    turned = [(y - 3.0, 2.0 - x) for x, y in DECK]
    found = Calibration.from_config(points_config(project(camera(), DECK), turned))
    ends = found.to_ground(project(camera(), [(0.6, 7.0), (2.1, 7.0)]))
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(1.5)
    found.require_ground(project(camera(), DECK).tolist())


def test_a_zone_across_the_horizon_is_refused() -> None:
    found = Calibration.from_config(points_config(project(camera(), DECK), DECK))
    assert np.isnan(found.to_ground([[480.0, -250.0]])).all()
    with pytest.raises(CalibrationError, match="horizon"):
        found.require_ground([[300.0, 500.0], [650.0, 500.0], [480.0, -250.0]])


def test_the_ground_follows_a_picture_that_moved_or_was_scaled() -> None:
    found = Calibration.from_config(points_config(project(camera(), DECK), DECK))
    here = project(camera(), [(1.0, 5.0), (3.0, 5.0)])
    shift = np.array([12.0, -7.0])
    assert np.allclose(found.shifted((12.0, -7.0)).to_ground(here + shift), [(1.0, 5.0), (3.0, 5.0)])
    assert np.allclose(found.scaled(0.5, 0.25).to_ground(here * [0.5, 0.25]), [(1.0, 5.0), (3.0, 5.0)])
    assert found.shifted((12.0, -7.0)).length_uncertainty_m(*(here + shift)) == pytest.approx(
        found.length_uncertainty_m(*here), rel=1e-6
    )


def write_camera(folder: Path, pixels: list[list[float]], metres: list[list[float]]) -> Path:
    stills = folder / "stills"
    stills.mkdir()
    cv2.imwrite(str(stills / "a.png"), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    (stills / "index.json").write_text(json.dumps({"frames": [{"file": "a.png", "t_s": 0.0}]}))
    config = {
        "id": "agent-1",
        "cameras": [
            {
                "id": "bridge",
                "source": "stills",
                "zones": [
                    {
                        "id": "deck",
                        "scenario": "passage",
                        "polygon": pixels,
                        "ends": [[pixels[0], pixels[1]], [pixels[3], pixels[2]]],
                        "calibration": {
                            "points": [{"px": p, "m": m} for p, m in zip(pixels, metres, strict=True)],
                        },
                    }
                ],
            }
        ],
    }
    path = folder / "agent.yaml"
    path.write_text(json.dumps(config))
    return path


def test_the_command_draws_a_grid_and_says_how_wide_the_empty_deck_is(tmp_path: Path) -> None:
    config = write_camera(tmp_path, project(camera(), DECK).tolist(), [list(m) for m in DECK])
    out = tmp_path / "grid.png"
    result = CliRunner().invoke(calibrate, ["--config", str(config), "--camera", "bridge", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "4.00 m" in result.stdout
    picture = cv2.imread(str(out))
    across = project(camera(), [(1.0, 6.5)])[0]
    window = picture[int(across[1]) - 2 : int(across[1]) + 3, int(across[0]) - 2 : int(across[0]) + 3]
    assert (window[:, :, 1] > 150).any()


def test_the_command_refuses_a_bad_calibration_in_one_sentence(tmp_path: Path) -> None:
    metres = [list(m) for m in (DECK[0], DECK[1], DECK[3], DECK[2])]
    config = write_camera(tmp_path, project(camera(), DECK).tolist(), metres)
    result = CliRunner().invoke(calibrate, ["--config", str(config), "--camera", "bridge"])
    assert result.exit_code == 1
    assert "zone 'deck'" in result.stderr
    assert "horizon" in result.stderr
    assert "Traceback" not in result.output


def test_the_command_names_the_cameras_there_are(tmp_path: Path) -> None:
    config = write_camera(tmp_path, project(camera(), DECK).tolist(), [list(m) for m in DECK])
    result = CliRunner().invoke(calibrate, ["--config", str(config), "--camera", "nowhere"])
    assert result.exit_code == 2
    assert "there are: bridge" in result.stderr


def test_the_made_scenes_are_measured_to_the_centimetre(footage: Path) -> None:
    for path in sorted((footage / "rendered").glob("B*.truth.json")):
        truth = json.loads(path.read_text())
        passage = truth["passage"]
        found = Calibration.from_config(
            points_config(np.array(passage["polygon_px"]), [tuple(m) for m in passage["polygon_m"]])
        )
        for event in truth["events"]:
            footprint = [(x, y) for x, y in event["footprint_m"]]
            pixels = project(np.array(truth["homography_m_to_px"]), footprint)
            assert np.abs(found.to_ground(pixels) - footprint).max() < 0.01, path.name
