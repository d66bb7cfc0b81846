"""Paints made things into pictures: layers of colour with their share of each pixel, shadows, and the ground."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from tests.made_bridges.eye import Deck, Eye
from tests.made_bridges.solids import Array, Frustum, Rod, Solid

Picture = NDArray[np.float32]

FINE = 2
"""Layers are painted at so many times the picture's resolution."""
TEXEL_M = 0.02
AROUND_M = 6.0


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """Colours (h, w, 3) and their share (h, w) of pixels, in a part of the picture that begins at (x, y)."""

    x: int
    y: int
    colour: Picture
    share: Picture

    def on(self, picture: Picture, strength: float = 1.0) -> None:
        """Paint it over a picture."""
        rows, columns = self.share.shape
        part = picture[self.y : self.y + rows, self.x : self.x + columns]
        share = (strength * self.share)[:, :, None]
        part += share * (self.colour - part)

    def over(self, plane: Picture, keep: bool = False) -> None:
        """Take the pixels of a plane (h, w) that it hides away, or set them to its share."""
        rows, columns = self.share.shape
        part = plane[self.y : self.y + rows, self.x : self.x + columns]
        part[:] = np.maximum(part, self.share) if keep else part * (1 - self.share)


@dataclass(frozen=True, slots=True)
class Sun:
    """``along`` is where a point one metre up casts its shadow, metres on the deck; ``depth`` the light left."""

    along: tuple[float, float]
    depth: float
    soft_px: float


def layer_of(solid: Solid, eye: Eye, sun: Sun, seed: int) -> Layer | None:
    """A thing as a layer; None if it is not in the picture."""
    points = np.concatenate([_points(part) for part in solid.parts])
    if (eye.depths(points) < 0.5).any():
        return None
    spread = eye.pixels(points)
    low = np.clip(np.floor(spread.min(axis=0)) - 2, 0, eye.size).astype(int)
    high = np.clip(np.ceil(spread.max(axis=0)) + 3, 0, eye.size).astype(int)
    if (high - low < 2).any():
        return None
    columns, rows = (high - low) * FINE
    colour, share = np.zeros((rows, columns, 3), np.float32), np.zeros((rows, columns), np.uint8)
    random = np.random.default_rng(seed)
    grain = cv2.resize(
        random.normal(0, 1, (rows // 6 + 1, columns // 6 + 1)).astype(np.float32), (int(columns), int(rows))
    )
    light = np.array([-sun.along[0], -sun.along[1], 1.0])
    light /= np.linalg.norm(light)
    pieces = []
    for part in solid.parts:
        if isinstance(part, Rod):
            ends = zip(part.line, part.line[1:], strict=False)
            pieces += [(float(np.linalg.norm((a + b) / 2 - eye.place_m)), part, np.array([a, b])) for a, b in ends]
        else:
            pieces += [
                (float(np.linalg.norm(face.mean(axis=0) - eye.place_m)), part, face) for face in _faces(part, eye)
            ]
    for _, part, face in sorted(pieces, key=lambda piece: -piece[0]):
        at = np.round(((eye.pixels(face) - low) * FINE - 0.5) * 256).astype(np.int32)
        if isinstance(part, Rod):
            thick = part.thick_m * eye.focal_px / float(eye.depths(face.mean(axis=0))) * FINE
            brush = max(round(thick), 1)
            start, stop = (tuple(int(v) for v in point) for point in at)
            cv2.line(colour, start, stop, part.colour, brush, cv2.LINE_8, 8)
            cv2.line(share, start, stop, 255, brush, cv2.LINE_8, 8)
            continue
        normal = np.cross(face[1] - face[0], face[2] - face[0])
        normal = normal / max(float(np.linalg.norm(normal)), 1e-9)
        normal = normal if normal @ (eye.place_m - face[0]) > 0 else -normal
        shade = 0.62 + 0.45 * (1 - sun.depth) * max(float(normal @ light), 0.0) + 0.12 * float(normal[2])
        stencil = np.zeros_like(share)
        cv2.fillConvexPoly(stencil, at, 255, cv2.LINE_8, 8)
        inside = stencil > 0
        colour[inside] = np.array(part.colour) * shade * (1 + part.grain * grain[inside][:, None])
        share[inside] = 255
    small = (int(columns) // FINE, int(rows) // FINE)
    weight = cv2.resize(share.astype(np.float32) / 255, small, interpolation=cv2.INTER_AREA)
    mixed = cv2.resize(colour * (share > 0)[:, :, None], small, interpolation=cv2.INTER_AREA)
    return Layer(int(low[0]), int(low[1]), mixed / np.maximum(weight, 1e-3)[:, :, None], weight)


def shade_of(solid: Solid, eye: Eye, sun: Sun, shade: NDArray[np.uint8]) -> None:
    """Set in ``shade`` (h, w) where a thing keeps the light from the deck."""
    for part in solid.parts:
        points = _points(part)
        cast = points[:, :2] + points[:, 2:] * np.array(sun.along)
        groups = itertools.pairwise(cast) if isinstance(part, Rod) else [cast]
        for group in groups:
            here = eye.on_ground(np.asarray(group))
            if isinstance(part, Rod):
                wide = max(round(part.thick_m * eye.focal_px / 12), 1)
                start, stop = (tuple(int(v) for v in np.clip(point, -9999, 9999)) for point in here)
                cv2.line(shade, start, stop, 255, wide)
            else:
                hull = cv2.convexHull(np.clip(here, -9999, 9999).astype(np.float32))
                cv2.fillConvexPoly(shade, np.round(hull).astype(np.int32), 255)


def _points(part: Frustum | Rod) -> Array:
    if isinstance(part, Rod):
        return part.line
    low = np.column_stack([part.low, np.full(len(part.low), part.low_m)])
    return np.concatenate([low, np.column_stack([part.high, np.full(len(part.high), part.high_m)])])


def _faces(part: Frustum, eye: Eye) -> list[Array]:
    """Those that look at the camera."""
    count = len(part.low)
    points = _points(part)
    middle = points.mean(axis=0)
    corners = [[k, (k + 1) % count, count + (k + 1) % count, count + k] for k in range(count)]
    faces = [points[face] for face in [*corners, list(range(count, 2 * count))]]
    shown = []
    for face in faces:
        normal = np.cross(face[1] - face[0], face[2] - face[0])
        if normal @ (face[0] - middle) < 0:
            normal = -normal
        if normal @ (eye.place_m - face[0]) > 0:
            shown.append(face)
    return shown


def painted_ground(eye: Eye, deck: Deck, random: np.random.Generator) -> Picture:
    """The bare deck and what lies around it, with its railings, in even light."""
    low = np.array([-deck.width_m / 2 - AROUND_M, deck.near_m - AROUND_M])
    size = (np.array([deck.width_m + 2 * AROUND_M, deck.far_m - deck.near_m + 5 * AROUND_M]) / TEXEL_M).astype(int)
    around = _noise(random, (size[1], size[0]), 40, 14) + _noise(random, (size[1], size[0]), 5, 6)
    tone = random.uniform(50, 130) + random.normal(0, 14, 3)
    texture = np.clip(tone + around[:, :, None], 5, 250).astype(np.float32)
    x1, y1 = ((np.array(deck.corners_m[0]) - low) / TEXEL_M).astype(int)
    x2, y2 = ((np.array(deck.corners_m[2]) - low) / TEXEL_M).astype(int)
    y1, y2 = max(y1 - round(4 / TEXEL_M), 0), min(y2 + round(8 / TEXEL_M), size[1])
    texture[y1:y2, x1:x2] = _surface(random, y2 - y1, x2 - x1)
    to_texels = np.array([[1 / TEXEL_M, 0, -low[0] / TEXEL_M], [0, 1 / TEXEL_M, -low[1] / TEXEL_M], [0, 0, 1]])
    finer = np.diag([FINE, FINE, 1.0])
    to_px = finer @ eye.ground_to_px @ np.linalg.inv(to_texels)
    wide = cv2.warpPerspective(
        texture, to_px, (eye.size[0] * FINE, eye.size[1] * FINE), borderMode=cv2.BORDER_REPLICATE
    )
    picture = np.asarray(cv2.resize(wide, eye.size, interpolation=cv2.INTER_AREA), np.float32)
    # Beyond the horizon there is a sky.
    rays = (
        np.stack(np.meshgrid(np.arange(eye.size[0]) + 0.5, np.arange(eye.size[1]) + 0.5), axis=-1)
        - np.array(eye.size) / 2
    )
    rise = (np.concatenate([rays / eye.focal_px, np.ones((*rays.shape[:2], 1))], axis=-1) @ eye.axes)[:, :, 2]
    picture[rise > -0.02] = (200, 190, 180)
    return picture


def railing(eye: Eye, deck: Deck, side: int, random: np.random.Generator) -> Solid:
    """Posts and a bar on one side (-1 left, 1 right)."""
    x, top = side * (deck.width_m / 2 + 0.06), random.uniform(0.9, 1.2)
    colour = tuple(float(v) for v in np.full(3, random.uniform(60, 200)))
    places = np.arange(deck.near_m - 0.5, deck.far_m + 0.5, random.uniform(1.2, 2.2))
    rods = [Rod(np.array([(x, y, 0), (x, y, top)]), 0.06, colour) for y in places]  # type: ignore[arg-type]
    for z in (top, top / 2):
        line = np.array([(x, y, z) for y in places])
        rods.append(Rod(line, 0.05, colour))  # type: ignore[arg-type]
    return Solid("railing", tuple(rods))


def near_railing(eye: Eye, deck: Deck, side: int, random: np.random.Generator) -> Solid:
    """The railing between the camera and the deck: bars, balusters, or bars over a closed board."""
    x, top = side * (deck.width_m / 2 + 0.06), random.uniform(0.9, 1.2)
    colour = tuple(float(v) for v in np.full(3, random.uniform(60, 200)))
    low_m, high_m = deck.near_m - 0.5, deck.far_m + 0.5
    kind = random.choice(["bars", "balusters", "board"])
    posts = np.arange(low_m, high_m, random.uniform(1.2, 2.2))
    parts: list[Frustum | Rod] = [_rod([(x, y, 0), (x, y, top)], 0.06, colour) for y in posts]
    parts.append(_rod([(x, y, top) for y in posts], random.uniform(0.05, 0.1), colour))
    if kind == "bars":
        parts += [_rod([(x, y, z) for y in posts], 0.04, colour) for z in np.linspace(0.12, top, 5)[:-1]]
    elif kind == "balusters":
        parts.append(_rod([(x, y, 0.1) for y in posts], 0.04, colour))
        thick = random.uniform(0.015, 0.03)
        parts += [_rod([(x, y, 0.1), (x, y, top)], thick, colour) for y in np.arange(low_m, high_m, 0.13)]
    else:
        base = np.array([(x - 0.02, low_m), (x + 0.02, low_m), (x + 0.02, high_m), (x - 0.02, high_m)])
        parts.append(Frustum(base, base, 0.0, random.uniform(0.2, 0.5), colour))
        parts.append(_rod([(x, y, 0.75) for y in posts], 0.04, colour))
    return Solid(f"{kind} railing", tuple(parts))


def _rod(line: list[tuple[float, float, float]], thick_m: float, colour: tuple[float, ...]) -> Rod:
    return Rod(np.array(line), thick_m, colour)  # type: ignore[arg-type]


def _noise(random: np.random.Generator, shape: tuple[int, int], cell: int, strength: float) -> Picture:
    coarse = random.normal(0, strength, (shape[0] // cell + 2, shape[1] // cell + 2)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC), np.float32)


def _surface(random: np.random.Generator, rows: int, columns: int) -> Picture:
    """Planks, tiles, asphalt or metal."""
    kind = random.choice(["planks", "tiles", "asphalt", "metal"])
    tone = random.uniform(70, 190)
    tint = np.clip(random.normal(0, 10, 3), -20, 20)
    shade = np.full((rows, columns), tone, np.float32) + _noise(random, (rows, columns), 60, 7)
    if kind == "planks":
        pitch, tint = round(random.uniform(0.12, 0.25) / TEXEL_M), np.array([-28.0, -4.0, 18.0])
        for index, row in enumerate(range(0, rows, pitch)):
            shade[row : row + pitch] += random.normal(0, 9)
            shade[row : row + 1] -= 45
            shade[row : row + pitch] += _noise(random, (1, columns), 30, 4) * (index % 3 - 1)
    elif kind == "tiles":
        pitch = round(random.uniform(0.3, 1.0) / TEXEL_M)
        for row in range(0, rows, pitch):
            for column in range(0, columns, pitch):
                shade[row : row + pitch, column : column + pitch] += random.normal(0, 7)
        shade[::pitch] -= 25
        shade[:, ::pitch] -= 25
    elif kind == "asphalt":
        shade += -0.35 * tone + _noise(random, (rows, columns), 2, 10) + _noise(random, (rows, columns), 9, 5)
    else:
        pitch = round(0.1 / TEXEL_M)
        shade += 12 * ((np.add.outer(np.arange(rows) // pitch, np.arange(columns) // pitch) % 2) - 0.5).astype(
            np.float32
        )
        shade[:: round(1.5 / TEXEL_M)] -= 50
    return np.asarray(np.clip(shade[:, :, None] + tint, 8, 250), np.float32)
