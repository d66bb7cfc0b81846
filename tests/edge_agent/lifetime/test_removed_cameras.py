"""A camera that is no longer in the configuration leaves no incident open for ever."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.incident_event import IncidentEvent
from edge_agent.lifetime.removed_cameras import retire, state_file_of
from tests.edge_agent.street_pipeline import Watch
from tests.edge_agent.synthetic_street import Street, standing, steps


@pytest.fixture(scope="module")
def state() -> tuple[dict[str, object], str]:
    """What is kept of a camera with one open incident, and that incident's id."""
    watch = Watch(Street((standing("car", 100, 110, 10, 400),))).see(steps(0, 60))
    (opened,) = [event for event in watch.events if event.phase.value == "opened"]
    return json.loads(json.dumps(watch.pipeline.dump())), opened.incident_id


class Heard:
    """Notes what is emitted, and whether the state was still there then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[IncidentEvent] = []

    def __call__(self, camera: str, events: tuple[IncidentEvent, ...]) -> None:
        assert state_file_of(self.folder, camera).path.exists(), "forgotten before it was emitted"
        self.events += events


def test_its_open_incidents_end_as_superseded_at_the_moment_it_last_saw_and_it_is_forgotten(
    tmp_path: Path, state: tuple[dict[str, object], str]
) -> None:
    for camera in ("gone", "stays"):
        state_file_of(tmp_path, camera).write(state[0])
    heard = Heard(tmp_path)
    retire(tmp_path, ["stays"], heard)
    (closed,) = heard.events
    assert (closed.incident_id, closed.phase.value) == (state[1], "closed")
    assert closed.close_reason is not None
    assert closed.close_reason.value == "superseded"
    assert closed.media_time_s == 60
    assert not state_file_of(tmp_path, "gone").path.exists()
    assert state_file_of(tmp_path, "stays").read() == state[0]
    retire(tmp_path, ["stays"], heard)
    assert len(heard.events) == 1


@pytest.mark.parametrize(
    "text", ["{", "[]", "{}", '{"incidents": 5, "last": null}', '{"incidents": {"open": [7]}, "last": {}}']
)
def test_state_that_cannot_be_read_is_set_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / "gone.json").write_text(text)
    heard = Heard(tmp_path)
    retire(tmp_path, [], heard)
    assert heard.events == []
    assert (tmp_path / "gone.damaged").read_text() == text


def test_a_folder_that_is_not_there_holds_no_camera(tmp_path: Path) -> None:
    retire(tmp_path / "none", ["gate"], Heard(tmp_path))
