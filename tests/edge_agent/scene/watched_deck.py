"""A meter that watches the made deck, and what the tests ask of it."""

from __future__ import annotations

import numpy as np

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scenarios.moment import Passage
from edge_agent.scene.camera_state import View
from edge_agent.scene.passage_meter import PassageMeter
from edge_agent.scene.second_look import LookAt
from edge_agent.scene.stay import Dwell, Stay, StayState
from tests.edge_agent.scene.made_deck import SEEING, SIZE, ZONE, calibration, cuboid, detected, frame, project

CRATE = (cuboid(0.1, 9.0, 1.4, 1.2, 0.9), (40, 90, 190))
"""Leaves 2.5 m of 4 m."""


class Watch:
    """A meter that is shown pictures at a steady period."""

    def __init__(self, period_s: float = 1.0, meter: PassageMeter | None = None) -> None:
        self.meter = meter or PassageMeter(ZONE, calibration(), SIZE)
        self.period_s, self.now_s = period_s, 0.0

    def show(
        self,
        picture: np.ndarray,
        seconds: float,
        detections: Detections | None = None,
        stays: tuple[Stay, ...] = (),
        view: View = SEEING,
        look_at: LookAt | None = None,
    ) -> Passage:
        for _ in range(max(round(seconds / self.period_s), 1)):
            passage = self.meter.measure(
                frame(picture, self.now_s), view, detections or detected(), stays, look_at or (lambda _: detected())
            )
            self.now_s += self.period_s
        return passage


def width(passage: Passage) -> float:
    assert passage.clear_width.width_m is not None
    return passage.clear_width.width_m


def stay_of(corners: np.ndarray, name: str, group: ClassGroup, **more: object) -> Stay:
    pixels = project(corners)
    box = (*pixels.min(axis=0).tolist(), *pixels.max(axis=0).tolist())
    fields = {
        "stay_id": "s1",
        "class_group": group,
        "class_name": name,
        "box": box,
        "state": StayState.OBSERVED,
        "standing": True,
        "from_s": 0.0,
        "open_start": True,
        "last_observed_s": 0.0,
        "dwell": Dwell(),
        "score": 0.7,
    }
    return Stay(**{**fields, **more})  # type: ignore[arg-type]
