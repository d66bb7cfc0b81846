"""Kinds of things whose size is known, and how they look as points in space."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.detections import ClassGroup

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """The size of a kind of thing, metres, and how much single ones differ (one standard deviation, relative)."""

    length_m: float
    width_m: float
    height_m: float
    spread: float
    wheel_m: float | None = None
    """Radius of the wheels of a two-wheeler, whose width is that of its handlebar; None for a solid thing."""


SHAPES: dict[str, Shape] = {
    "bicycle": Shape(1.65, 0.55, 1.02, 0.08, wheel_m=0.33),
    "e-bike": Shape(1.75, 0.60, 1.05, 0.08, wheel_m=0.31),
    "motorcycle": Shape(1.85, 0.72, 1.12, 0.09, wheel_m=0.29),
    "scooter": Shape(1.75, 0.68, 1.12, 0.09, wheel_m=0.25),
    "car": Shape(4.35, 1.80, 1.50, 0.07),
    "van": Shape(5.2, 2.0, 2.1, 0.10),
    "truck": Shape(6.5, 2.3, 2.8, 0.20),
    "bus": Shape(11.5, 2.55, 3.0, 0.08),
}
GROUP_SHAPES: dict[ClassGroup, Shape] = {
    ClassGroup.CYCLE: SHAPES["bicycle"],
    ClassGroup.VEHICLE: SHAPES["car"],
}

_RIM = np.arange(0, 2 * np.pi, np.pi / 12)


def shape_for(group: ClassGroup, class_name: str) -> Shape | None:
    """The known size of a class, else of its group, else None."""
    return SHAPES.get(class_name) or GROUP_SHAPES.get(group)


def points_of(shape: Shape) -> Array:
    """Outstanding points (n, 3) of a thing that stands at the origin and looks along x."""
    length, width, height = shape.length_m, shape.width_m, shape.height_m
    if shape.wheel_m is None:
        return np.array(
            [[x * length / 2, y * width / 2, z * height] for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (0.0, 1.0)]
        )
    turn = np.arange(0, 2 * np.pi, np.pi / 4)
    wheels = [
        [side * (length / 2 - shape.wheel_m) + shape.wheel_m * np.cos(a), y, shape.wheel_m + shape.wheel_m * np.sin(a)]
        for side in (-1.0, 1.0)
        for a in turn
        for y in (-0.03, 0.03)
    ]
    bar = [[0.30 * length, y * width / 2, height] for y in (-1.0, 1.0)]
    saddle = [[-0.18 * length, y * 0.08, 0.9 * height] for y in (-1.0, 1.0)]
    pedals = [[-0.02 * length, y * 0.4 * width, 0.3 * height] for y in (-1.0, 1.0)]
    return np.array([*wheels, *bar, *saddle, *pedals])


def rims_of(shape: Shape) -> Array:
    """Points (n, 3) on the rims of the two wheels of a thing that stands at the origin and looks along x."""
    wheel = shape.wheel_m or 0.0
    middle = shape.length_m / 2 - wheel
    across, up = wheel * np.cos(_RIM), wheel + wheel * np.sin(_RIM)
    ring = np.column_stack([across, np.zeros_like(across), up])
    ahead = np.array([middle, 0.0, 0.0])
    return np.concatenate([ring - ahead, ring + ahead])


def placed(model: Array, parameters: Array, angles: Array) -> Array:
    """The model (n, 3) at each of (k, 3) parameters (x, y, log size) and (k,) directions: (k, n, 3)."""
    size = np.exp(parameters[:, 2])[:, None]
    sine, cosine = np.sin(angles)[:, None], np.cos(angles)[:, None]
    x = parameters[:, :1] + size * (cosine * model[:, 0] - sine * model[:, 1])
    y = parameters[:, 1:2] + size * (sine * model[:, 0] + cosine * model[:, 1])
    return np.moveaxis(np.stack([x, y, size * model[:, 2]]), 0, -1)
