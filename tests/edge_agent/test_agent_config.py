"""A mistake in the configuration is named with file, line and field, all of them in one go."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from edge_agent.config import (
    CalibrationConfig,
    CameraConfig,
    ConfigError,
    ParkingZone,
    PassageZone,
    load_camera,
    load_config,
)
from edge_agent.config_fields import Weekday
from edge_agent.config_file import ConfigFile
from edge_agent.zone_fit import fit_zones, scale_calibration

GOOD = """\
id: quay-7
model: nanodet-g-416
state_dir: state
threads: 2
site:
  time_zone: Europe/Lisbon
  holidays: [2026-04-25, 2026-12-25]
aggregator:
  address: collector.example:50051
metrics:
  listen: "[::1]:9101"
evidence:
  mask_people: true
  max_bytes: 1000000
queue:
  max_bytes: 2097152
  when_full: reject_new
cameras:
  - id: gate
    source: footage/gate.mp4
    start_time: 2026-03-02T08:00:00+00:00
    period_s: 0.5
    size: [1280, 720]
    calibration:
      points:
        - {px: [100, 700], m: [0, 0]}
        - {px: [500, 700], m: [4, 0]}
        - {px: [500, 300], m: [4, 9]}
        - {px: [100, 300], m: [0, 9]}
    detection:
      min_score: 0.3
      tiles: auto
    zones:
      - id: bay
        scenario: parking
        polygon: [[10, 10], [600, 10], [600, 400], [10, 400]]
        min_overlap: 0.5
        dwell_limit_s: {vehicle: 300, truck: 60}
        exempt_classes: [bus]
        schedule:
          except_dates: [2026-06-13]
          windows:
            - hours: "22:00-06:00"
              days: [fri, sat]
              holidays: exclude
              from_date: 2026-01-01
      - id: deck
        scenario: passage
        polygon: [[100, 300], [500, 300], [500, 700], [100, 700]]
        ends: [[[100, 300], [500, 300]], [[100, 700], [500, 700]]]
        limits_m: {blocked: 1.2, narrowed: 1.8}
        dwell_limit_s: {blocked: 60, narrowed: 300}
        blind_close_s: 1800
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(written(folder, text))
    assert "\n".join(caught.value.problems) == str(caught.value)
    return caught.value.problems


def line_of(text: str) -> int:
    """The one line of the good file that holds this text."""
    (number,) = [number for number, line in enumerate(GOOD.splitlines(), 1) if text in line]
    return number


def test_a_good_file_says_what_it_says(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    camera = config.camera("gate")
    bay, deck = camera.zones
    assert isinstance(bay, ParkingZone)
    assert isinstance(deck, PassageZone)
    assert config.site.time_zone == ZoneInfo("Europe/Lisbon")
    assert date(2026, 4, 25) in config.site.holidays
    assert camera.start_time == datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert bay.schedule.windows[0].hours == (22 * 60, 6 * 60)
    assert bay.schedule.windows[0].days == {Weekday.FRI, Weekday.SAT}
    assert bay.schedule.except_dates == {date(2026, 6, 13)}
    assert bay.dwell_limit_s == {"vehicle": 300, "truck": 60}
    assert deck.limits_m.narrowed == 1.8
    assert deck.dwell_limit_s.crowded == 120
    assert deck.blind_close_s == 1800


def test_relative_paths_are_taken_from_the_files_own_folder(tmp_path: Path) -> None:
    config = load_config(written(tmp_path, GOOD))
    assert config.state_dir == str(tmp_path / "state")
    assert config.cameras[0].source == str(tmp_path / "footage" / "gate.mp4")
    live = load_config(written(tmp_path, GOOD.replace("footage/gate.mp4", "rtsp://cam.example/1")))
    assert live.cameras[0].source == "rtsp://cam.example/1"


def test_the_version_is_that_of_the_text(tmp_path: Path) -> None:
    one, same = load_config(written(tmp_path, GOOD)), load_config(written(tmp_path, GOOD))
    other = load_config(written(tmp_path, GOOD.replace("min_overlap: 0.5", "min_overlap: 0.6")))
    assert one.version == same.version != other.version
    assert len(one.version) == 16


@pytest.mark.parametrize(
    ("right", "wrong", "field", "says"),
    [
        ("id: quay-7", "id: quay 7", "id", "'quay 7'"),
        ("id: quay-7", "id: no", "id", "False"),
        ("threads: 2", "threads: 0", "threads", "0"),
        ("threads: 2", "treads: 2", "treads", "spelling"),
        ("time_zone: Europe/Lisbon", "time_zone: Europe/Lisboa", "site.time_zone", "IANA"),
        ("holidays: [2026-04-25, 2026-12-25]", "holidays: [2026-02-30]", "site.holidays[0]", "2026-02-30"),
        ("address: collector.example:50051", "address: collector.example", "aggregator.address", "HOST:PORT"),
        ("address: collector.example:50051", "address: collector.example:70000", "aggregator.address", "70000"),
        ("mask_people: true", "mask_people: false", "evidence", "unmasked_authorised_by"),
        ("max_bytes: 2097152", "max_bytes: 20", "queue.max_bytes", "20"),
        ("when_full: reject_new", "when_full: explode", "queue.when_full", "drop_oldest"),
        ("source: footage/gate.mp4", 'source: ""', "cameras[0].source", "1 character"),
        ("start_time: 2026-03-02T08:00:00+00:00", "start_time: 2026-13-02", "cameras[0].start_time", "2026-13-02"),
        ("period_s: 0.5", "period_s: 0", "cameras[0].period_s", "greater than 0"),
        ("period_s: 0.5", "period_s: .nan", "cameras[0].period_s", "finite"),
        ("period_s: 0.5", "period_s: often", "cameras[0].period_s", "'often'"),
        ("size: [1280, 720]", "size: [1280]", "cameras[0].size", "720|item|missing"),
        ("- {px: [100, 300], m: [0, 9]}", "- {px: [100, 300]}", "cameras[0].calibration.points[3].m", "missing"),
        ("min_score: 0.3", "min_score: 30", "cameras[0].detection.min_score", "less than 1"),
        ("tiles: auto", "tiles: some", "cameras[0].detection.tiles", "'off'"),
        ("- id: bay", "- id: -bay", "cameras[0].zones[0].id", "'-bay'"),
        ("scenario: parking", "scenario: parkng", "cameras[0].zones[0]", "'parkng'"),
        (
            "polygon: [[10, 10], [600, 10], [600, 400], [10, 400]]",
            "polygon: [[10, 10], [600, 400], [600, 10], [10, 400]]",
            "cameras[0].zones[0].polygon",
            "not simple",
        ),
        (
            "polygon: [[10, 10], [600, 10], [600, 400], [10, 400]]",
            "polygon: [[10, 10], [600, 10]]",
            "cameras[0].zones[0].polygon",
            "at least 3",
        ),
        (
            "polygon: [[10, 10], [600, 10], [600, 400], [10, 400]]",
            "polygon: [[10, 10], [600, 10], [1600, 400], [10, 400]]",
            "cameras[0]",
            "outside the picture of 1280x720",
        ),
        ("min_overlap: 0.5", "min_overlap: 1.5", "cameras[0].zones[0].min_overlap", "1.5"),
        (
            "dwell_limit_s: {vehicle: 300, truck: 60}",
            "dwell_limit_s: {vehicle: -1}",
            "cameras[0].zones[0].dwell_limit_s.vehicle",
            "-1",
        ),
        (
            "except_dates: [2026-06-13]",
            "except_dates: [13/06/2026]",
            "cameras[0].zones[0].schedule.except_dates[0]",
            "13/06",
        ),
        ('- hours: "22:00-06:00"', "- hours: 22:00", "cameras[0].zones[0].schedule.windows[0].hours", "quoted"),
        ('- hours: "22:00-06:00"', '- hours: "22:00-25:00"', "cameras[0].zones[0].schedule.windows[0].hours", "25:00"),
        ('- hours: "22:00-06:00"', '- hours: "8:00-8:00"', "cameras[0].zones[0].schedule.windows[0].hours", "empty"),
        ("days: [fri, sat]", "days: [friday]", "cameras[0].zones[0].schedule.windows[0].days[0]", "'fri'"),
        ("days: [fri, sat]", "days: []", "cameras[0].zones[0].schedule.windows[0]", "days"),
        ("holidays: exclude", "holidays: never", "cameras[0].zones[0].schedule.windows[0].holidays", "'only'"),
        (
            "from_date: 2026-01-01",
            "from_date: 2026-02-01\n              to_date: 2026-01-01",
            "cameras[0].zones[0].schedule.windows[0]",
            "after",
        ),
        (
            "ends: [[[100, 300], [500, 300]], [[100, 700], [500, 700]]]",
            "ends: [[[100, 300], [500, 300]]]",
            "cameras[0].zones[1].ends",
            "",
        ),
        (
            "limits_m: {blocked: 1.2, narrowed: 1.8}",
            "limits_m: {blocked: 2.2, narrowed: 1.8}",
            "cameras[0].zones[1].limits_m",
            "less than narrowed",
        ),
        ("blind_close_s: 1800", "blind_close_s: 0", "cameras[0].zones[1].blind_close_s", "greater than 0"),
        ("- id: deck", "- id: bay", "cameras[0]", "used 2 times"),
    ],
)
def test_a_wrong_field_is_named_with_its_line(tmp_path: Path, right: str, wrong: str, field: str, says: str) -> None:
    assert GOOD.count(right) == 1
    found = problems(tmp_path, GOOD.replace(right, wrong))
    assert len(found) == 1, found
    path, line, rest = found[0].split(":", 2)
    assert path == str(tmp_path / "agent.yaml")
    assert rest.startswith(f" {field}")
    assert any(words in rest for words in says.split("|"))
    at = line_of(right)
    whole_section = {"evidence": "evidence:", "cameras[0]": "cameras:", "cameras[0].zones[0]": "- id: bay"}
    assert (
        int(line) == at
        or (field in whole_section and int(line) - line_of(whole_section[field]) in (0, 1))
        or (field.endswith("windows[0]") and int(line) == line_of('- hours: "22:00'))
    )


def test_everything_that_is_wrong_is_said_in_one_go(tmp_path: Path) -> None:
    text = GOOD
    for right, wrong in (
        ("threads: 2", "threads: many"),
        ("Europe/Lisbon", "Lisbon"),
        ("period_s: 0.5", "period_s: -1"),
        ("min_overlap: 0.5", "min_overlap: 0"),
        ("days: [fri, sat]", "days: [fry, sat]"),
        ("blocked: 60,", "bloked: 60,"),
    ):
        text = text.replace(right, wrong)
    found = problems(tmp_path, text)
    assert len(found) == 6
    lines = [int(problem.split(":")[1]) for problem in found]
    expected = ("threads", "time_zone", "period_s", "min_overlap", "days: [fri", "blocked: 60")
    assert sorted(lines) == [line_of(what) for what in expected]


@pytest.mark.parametrize("missing", ["id: quay-7\n", "    source: footage/gate.mp4\n", "        scenario: parking\n"])
def test_a_missing_field_is_said_to_be_missing(tmp_path: Path, missing: str) -> None:
    (problem,) = problems(tmp_path, GOOD.replace(missing, ""))
    assert missing.split(":")[0].strip() in problem or "scenario" in problem
    assert "missing" in problem or "needs a scenario" in problem


def test_a_passage_needs_a_calibration_of_its_own_or_of_its_camera(tmp_path: Path) -> None:
    start, end = GOOD.index("    calibration:"), GOOD.index("    detection:")
    (problem,) = problems(tmp_path, GOOD[:start] + GOOD[end:])
    assert "'deck'" in problem
    assert "calibration" in problem


@pytest.mark.parametrize("threes", ["points", "lengths"])
def test_too_little_to_calibrate_with_is_refused(tmp_path: Path, threes: str) -> None:
    start, end = GOOD.index("      points:"), GOOD.index("    detection:")
    few = {
        "points": "      points: [{px: [1, 2], m: [0, 0]}, {px: [9, 2], m: [1, 0]}, {px: [9, 9], m: [1, 1]}]\n",
        "lengths": "      lengths: [{from_px: [1, 2], to_px: [9, 2], length_m: 2}]\n",
    }[threes]
    (problem,) = problems(tmp_path, GOOD[:start] + few + GOOD[end:])
    assert "at least 4 points" in problem
    assert f":{line_of('calibration:')}: cameras[0].calibration" in problem


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "mapping"),
        ("- 1\n- 2\n", "mapping"),
        ("id: [unclosed\n", ":2: not valid YAML"),
        ("id: a\n\tcameras: []\n", "not valid YAML"),
        ("id: a\ncameras: []\n", "cameras"),
        ("id: a\ncameras: 5\n", "cameras"),
        ("id: a\ncameras: gate\n", "cameras"),
        ("id: a\ncameras: [gate]\n", "cameras[0]"),
        ("id: a\ncameras: {gate: {}}\n", "cameras"),
        ("id: a\nid: b\n", ":2: id: is given twice"),
        ("a: &a {b: *a}\n", "refers to itself"),
        ("1: 2\n", "1"),
        ("!!python/object:os.system {}\n", "not valid YAML"),
        ("? [1, 2]\n: 3\n", "not valid YAML"),
    ],
)
def test_a_file_that_is_no_configuration_gives_one_clear_error(tmp_path: Path, text: str, says: str) -> None:
    found = problems(tmp_path, text)
    assert says in str(found)
    assert all(problem.startswith(f"{tmp_path / 'agent.yaml'}:") for problem in found)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match="cannot be read"):
            load_config(path)
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"id: \xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_config(binary)


def test_a_section_may_be_written_once_and_used_twice(tmp_path: Path) -> None:
    text = GOOD.replace("          windows:", "          windows: &nights").replace(
        "        blind_close_s: 1800", "        schedule:\n          windows: *nights"
    )
    bay, deck = load_config(written(tmp_path, text)).cameras[0].zones
    assert bay.schedule.windows == deck.schedule.windows
    merged = GOOD.replace("    detection:", "    detection: &look").replace(
        "cameras:\n",
        "cameras:\n  - id: yard\n    source: yard.mp4\n    detection: {<<: {tiles: off}, min_score: 0.2}\n",
    )
    with pytest.raises(ConfigError, match=r"tiles"):  # YAML reads a bare off as false
        load_config(written(tmp_path, merged))
    config = load_config(written(tmp_path, merged.replace("tiles: off", "tiles: 'off'")))
    assert config.cameras[0].detection.tiles == "off"


def test_a_camera_that_is_not_there_lists_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'yard'.*gate"):
        load_config(written(tmp_path, GOOD)).camera("yard")


def test_a_camera_section_in_another_file_is_checked_where_it_stands(tmp_path: Path) -> None:
    path = tmp_path / "suite.yaml"
    path.write_text("clips:\n  - camera:\n      id: gate\n      source: clip.mp4\n      period_s: -1\n")
    file = ConfigFile.read(path)
    section = file.data["clips"][0]["camera"]
    with pytest.raises(ConfigError, match=r"suite\.yaml:5: clips\[0\]\.camera\.period_s: .*greater than 0"):
        load_camera(file, section, ("clips", 0, "camera"), tmp_path)
    camera = load_camera(file, section | {"period_s": 1}, ("clips", 0, "camera"), tmp_path)
    assert camera.source == str(tmp_path / "clip.mp4")


def camera_of(folder: Path) -> CameraConfig:
    return load_config(written(folder, GOOD)).cameras[0]


def test_zones_drawn_on_one_size_fit_a_frame_of_another(tmp_path: Path) -> None:
    bay, deck = fit_zones(camera_of(tmp_path), 640, 180)
    assert bay.polygon == ((5, 2.5), (300, 2.5), (300, 100), (5, 100))
    assert isinstance(deck, PassageZone)
    assert deck.ends == (((50, 75), (250, 75)), ((50, 175), (250, 175)))
    assert deck.limits_m.blocked == 1.2


def test_zones_stay_as_they_are_on_the_size_they_were_drawn_on(tmp_path: Path) -> None:
    camera = camera_of(tmp_path)
    assert fit_zones(camera, 1280, 720) == camera.zones
    assert fit_zones(replace(camera, size=None), 640, 720) == camera.zones


def test_zones_that_lie_outside_the_frame_are_all_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        fit_zones(replace(camera_of(tmp_path), size=None), 320, 180)
    assert [("'bay'" in problem, "'deck'" in problem) for problem in caught.value.problems] == [
        (True, False),
        (False, True),
    ]
    assert all("320x180" in problem and "'gate'" in problem for problem in caught.value.problems)


def test_a_calibration_scales_with_the_picture_and_metres_do_not(tmp_path: Path) -> None:
    calibration = camera_of(tmp_path).calibration
    scaled = scale_calibration(calibration, 0.5, 0.25)
    assert calibration is not None
    assert scaled is not None
    assert scaled.points[1].px == (250, 175)
    assert [pair.m for pair in scaled.points] == [pair.m for pair in calibration.points]
    assert scale_calibration(None, 2, 2) is None
    lengths = CalibrationConfig(
        lengths=({"from_px": (0, 10), "to_px": (20, 10), "length_m": 2.0},) * 2  # type: ignore[arg-type]
    )
    halved = scale_calibration(lengths, 0.5, 0.1)
    assert halved is not None
    assert (halved.lengths[0].from_px, halved.lengths[0].to_px, halved.lengths[0].length_m) == ((0, 1), (10, 1), 2.0)


def test_the_example_configuration_is_good(root: Path) -> None:
    assert load_config(root / "config" / "agent.yaml").cameras
