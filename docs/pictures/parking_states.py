"""Makes docs/pictures/parking-states.jpg from a bundled recording: python docs/pictures/parking_states.py"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from edge_agent.capture.frame import Image
from edge_agent.capture.open_source import open_source
from edge_agent.config import ParkingZone
from edge_agent.evaluation.agent_player import AgentPlayer
from edge_agent.evaluation.suite import load_suite
from edge_agent.evidence.drawing import AMBER, CYAN, GREEN, INK, RED, VIOLET, WHITE, box_outline, label, outline
from edge_agent.pipeline import Observation
from edge_agent.scenarios.finding import FindingState
from edge_agent.scene.foot import CORNER_SHARE, FOOT_SHARE
from edge_agent.scene.stay import Box, Stay, StayState

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = Path(__file__).with_name("parking-states.jpg")
COLOURS = {StayState.OBSERVED: GREEN, StayState.OCCLUDED: AMBER, StayState.UNKNOWN: VIOLET, StayState.ABSENT: WHITE}
SHOWN_S = 36.0
QUALITY = 82


def main() -> None:
    """Play the recording, draw one moment of it, and below it what every moment said of the parked car."""
    suite = load_suite(ROOT / "tests/suites/demo.yaml")
    (clip,) = suite.choose(("P1_kerb_parking",))
    (zone,) = clip.camera.zones
    assert isinstance(zone, ParkingZone)
    source = open_source(clip.camera, suite.site.time_zone)
    seen = list(AgentPlayer("nanodet-g-416")(clip.camera, suite.site, source))
    opened = next(finding for moment in seen for finding in moment.findings if finding.state is FindingState.VIOLATION)
    assert opened.subject is not None
    car = opened.subject.stay_id
    shown = min(seen, key=lambda moment: abs(moment.frame.media_time_s - SHOWN_S))
    stay = stay_of(shown, car)
    assert stay is not None
    image = shown.frame.image.copy()
    outline(image, zone.polygon, CYAN)
    label(image, f"zone {zone.id}", min(zone.polygon), CYAN)
    foot = ground_contact(stay.box)
    outline(image, foot, RED)
    label(image, "ground contact", (foot[3][0], foot[3][1] + 26), RED)
    box_outline(image, stay.box, COLOURS[stay.state])
    dwell = stay.dwell
    sums = f"{stay.state}: {dwell.observed_s:.0f} s observed, {dwell.occluded_s:.0f} s occluded"
    label(image, sums, (stay.box[0], stay.box[1] - 4), COLOURS[stay.state])
    bar = timeline(image.shape[1], seen, car, {"limit": stay.from_s + opened.limit_s, "picture above": SHOWN_S})
    coded = cv2.imencode(".jpg", np.concatenate([image, bar]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
    PICTURE.write_bytes(coded.tobytes())


def stay_of(moment: Observation, stay_id: str) -> Stay | None:
    """The car's stay at one moment."""
    return next((stay for stay in moment.stays if stay.stay_id == stay_id), None)


def ground_contact(box: Box) -> Sequence[tuple[float, float]]:
    """The corners of the part of a box that counts as standing on the ground."""
    x1, y1, x2, y2 = box
    side, top = CORNER_SHARE * (x2 - x1), y2 - FOOT_SHARE * (y2 - y1)
    return (x1 + side, top), (x2 - side, top), (x2 - side, y2), (x1 + side, y2)


def timeline(width: int, seen: Sequence[Observation], stay_id: str, marks: dict[str, float]) -> Image:
    """A bar with a colour for each moment's state of the stay, marks above it and the names of the states below."""
    bar = np.full((110, width, 3), INK, np.uint8)
    last_s = seen[-1].frame.media_time_s + 1
    for moment in seen:
        stay = stay_of(moment, stay_id)
        if stay is not None and stay.standing:
            left, right = (
                round(at_s / last_s * width) for at_s in (moment.frame.media_time_s, moment.frame.media_time_s + 1)
            )
            bar[44:70, left:right] = COLOURS[stay.state]
    for text, at_s in marks.items():
        across = round(at_s / last_s * width)
        cv2.line(bar, (across, 34), (across, 74), WHITE, 2)
        label(bar, f"{text} {at_s:.0f} s", (across + 2 if text != "limit" else across - 96, 32), WHITE)
    for number, (state, colour) in enumerate(COLOURS.items()):
        label(bar, "gone, said once" if state is StayState.ABSENT else state, (14.0 + 150 * number, 102), colour)
    return bar


if __name__ == "__main__":
    main()
