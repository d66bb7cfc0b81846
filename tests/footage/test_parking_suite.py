"""The bundled model on parking scenes whose truth is known, and the same incidents whatever else the machine does."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from edge_agent.evaluation.commands import evaluate

pytestmark = [pytest.mark.footage, pytest.mark.timeout(600)]

SCENES = {
    "street_parked": 7,
    "queue_at_light": 0,
    "night_rain": 0,
    "P1_kerb_parking": 1,
    "P2_queue_negative": 0,
    "P3_double_park": 3,
    "P5_sun_cloud": 1,
    "P6_knock_blackout": 1,
}
"""Scenes of the suite, recorded and made, and how many incidents each holds."""
LATEST_S = 5.0
"""Furthest that an alarm may be from its limit."""
LIMIT_S = 20.0
WITHIN_S = 3.0
BUSY = "import time\nend = time.monotonic() + 240\nwhile time.monotonic() < end: pass"


@pytest.fixture(scope="module")
def scores(root: Path, footage: Path) -> dict[str, dict[str, Any]]:
    """The scores of each scene, by its name."""
    assert (footage / "rendered").is_dir()
    chosen = [part for name in SCENES for part in ("--clip", name)]
    done = CliRunner().invoke(evaluate, [str(root / "tests/suites/parking.yaml"), "--json", *chosen])
    assert done.exit_code == 0, done.stderr
    said = json.loads(done.stdout)
    assert "skipped" not in said
    return {clip["name"]: clip for clip in said["clips"]}


@pytest.mark.parametrize("scene", SCENES)
def test_every_parked_vehicle_is_reported_once_in_time_and_nothing_else(
    scores: dict[str, dict[str, Any]], scene: str
) -> None:
    score = scores[scene]
    assert score["expected"] == SCENES[scene]
    assert (score["found"], score["missed"]) == (score["expected"], 0)
    assert (score["false"], score["duplicates"]) == (0, 0)
    if score["expected"]:
        assert abs(score["alarm_delay_worst_s"]) <= LATEST_S


@pytest.fixture(scope="module")
def config(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An agent with one camera, whose zone lies round the two parked vehicles."""
    folder = tmp_path_factory.mktemp("agent")
    zone = {
        "id": "building-front",
        "scenario": "parking",
        "polygon": [[630, 55], [768, 55], [768, 120], [630, 120]],
        "dwell_limit_s": {"vehicle": LIMIT_S},
    }
    camera = {
        "id": "gate",
        "source": str(footage / "real/opencv/vtest.avi"),
        "start_time": "2026-05-12T10:20:00+08:00",
        "zones": [zone],
    }
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({"id": "box", "state_dir": str(folder / "state"), "cameras": [camera]}))
    return path


def replay(config: Path) -> bytes:
    command = [sys.executable, "-m", "edge_agent.cli", "replay", "--config", str(config), "--json"]
    done = subprocess.run(command, capture_output=True, timeout=240, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@contextmanager
def busy_machine() -> Iterator[None]:
    """Every core has something else to do. What does it ends by itself, and is ended by its own id before that."""
    workers = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(min(os.cpu_count() or 1, 4))]
    try:
        yield
        assert all(worker.poll() is None for worker in workers), "the machine was not busy all along"
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()


@pytest.fixture(scope="module")
def replayed(config: Path) -> bytes:
    return replay(config)


def overlap(box: list[float], other: list[float]) -> float:
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    areas = [(side[2] - side[0]) * (side[3] - side[1]) for side in (box, other)]
    return shared / (sum(areas) - shared)


def test_two_parked_vehicles_are_two_incidents_that_open_at_the_limit(replayed: bytes, footage: Path) -> None:
    truth = json.loads((footage / "real/opencv/vtest.truth.json").read_text(encoding="utf-8"))
    vehicles = [event["box"] for event in truth["events"] if event["kind"] == "stay"]
    assert len(vehicles) == 2
    events = [json.loads(line) for line in replayed.splitlines()]
    opened = [event for event in events if event["event"] == "opened"]
    assert len(opened) == len({event["incident_id"] for event in events}) == 2
    for event in opened:
        assert (event["scenario"], event["class_group"], event["zone"]) == ("parking", "vehicle", "building-front")
        assert abs(event["media_time_s"] - event["stay_from_s"] - LIMIT_S) <= WITHIN_S
        assert abs(event["media_time_s"] - LIMIT_S) <= WITHIN_S
    for vehicle in vehicles:
        assert len([event for event in opened if overlap(event["box"], vehicle) >= 0.3]) == 1


def test_a_second_run_says_the_same_to_the_byte(config: Path, replayed: bytes) -> None:
    assert replay(config) == replayed


def test_a_run_on_a_busy_machine_says_the_same_to_the_byte(config: Path, replayed: bytes) -> None:
    with busy_machine():
        again = replay(config)
    assert again == replayed
