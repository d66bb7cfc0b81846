"""The places file: what it says, what is said of its mistakes, and that a running aggregator takes it whole or not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from aggregator.cli import main
from aggregator.config import load_config
from aggregator.config_file import ConfigError
from aggregator.places import Place, Street, load_places
from aggregator.places_file import PlacesFile
from aggregator.store.tallies import StreetKey
from tests.aggregator.harness import PLAIN, Process, Samples, samples, scrape, total

GOOD = """\
cities:
  - code: "310000"
    name: 上海市
    districts:
      - code: "310101"
        name: 黄浦区
        streets:
          - {code: nanjing-east, name: 南京东路街道, cells: [{code: g1, name: 人民广场东}]}
          - {code: waitan}
cameras:
  - {agent: box-1, camera: gate, place: 310000/310101/nanjing-east/g1, latitude: 31.2353, longitude: 121.4806}
  - {agent: box-1, camera: 桥, place: 310000 / 310101 / waitan / anywhere}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "places.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load_places(file)
    return [problem.removeprefix(f"{file}:") for problem in refused.value.problems]


def test_a_camera_stands_where_the_file_says_and_others_are_unplaced(tmp_path: Path) -> None:
    places = load_places(write(tmp_path, GOOD))
    assert places.of("box-1", "gate") == Place("310000", "310101", "nanjing-east", "g1", 31.2353, 121.4806)
    assert places.street_of("box-1", "桥") == ("310101", "waitan")
    assert places.street_of("box-2", "gate") == ("unplaced", "unplaced")
    assert places.streets[StreetKey("310101", "nanjing-east")] == Street("310000", "上海市", "黄浦区", "南京东路街道")
    assert places.streets[StreetKey("310101", "waitan")].street_name == "waitan"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "camera: 桥",
            "camera: gate",
            "12: cameras[1].camera: camera gate of agent box-1 is listed twice: take one out",
        ),
        (
            "310101 / waitan",
            "310101 / bund",
            "12: cameras[1].place: the street 310000 / 310101 / bund is not listed under cities: add it, or mend it",
        ),
        (
            "nanjing-east/g1",
            "nanjing-east/g2",
            (
                "11: cameras[0].place: the cell 310000 / 310101 / nanjing-east / g2 is not listed under cities: "
                "add it, or mend it"
            ),
        ),
        (
            "310000/310101/nanjing-east/g1",
            "310101/nanjing-east",
            (
                "11: cameras[0].place: '310101/nanjing-east' is not a place: "
                "write city / district / street, or city / district / street / cell"
            ),
        ),
        ("31.2353", "91", "11: cameras[0].latitude: input should be less than or equal to 90 (it is 91)"),
        (
            "121.4806",
            "-180.5",
            "11: cameras[0].longitude: input should be greater than or equal to -180 (it is -180.5)",
        ),
        ("31.2353", ".nan", "11: cameras[0].latitude: input should be a finite number (it is nan)"),
        (", longitude: 121.4806", "", "11: cameras[0]: has no longitude: give both coordinates, or neither"),
        (
            '"310101"',
            "310101",
            (
                "5: cities[0].districts[0].code: 310101 is a number to YAML, which drops leading zeros: "
                'write it in quotes, "310101"'
            ),
        ),
        (
            "{code: waitan}",
            "{code: 外滩}",
            (
                "9: cities[0].districts[0].streets[1].code: '外滩' is not a code: "
                "letters a to z, digits, '.', '_' and '-', 64 at most"
            ),
        ),
        (
            "{code: waitan}",
            "{code: unplaced}",
            (
                "9: cities[0].districts[0].streets[1].code: unplaced is kept for cameras without a place: "
                "choose another code"
            ),
        ),
        (
            "{code: waitan}",
            "{code: nanjing-east, name: Nanjing}",
            (
                "9: cities[0].districts[0].streets[1].code: the street 310000 / 310101 / nanjing-east has two names, "
                "南京东路街道 and Nanjing: keep one of them"
            ),
        ),
        (
            "agent: box-1, camera: 桥",
            "agent: box 1, camera: 桥",
            "12: cameras[1].agent: 'box 1' is not an id: letters, digits, '.', '_' and '-', 64 at most, in quotes",
        ),
        (
            "camera: 桥",
            "camera: 7",
            "12: cameras[1].camera: 7 is not a camera's id: write it as the agent's configuration has it, in quotes",
        ),
        ("name: 上海市", "nmae: 上海市", "3: cities[0].nmae: is not a field that is known here: check its spelling"),
        ("    name: 上海市\n", "    name: 上海市\n    name: x\n", "4: cities[0].name: is given twice"),
        ("{code: waitan}", "&w {code: waitan}\n          - *w", "10: holds an alias, *w: write the entry out"),
        ("{code: waitan}", "[" * 30 + "]" * 30, "9: more than 20 levels within each other"),
    ],
)
def test_a_mistake_is_told_with_line_and_field(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert GOOD.count(old) >= 1
    file = write(tmp_path, GOOD.replace(old, new, 1))
    if "not listed" in expected or "has two names" in expected:
        assert expected in problems(file)
    else:
        assert problems(file) == [expected]


def test_a_district_belongs_to_one_city(tmp_path: Path) -> None:
    other = GOOD.replace(
        "cameras:",
        '  - {code: other, districts: [{code: "310101", name: 黄浦区, streets: [{code: waitan}]}]}\ncameras:',
    )
    told = (
        "10: cities[1].districts[0].code: 310101 is a district of 310000 already: a district's code must be its alone"
    )
    assert problems(write(tmp_path, other)) == [told]


def test_everything_that_is_wrong_is_said_in_one_go_in_order_of_lines(tmp_path: Path) -> None:
    wrong = GOOD.replace("/g1", "/g2").replace("/ waitan", "/ bund").replace(", longitude: 121.4806", "")
    assert [int(problem.partition(":")[0]) for problem in problems(write(tmp_path, wrong))] == [11, 11, 12]


def test_the_check_says_good_or_what_is_wrong(tmp_path: Path, root: Path) -> None:
    good = CliRunner().invoke(main, ["places", "check", str(root / "config/places.yaml")])
    assert (good.exit_code, "2 cameras in 2 streets of 3, 0 without coordinates" in good.stdout) == (0, True)
    bad = CliRunner().invoke(main, ["places", "check", str(write(tmp_path, GOOD.replace("31.2353", "x")))])
    assert (bad.exit_code, bad.stdout) == (2, "")
    assert "places.yaml:11: cameras[0].latitude:" in bad.stderr
    gone = CliRunner().invoke(main, ["places", "check", str(tmp_path / "nowhere.yaml")])
    assert (gone.exit_code, gone.stderr) == (2, f"{tmp_path}/nowhere.yaml: cannot be read: No such file or directory\n")


def test_the_example_and_the_demo_use_the_same_places(root: Path) -> None:
    places = load_config(root / "config/demo/aggregator.yaml").places
    assert places is not None
    assert set(load_places(places).cameras) == {("demo", "kerb"), ("demo", "footbridge")}


def test_ten_thousand_cameras_are_read_within_seconds(tmp_path: Path) -> None:
    lines = [GOOD]
    lines += [f"  - {{agent: box-{n // 5}, camera: c{n}, place: 310000/310101/waitan}}\n" for n in range(10_000)]
    file = write(tmp_path, "".join(lines))
    began = time.process_time()
    assert len(load_places(file).cameras) == 10_002
    assert time.process_time() - began < 10


def test_a_changed_file_is_taken_whole_or_not_at_all(tmp_path: Path) -> None:
    file = write(tmp_path, GOOD)
    places = PlacesFile(file, lambda: datetime.now(UTC))
    places.load()
    first = places.state
    places.look()
    assert places.state is first
    write(tmp_path, GOOD.replace("/ waitan", "/ nanjing-east").replace("31.2353", "131"))
    places.look()
    assert (places.state.good, places.street_of("box-1", "桥").street) == (False, "waitan")
    assert (places.state.places, places.state.loaded_at) == (first.places, first.loaded_at)
    write(tmp_path, GOOD.replace("/ waitan / anywhere", "/ nanjing-east"))
    places.look()
    assert (places.state.good, places.street_of("box-1", "桥").street) == (True, "nanjing-east")
    file.unlink()
    places.look()
    assert (places.state.good, places.street_of("box-1", "桥").street) == (False, "nanjing-east")


@pytest.fixture
def placed(tmp_path: Path) -> Process:
    write(tmp_path, GOOD)
    return Process(tmp_path, PLAIN + "places: places.yaml\n")


def eventually(process: Process, true: Callable[[Samples], bool]) -> Samples:
    for _ in range(100):
        found = samples(scrape(process.metrics))
        if true(found):
            return found
        time.sleep(0.05)
    raise AssertionError(process.log())


def test_a_running_aggregator_reads_the_file_again_when_it_changes_and_on_sighup(
    placed: Process, tmp_path: Path
) -> None:
    def is_good(found: Samples) -> bool:
        return total(found, "clearway_places_last_reload_successful") == 1

    try:
        found = eventually(placed, is_good)
        assert total(found, "clearway_street_cameras", street="waitan", state="unheard") == 1
        assert total(found, "clearway_camera_latitude_degrees", agent="box-1", camera="gate") == 31.2353
        assert total(found, "clearway_places_cameras") == 2
        write(tmp_path, "cities: nothing\n")
        found = eventually(placed, lambda found: not is_good(found))
        assert total(found, "clearway_street_cameras", street="waitan", state="unheard") == 1
        assert "cities: " in placed.log()
        write(tmp_path, GOOD)
        found = eventually(placed, is_good)
        loaded_at = total(found, "clearway_places_last_reload_success_timestamp_seconds")
        os.kill(placed.pid, signal.SIGHUP)
        name = "clearway_places_last_reload_success_timestamp_seconds"
        eventually(placed, lambda found: total(found, name) > loaded_at)
        placed.terminate()
        assert placed.wait() == 0
    finally:
        placed.close()


def test_an_aggregator_does_not_start_with_a_wrong_file(tmp_path: Path) -> None:
    write(tmp_path, GOOD.replace("31.2353", "91"))
    config = tmp_path / "aggregator.yaml"
    config.write_text(PLAIN + "places: places.yaml\n", encoding="utf-8")
    for command in ("serve", "check"):
        told = CliRunner().invoke(main, [command, "--config", str(config)])
        assert told.exit_code == 2
        assert "places.yaml:11: cameras[0].latitude: input should be less than or equal to 90" in told.stderr
