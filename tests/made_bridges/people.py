"""People for made footbridges, cut at run time out of rendered clips whose truth says where each person is."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.made_bridges.eye import Eye
from tests.made_bridges.paint import Layer, Picture, Sun

CLIPS = ("B1_footbridge_narrowing", "B2_footbridge_stall")
STEPS = 5
"""Pictures of one walker, a fifth of a second apart: a stride and a half."""
TALLEST_M = (1.58, 1.84)
MARGIN = 0.04
"""Room round a person's box, as a share of its height."""


@dataclass(frozen=True, slots=True, eq=False)
class Walker:
    """Pictures (h, w, 4) of somebody who walks, BGR and share from 0 to 1. ``away``: seen from behind."""

    steps: tuple[Picture, ...]
    away: bool


def walkers(footage: Path, clips: Sequence[str] = CLIPS) -> list[Walker]:
    """Everybody in these clips who is seen whole, large and alone for some steps."""
    found = []
    for clip in clips:
        folder = footage / "rendered"
        with gzip.open(folder / f"{clip}.frames.json.gz") as file:
            truth = json.load(file)
        chosen = _chosen(truth)
        video = cv2.VideoCapture(str(folder / f"{clip}.mp4"))
        wanted = {index for steps in chosen for index, _, _ in steps}
        frames, sample = {}, []
        for index in range(len(truth)):
            keep = index in wanted
            if not keep and index % 15:
                video.grab()
                continue
            _, image = video.read()
            if keep:
                frames[index] = image
            if index % 15 == 0:
                sample.append(image)
        video.release()
        empty = np.median(np.array(sample), axis=0).astype(np.uint8)
        for steps in chosen:
            cut = tuple(_cut(frames[index], empty, box) for index, box, _ in steps)
            if all(_is_whole(picture) for picture in cut):
                found.append(Walker(cut, steps[-1][2] > steps[0][2]))
    return found


Step = tuple[int, tuple[float, float, float, float], float]


def _chosen(truth: list[list[dict[str, object]]]) -> list[list[Step]]:
    """For each walker the ``STEPS`` frames on end in which he is largest."""
    seen: dict[str, list[Step]] = defaultdict(list)
    for index, things in enumerate(truth):
        boxes = {str(thing["id"]): np.array(thing["box"], float) for thing in things}
        for thing in things:
            name, box = str(thing["id"]), boxes[str(thing["id"])]
            if (
                not name.startswith("person")
                or float(thing["vis"]) < 0.99
                or box.min() < 3
                or box[2] > 957
                or box[3] > 537
            ):  # type: ignore[arg-type]
                continue
            near = [other for key, other in boxes.items() if key != name and _touch(box, other)]
            if not near:
                seen[name].append((index, tuple(box), float(thing["x"])))  # type: ignore[arg-type]
    chosen = []
    for steps in seen.values():
        runs = [steps[k : k + STEPS] for k in range(len(steps) - STEPS + 1)]
        runs = [run for run in runs if run[-1][0] - run[0][0] == STEPS - 1]
        if runs:
            best = max(runs, key=lambda run: run[0][1][3] - run[0][1][1])
            if best[0][1][3] - best[0][1][1] > 120:
                chosen.append(best)
    return chosen


def _touch(box: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    return bool((np.minimum(box[2:], other[2:]) > np.maximum(box[:2], other[:2])).all())


def _is_whole(picture: Picture) -> bool:
    """True if a cut shows somebody from head to foot."""
    rows = np.flatnonzero((picture[:, :, 3] > 0.5).any(axis=1))
    filled = float((picture[:, :, 3] > 0.5).mean())
    return len(rows) > 0 and rows[-1] - rows[0] > 0.86 * picture.shape[0] and filled > 0.22


def _cut(image: NDArray[np.uint8], empty: NDArray[np.uint8], box: tuple[float, float, float, float]) -> Picture:
    """A person without the ground: colour and edges differ from the empty deck in a way that shadow does not."""
    edge = MARGIN * (box[3] - box[1])
    x1, y1, x2, y2 = (round(v) for v in (box[0] - edge, box[1] - edge, box[2] + edge, box[3] + edge / 2))
    part, ground = image[max(y1, 0) : y2, max(x1, 0) : x2], empty[max(y1, 0) : y2, max(x1, 0) : x2]
    ratio = np.log((part.astype(np.float32) + 12) / (ground.astype(np.float32) + 12))
    ratio -= np.median(ratio[: round(edge), :].reshape(-1, 3), axis=0)  # the exposure drifts
    bright = ratio.mean(axis=2)
    colour = np.abs(ratio - bright[:, :, None]).max(axis=2)
    differs = (np.abs(bright) > 0.12) | (colour > 0.07)
    shadow = (bright < 0) & (bright > -0.8) & (colour < 0.09)
    # Dark clothes look like shadow too: round the middle line it is taken for them.
    columns = np.arange(part.shape[1]) / part.shape[1]
    shadow &= (np.abs(columns - 0.5) > 0.22)[None, :]
    body = (differs & ~shadow).astype(np.uint8)
    inside = np.zeros_like(body)
    inside[round(edge) : -round(edge / 2), round(edge) : -round(edge)] = 1
    body = cv2.morphologyEx(body & inside, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8))
    body = cv2.morphologyEx(body, cv2.MORPH_CLOSE, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9)))
    outlines, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    body[:] = 0
    if outlines:
        cv2.drawContours(body, [max(outlines, key=cv2.contourArea)], -1, 1, cv2.FILLED)
    share = cv2.GaussianBlur(body.astype(np.float32), (3, 3), 0.7)
    return np.dstack([part.astype(np.float32), share])


def layer_of_person(picture: Picture, eye: Eye, x: float, y: float, tall_m: float, light: float) -> Layer | None:
    """Somebody at a place of the deck; None if he is not in the picture."""
    ends = np.array([(x, y, 0.0), (x, y, tall_m)])
    if (eye.depths(ends) < 1.0).any():
        return None
    foot, top = eye.pixels(ends)
    rows = round(float(np.linalg.norm(foot - top)) * (1 + 1.2 * MARGIN))
    columns = round(rows * picture.shape[1] / picture.shape[0])
    left, upper = round(foot[0] - columns / 2), round(foot[1] - rows * (1 - 0.5 * MARGIN))
    x1, y1, x2, y2 = max(left, 0), max(upper, 0), min(left + columns, eye.size[0]), min(upper + rows, eye.size[1])
    if x2 - x1 < 2 or y2 - y1 < 4 or rows < 8:
        return None
    way = cv2.INTER_AREA if rows < picture.shape[0] else cv2.INTER_LINEAR
    scaled = cv2.resize(picture, (columns, rows), interpolation=way)[y1 - upper : y2 - upper, x1 - left : x2 - left]
    return Layer(x1, y1, scaled[:, :, :3] * light, scaled[:, :, 3])


def shade_of_person(
    picture: Picture, eye: Eye, x: float, y: float, tall_m: float, sun: Sun, shade: NDArray[np.uint8]
) -> None:
    """Lay his shadow on the deck: his picture, turned down along the light."""
    half = tall_m * picture.shape[1] / picture.shape[0] / 2
    across = np.array([-sun.along[1], sun.along[0]]) / max(float(np.hypot(*sun.along)), 1e-6) * half
    foot, top = np.array([x, y]), np.array([x, y]) + tall_m * np.array(sun.along)
    corners = eye.on_ground(np.array([top - across, top + across, foot + across, foot - across]))
    if not np.isfinite(corners).all() or np.abs(corners).max() > 6000:
        return
    rows, columns = picture.shape[:2]
    source = np.array([(0, 0), (columns, 0), (columns, rows), (0, rows)], np.float32)
    low = np.clip(np.floor(corners.min(axis=0)), 0, eye.size).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)), 0, eye.size).astype(int)
    if (high - low < 2).any():
        return
    to_part = cv2.getPerspectiveTransform(source, (corners - low).astype(np.float32))
    size = int(high[0] - low[0]), int(high[1] - low[1])
    laid = cv2.warpPerspective((picture[:, :, 3] * 255).astype(np.uint8), to_part, size)
    part = shade[low[1] : high[1], low[0] : high[0]]
    np.maximum(part, laid, out=part)
