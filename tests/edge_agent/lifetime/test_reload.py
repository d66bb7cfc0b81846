"""A configuration for an agent that runs is checked as far as it can be without opening what may be away."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from edge_agent.config import AgentConfig, ConfigError, LifetimeConfig, QueueConfig, load_config
from edge_agent.lifetime.reload import all_again, check_reload
from tests.edge_agent.street_pipeline import parking_zone

SIZES = {"gate": (320, 180)}


@pytest.fixture
def running(tmp_path: Path) -> AgentConfig:
    file = tmp_path / "agent.yaml"
    file.write_text("id: box-1\ncameras: [{id: gate, source: 'rtsp://camera.example/1'}]\n")
    return load_config(file)


def problems(running: AgentConfig, wanted: AgentConfig) -> list[str]:
    try:
        check_reload(running, wanted, SIZES)
    except ConfigError as error:
        return error.problems
    return []


def gate(running: AgentConfig, **changes: object) -> AgentConfig:
    return replace(running, cameras=(replace(running.cameras[0], **changes),))  # type: ignore[arg-type]


def test_what_can_be_changed_may_be_changed(running: AgentConfig) -> None:
    assert problems(running, running) == []
    assert problems(running, gate(running, zones=(parking_zone(),), period_s=5.0)) == []
    assert problems(running, replace(running, lifetime=LifetimeConfig(stuck_after_s=90), version="other")) == []


def test_everything_that_cannot_be_changed_is_named_in_one_go(running: AgentConfig) -> None:
    wanted = replace(running, id="box-2", queue=QueueConfig(max_bytes=2**21), state_dir="/elsewhere", threads=1)
    found = problems(running, wanted)
    assert [problem.partition(":")[0] for problem in found] == ["id", "state_dir", "queue", "threads"]
    assert all("restart the agent" in problem for problem in found)


def test_a_model_that_is_not_there_and_a_class_that_it_does_not_know_are_named(running: AgentConfig) -> None:
    (problem,) = problems(running, replace(running, model="resnet-9000"))
    assert "camera 'gate'" in problem
    assert "resnet-9000" in problem
    zone = parking_zone(dwell_limit_s={"tram": 5})
    (problem,) = problems(running, gate(running, zones=(zone,)))
    assert "'tram'" in problem


def test_zones_of_a_live_camera_are_laid_over_the_pictures_that_it_sent_so_far(running: AgentConfig) -> None:
    outside = parking_zone(polygon=[(20, 90), (2000, 90), (2000, 120), (20, 120)])
    (problem,) = problems(running, gate(running, zones=(outside,)))
    assert "320x180" in problem
    assert problems(running, gate(running, zones=(outside,), source="rtsp://camera.example/2")) == []
    assert problems(running, gate(running, zones=(outside,), id="new")) == []


def test_a_recording_is_opened(running: AgentConfig, tmp_path: Path) -> None:
    (problem,) = problems(running, gate(running, source=str(tmp_path / "gone.mp4")))
    assert "gone.mp4" in problem


def test_what_every_camera_goes_by_starts_all_of_them_again(running: AgentConfig) -> None:
    holidays = replace(running.site, holidays=frozenset({date(2026, 10, 1)}))
    assert all_again(running, replace(running, site=holidays))
    assert all_again(running, replace(running, model="other"))
    assert not all_again(running, gate(running, period_s=9.0))
