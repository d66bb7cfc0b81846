"""Recorded bags that are left and, played backwards, taken by their owners: found in time, and no ghost remains."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_agent.incident_event import IncidentPhase
from edge_agent.pipeline import Observation
from tests.footage.passage_clips import Shown, backwards, clip_of, in_light, played, source_of, there_and_back

pytestmark = [pytest.mark.footage, pytest.mark.timeout(600)]

PAVEMENT, STILLS, LOBBY = "bag_pavement_25s", "bag_pavement_stills", "bag_lobby_night"
TRUTHS = {PAVEMENT: "video4", STILLS: "video03_1fps", LOBBY: "video05_1fps"}
FOUND_S = 15.0
GONE_S = {PAVEMENT: 5.0, STILLS: 5.0, LOBBY: 15.0}
"""In the lobby, who takes the bag goes on standing before its place for 22 s, with the ground in sight beside his legs
from the seventh second on."""
GHOST_S = 15.0

Box = tuple[float, float, float, float]


def bag_of(footage: Path, name: str) -> tuple[float, Box]:
    """Since when the bag stands there, and where."""
    truth = json.loads((footage / "real/aboda" / f"{TRUTHS[name]}.truth.json").read_text(encoding="utf-8"))
    event = truth["events"][0]
    return float(event["from_s"]), tuple(event["box"])


def meets(box: Box, other: Box) -> bool:
    return box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]


def stands(seen: Observation, place: Box) -> bool:
    """Whether something is taken to stand at a place."""
    (passage,) = seen.passages.values()
    width = passage.clear_width.width_m
    return width is not None and any(meets(obstacle.box, place) for obstacle in passage.obstacles)


def times_of(seen: list[Observation], place: Box) -> list[float]:
    return [frame.frame.media_time_s for frame in seen if stands(frame, place)]


def open_at_end(seen: list[Observation]) -> set[str]:
    still: set[str] = set()
    for event in (event for frame in seen for event in frame.events):
        if event.phase is IncidentPhase.CLOSED:
            still.discard(event.incident_id)
        else:
            still.add(event.incident_id)
    return still


@pytest.fixture(scope="module")
def there_and_back_seen(root: Path, footage: Path) -> dict[str, list[Observation]]:
    assert footage.is_dir()
    return {name: played(root, clip_of(root, name).camera, there_and_back(source_of(root, name))) for name in TRUTHS}


@pytest.mark.parametrize("name", TRUTHS)
def test_a_bag_is_found_after_it_was_left_and_gone_when_its_owner_has_taken_it(
    there_and_back_seen: dict[str, list[Observation]], root: Path, footage: Path, name: str
) -> None:
    seen = there_and_back_seen[name]
    left_s, place = bag_of(footage, name)
    taken_s = 2 * source_of(root, name).shown[-1].media_time_s - left_s
    times = times_of(seen, place)
    assert left_s <= min(times) <= left_s + FOUND_S
    assert max(times) <= taken_s + GONE_S[name]
    closed = [
        frame.frame.media_time_s for frame in seen for event in frame.events if event.phase is IncidentPhase.CLOSED
    ]
    assert len(closed) == 1
    assert abs(closed[0] - taken_s) <= GONE_S[name]
    assert open_at_end(seen) == set()


def test_a_bag_that_stood_there_from_the_start_leaves_no_ghost(root: Path, footage: Path) -> None:
    name = PAVEMENT
    source = source_of(root, name)
    left_s, place = bag_of(footage, name)
    taken_s = source.shown[-1].media_time_s - left_s
    seen = played(root, clip_of(root, name).camera, backwards(source))
    assert [at_s for at_s in times_of(seen, place) if at_s > taken_s + GHOST_S] == []
    assert open_at_end(seen) == set()


def test_a_bag_stays_one_thing_while_the_light_goes_and_comes(root: Path, footage: Path) -> None:
    """A cloud: the light sinks by a third and comes back, slowly, while the bag stands there."""
    source: Shown = source_of(root, PAVEMENT)
    left_s, place = bag_of(footage, PAVEMENT)
    end_s = source.shown[-1].media_time_s

    def cloud(at_s: float) -> float:
        middle_s, half_s = (left_s + end_s) / 2 + 4, 10.0
        return 1 - 0.33 * max(0.0, 1 - abs(at_s - middle_s) / half_s)

    seen = played(root, clip_of(root, PAVEMENT).camera, in_light(source, cloud))
    events = [event for frame in seen for event in frame.events]
    assert [event.phase for event in events].count(IncidentPhase.OPENED) == 1
    assert [event.phase for event in events].count(IncidentPhase.CLOSED) == 0
    assert left_s <= min(times_of(seen, place)) <= left_s + FOUND_S
