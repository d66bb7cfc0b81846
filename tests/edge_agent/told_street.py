"""A drawn street whose detector says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from edge_agent.detection.detections import ClassGroup, Detections
from edge_agent.scene.memory import SceneMemory
from edge_agent.scene.memory_rules import MemoryRules
from edge_agent.scene.stay import Box
from tests.edge_agent.synthetic_street import SEEING, Street, Watched, standing

LORRY: Box = (80.0, 50.0, 200.0, 120.0)
CAB: Box = (82.0, 60.0, 132.0, 118.0)
LOAD: Box = (140.0, 66.0, 198.0, 118.0)
RULES = MemoryRules()
ARRIVES_S = 10.0
CAR: Box = (100.0, 74.0, 160.0, 110.0)

Sight = tuple[Box, float]
Say = Callable[[float], Iterable[Sight]]


def cars(sights: Iterable[Sight], group: ClassGroup = ClassGroup.VEHICLE) -> Detections:
    best_first = sorted(sights, key=lambda sight: -sight[1])
    if not best_first:
        return Detections.empty()
    places = np.array([box for box, _ in best_first], np.float32)
    scores = np.array([score for _, score in best_first], np.float32)
    return Detections(places, scores, ("car",) * len(best_first), (group,) * len(best_first))


def told(street: Street, times: Iterable[float], say: Say, rules: MemoryRules = RULES) -> Watched:
    """A scene memory that sees the street and is told of these boxes and scores."""
    memory = SceneMemory("gate", 1.0, rules)
    return Watched(memory, tuple((at_s, memory.observe(street.frame(at_s), SEEING, cars(say(at_s)))) for at_s in times))


def lorry(from_s: float = ARRIVES_S) -> Street:
    return Street((standing("lorry", 80, 120, from_s, 400, size=(120, 70), seed=3),))


def seen_from(at_s: float, *sights: Sight) -> Say:
    return lambda now_s: sights if now_s >= at_s else ()


def boxes(watched: Watched) -> list[Box]:
    return [tuple(round(side) for side in stay.box) for stay in watched.stays()]  # type: ignore[misc]


def new_car() -> Street:
    return Street((standing("car", 100, 110, ARRIVES_S, 400),))
