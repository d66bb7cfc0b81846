"""What a picture looks like, in a few small measures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Frame

Grey = NDArray[np.float32]

WIDTH = 160
"""Pixels across the small picture: a car is still some 10, and a phase correlation takes half a millisecond."""
BLOCKS = (8, 5)
"""Blocks across and down: large enough to hold some structure, small enough that a lorry fills a few."""
SCENE = (16, 9)
"""Pixels of the coarsest picture, across and down: it tells one place from another and shows no detail."""
_STRONGEST = 0.1
"""Share of the picture's pixels, those of the steepest edges, by which sharpness is measured."""
_FAINT = 4.0
"""Slope, in grey levels, that is added to theirs: without it a picture that has no edges would count as sharp."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """The measures of one picture.

    ``bright``: brightness below which nine tenths of the picture lie. ``clipped``: share of pixels at or above the
    clipping brightness. ``mean``: mean brightness. ``edges``: (h, 160) edge map, free of light and contrast, mean 0.
    ``contrast``: (5, 8) local contrast of each block. ``sharpness``: how abrupt the strongest edges are. ``scene``:
    (9, 16) brightness, the coarsest picture.
    """

    bright: float
    clipped: float
    mean: float
    edges: Grey
    contrast: Grey
    sharpness: float
    scene: Grey


def look_at(frame: Frame, clipped_from: int) -> Look:
    """Measure a picture."""
    middle = frame.small
    small_rows = max(8, round(frame.height * WIDTH / frame.width))
    small = cv2.resize(middle, (WIDTH, small_rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    share = np.cumsum(cv2.calcHist([middle], [0], None, [256], [0, 256]).ravel()) / middle.size
    deviation = small - cv2.GaussianBlur(small, (0, 0), 4)
    return Look(
        bright=float(np.searchsorted(share, 0.9)),
        clipped=float(1 - share[clipped_from - 1]),
        mean=float(small.mean()),
        edges=_edges(deviation),
        contrast=block_means(np.abs(deviation)),
        sharpness=_sharpness(middle.astype(np.float32)),
        scene=cast(Grey, cv2.resize(small, SCENE, interpolation=cv2.INTER_AREA)),
    )


def block_means(values: Grey) -> Grey:
    """Mean of each block, (5, 8)."""
    return cast(Grey, cv2.resize(values, BLOCKS, interpolation=cv2.INTER_AREA))


def likeness(one: Grey, other: Grey) -> float:
    """Correlation of two maps of the same shape, -1 to 1; 0 if either is flat."""
    one, other = one - one.mean(), other - other.mean()
    power = float((one * one).sum()) * float((other * other).sum())
    return float((one * other).sum()) / power**0.5 if power > 1e-6 else 0.0


def _edges(deviation: Grey) -> Grey:
    """Strength of edges after contrast was made even: light and shadow change it little."""
    local = np.sqrt(cv2.GaussianBlur(deviation * deviation, (0, 0), 8))
    even = deviation / (local + 3)
    strength = cv2.magnitude(cv2.Sobel(even, cv2.CV_32F, 1, 0), cv2.Sobel(even, cv2.CV_32F, 0, 1))
    strength = cv2.GaussianBlur(strength, (0, 0), 1)
    return cast(Grey, strength - strength.mean())


def _sharpness(grey: Grey) -> float:
    """Second derivative over first, where the smoothed picture's edges are strongest.

    Noise raises both little there, and brightness cancels out; defocus takes the second derivative away first.
    """
    smooth = cv2.GaussianBlur(grey, (0, 0), 2)
    slope = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    bend = np.abs(cv2.Laplacian(grey, cv2.CV_32F))
    count = max(1, int(slope.size * _STRONGEST))
    strong = slope >= np.partition(slope.ravel(), -count)[-count]
    return float(bend[strong].mean() / (slope[strong].mean() + _FAINT))
