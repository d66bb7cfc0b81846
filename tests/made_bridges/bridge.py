"""A made footbridge: pictures, the camera section that belongs to them, and the exact truth, all from one seed."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon, box

from edge_agent.scene.clear_width import Corridor, PointM, clear_width
from tests.made_bridges.eye import Deck, Eye, seen_cut, seen_deck, seen_from_beside
from tests.made_bridges.paint import Layer, Picture, Sun, layer_of, near_railing, painted_ground, railing, shade_of
from tests.made_bridges.people import Walker, layer_of_person, shade_of_person
from tests.made_bridges.recorded import GROUNDS, Recording, recording_of, seen_recorded
from tests.made_bridges.story import NEGATIVES, Person, Story, Teller, Thing

DURATION_S = 70.0
NEGATIVE_EVERY = 4
"""Of so many seeds one tells of nothing that is put down."""
MADE_VIEWS = {"along": seen_deck, "beside": seen_from_beside, "cut": seen_cut}
"""Cameras that see the whole deck, that look at it through its railing, and whose picture ends on it."""
VIEWS = (*MADE_VIEWS, "recorded")
"""These, and recorded ground instead of a painted deck."""
LIMIT_MARGIN_M = 0.25
"""A limit lies so far from all true widths: that of which side of it a width is, is not what is tried here."""


@dataclass(slots=True, eq=False)
class Bridge:
    """One made scene. Ask for pictures in any order: the same second gives the same picture."""

    seed: int
    eye: Eye
    deck: Deck
    sun: Sun
    story: Story
    empty: Picture
    before: tuple[Layer, ...]
    light: str
    swings: float
    view: str = "along"
    recording: Recording | None = None
    _layers: dict[int, Layer | None] = field(default_factory=dict)

    @staticmethod
    def of(seed: int, walkers: list[Walker], view: str = "along") -> Bridge:
        """The scene of a seed."""
        random = np.random.default_rng(seed)
        if view == "recorded":
            return Bridge._on_recorded_ground(seed, walkers, random)
        eye, deck = MADE_VIEWS[view](random)
        light = str(random.choice(["sun", "cloud", "dusk"], p=[0.5, 0.3, 0.2]))
        reach, azimuth = random.uniform(0.5, 1.8), random.uniform(0, 2 * np.pi)
        along = (float(reach * np.cos(azimuth)), float(reach * np.sin(azimuth)))
        if light == "sun":
            sun = Sun(along, float(random.uniform(0.4, 0.6)), 1.2)
        else:
            sun = Sun((along[0] * 0.15, along[1] * 0.15), 0.8, 7.0)
        near_wall = int(np.sign(eye.place_m[0])) if view == "beside" else 0
        stretch_m = (deck.near_m - 0.3, deck.near_m + 3) if view == "cut" else (deck.near_m + 0.8, deck.far_m - 1.2)
        teller = Teller(random, eye, deck, walkers, stretch_m, near_wall)
        story = _told(teller, seed)
        empty = painted_ground(eye, deck, random)
        if light == "dusk":
            empty *= _lamps(eye, deck, random)[:, :, None] * np.array([0.75, 0.9, 1.0], np.float32)
        rails = [(near_railing if side == near_wall else railing)(eye, deck, side, random) for side in (-1, 1)]
        shade = np.zeros(eye.size[::-1], np.uint8)
        for rail in rails if light == "sun" else ():
            shade_of(rail, eye, sun, shade)
        empty *= _dimming(shade, sun)
        before = []
        for side, rail in zip((-1, 1), rails, strict=True):
            layer = layer_of(rail, eye, sun, seed)
            outside = side * eye.place_m[0] > deck.width_m / 2 + 0.06
            if layer is not None and not outside:
                layer.on(empty)
            elif layer is not None:
                before.append(layer)
        return Bridge(seed, eye, deck, sun, story, empty, tuple(before), light, float(random.uniform(0, 0.06)), view)

    @staticmethod
    def _on_recorded_ground(seed: int, walkers: list[Walker], random: np.random.Generator) -> Bridge:
        ground = GROUNDS[seed % len(GROUNDS)]
        recording = recording_of(ground)
        eye, deck = seen_recorded(ground, recording.size)
        story = _told(Teller(random, eye, deck, walkers, (deck.near_m + 0.8, deck.far_m - 1.2)), seed)
        sun = Sun((0.1, 0.05), 0.8, 7.0)
        return Bridge(seed, eye, deck, sun, story, np.empty(0, np.float32), (), "cloud", 0.0, "recorded", recording)

    def picture(self, at_s: float, visible: dict[int, float] | None = None) -> NDArray[np.uint8]:
        """What the camera sees; ``visible`` takes the share in sight of each standing thing, by its number."""
        random = np.random.default_rng((self.seed, round(at_s * 1000)))
        image = self.empty.copy() if self.recording is None else self.recording.picture(at_s)
        shade = np.zeros(self.eye.size[::-1], np.uint8)
        lamp = 0.6 if self.light == "dusk" else 1.0
        drawn: list[tuple[float, Layer, int]] = []
        if self.recording is not None:
            drawn += [(away, layer, -1) for away, layer in self.recording.movers(image, self.eye)]
        for number, thing in enumerate(self.story.things):
            self._draw_thing(number, thing, at_s, drawn, shade)
        for person in self.story.people:
            where = person.at(at_s)
            if where is None:
                continue
            picture = _step(person, at_s)
            layer = layer_of_person(picture, self.eye, *where, person.tall_m, lamp)
            shade_of_person(picture, self.eye, *where, person.tall_m, self.sun, shade)
            if layer is not None:
                drawn.append((float(np.hypot(*(np.array(where) - self.eye.place_m[:2]))), layer, -1))
        if self.story.kind == "tree_shadows":
            shade = np.maximum(shade, self._leaf_shade(at_s))
        image *= _dimming(shade, self.sun)
        drawn.sort(key=lambda item: -item[0])
        if self.story.kind == "wet":
            _mirror(image, [layer for _, layer, _ in drawn])
        for _, layer, _ in drawn:
            layer.on(image)
        if self.story.kind == "leaves":
            self._leaves(image, at_s)
        for layer in self.before:
            layer.on(image)
        if visible is not None:
            self._in_sight(drawn, visible)
        drift = 1 + self.swings * np.sin(2 * np.pi * at_s / 47 + self.seed)
        if self.recording is not None:
            return np.clip(image, 0, 255).astype(np.uint8)
        noise = 2.6 if self.light == "dusk" else 1.4
        return np.clip(image * drift + random.normal(0, noise, image.shape), 0, 255).astype(np.uint8)

    def corridor(self) -> Corridor:
        """The deck between its railings."""
        outline, ends = self._zone_m()
        return Corridor.between(outline, ends)

    def width_m(self, at_s: float) -> float:
        """The exact clear width."""
        return float(clear_width(self.corridor(), self.story.footprints(at_s)).width_m)

    def section(self) -> dict[str, Any]:
        """The camera section of the agent's config, with limits between the widths that occur."""
        outline, ends = self._zone_m()
        pixels, *end_pixels = (self._rounded_px(points) for points in (outline, *ends))
        points = [{"px": px, "m": list(m)} for px, m in zip(pixels, outline, strict=True)]
        limits = self.limits_m()
        zone = {
            "id": "deck",
            "scenario": "passage",
            "polygon": pixels,
            "ends": end_pixels,
            "calibration": {"points": points},
            "limits_m": {"blocked": limits[0], "narrowed": limits[1]},
            "dwell_limit_s": {"blocked": 8, "narrowed": 8, "crowded": 600},
        }
        return {"start_time": "2026-06-02T12:00:00+08:00", "zones": [zone]}

    def _rounded_px(self, points_m: Sequence[PointM]) -> list[list[float]]:
        return [[round(float(v), 2) for v in point] for point in self.eye.on_ground(np.array(points_m))]

    def _zone_m(self) -> tuple[tuple[PointM, ...], tuple[tuple[PointM, PointM], ...]]:
        """What of the deck is in the picture, and its two ends: all of it but where the picture cuts it."""
        corners = self.deck.corners_m
        if self.view != "cut":
            return corners, ((corners[0], corners[1]), (corners[2], corners[3]))
        frame = box(0, 0, *self.eye.size)
        pixels = self.eye.on_ground(np.array(corners))
        left, right = (
            np.array(frame.intersection(LineString([pixels[near], pixels[far]])).coords)
            for near, far in ((0, 3), (1, 2))
        )
        seen = np.array(frame.intersection(Polygon(pixels)).exterior.coords)[:-1]
        to_m = partial(cv2.perspectiveTransform, m=np.linalg.inv(self.eye.ground_to_px))
        outline = to_m(seen[None])[0]
        near_end = to_m(np.array([[left[0], right[0]]]))[0]
        return _points(outline), (_pair(near_end), (corners[2], corners[3]))

    def limits_m(self) -> tuple[float, float]:
        """Two limits in the widest steps between the widths that occur."""
        widths = sorted({round(self.width_m(at_s), 3) for at_s in np.arange(0, self.story.duration_s)})
        steps = sorted(((high - low, (high + low) / 2) for low, high in itertools.pairwise(widths)), reverse=True)
        chosen = sorted(round(middle, 3) for gap, middle in steps[:2] if gap >= 2 * LIMIT_MARGIN_M)
        while len(chosen) < 2:
            chosen.insert(0, round(min(chosen[0] if chosen else 0.6 * self.deck.width_m, widths[0]) * 0.5 + 0.001, 3))
        return chosen[0], chosen[1]

    def _draw_thing(
        self, number: int, thing: Thing, at_s: float, drawn: list[tuple[float, Layer, int]], shade: NDArray[np.uint8]
    ) -> None:
        solid = thing.at(at_s)
        if solid is None:
            return
        shade_of(solid, self.eye, self.sun, shade)
        if thing.stands(at_s):
            if number not in self._layers:
                self._layers[number] = layer_of(solid, self.eye, self.sun, self.seed + number)
            layer = self._layers[number]
        else:
            layer = layer_of(solid, self.eye, self.sun, self.seed + number)
        if layer is None:
            return
        if self.light == "dusk":
            layer = Layer(layer.x, layer.y, layer.colour * np.float32(0.6), layer.share)
        middle = solid.footprint.centroid
        away = float(np.hypot(middle.x - self.eye.place_m[0], middle.y - self.eye.place_m[1]))
        drawn.append((away, layer, number if thing.stands(at_s) else -1))

    def _in_sight(self, drawn: list[tuple[float, Layer, int]], visible: dict[int, float]) -> None:
        for place, (_, layer, number) in enumerate(drawn):
            if number < 0:
                continue
            plane = np.zeros(self.eye.size[::-1], np.float32)
            layer.over(plane, keep=True)
            whole = float(plane.sum())
            for other in [*(later for _, later, _ in drawn[place + 1 :]), *self.before]:
                other.over(plane)
            visible[number] = float(plane.sum()) / max(whole, 1e-6)

    def _leaf_shade(self, at_s: float) -> NDArray[np.uint8]:
        """Shadows of branches that sway in the wind."""
        random = np.random.default_rng(self.seed)
        coarse = random.normal(0, 1, (24, 32)).astype(np.float32)
        field_ = cv2.resize(coarse, self.eye.size, interpolation=cv2.INTER_CUBIC)
        move = 0.012 * self.eye.size[0] * np.array([np.sin(1.3 * at_s), np.sin(1.9 * at_s + 1)])
        shift = np.array([[1, 0, move[0]], [0, 1, move[1]]])
        swayed = cv2.warpAffine(field_, shift, self.eye.size, borderMode=cv2.BORDER_REFLECT)
        return np.asarray(np.clip((swayed - 0.3) * 400, 0, 255), np.uint8)

    def _leaves(self, image: Picture, at_s: float) -> None:
        random = np.random.default_rng(self.seed)
        for _ in range(25):
            x, y = random.uniform(-0.5, 0.5) * self.deck.width_m, random.uniform(self.deck.near_m, self.deck.far_m)
            start, rest = random.uniform(0, 60), random.uniform(0.2, 1.0)
            x += rest * max(0.0, np.sin((at_s - start) / 3)) * 2
            here = self.eye.on_ground(np.array([(x, y), (x + 0.09, y + 0.05), (x + 0.02, y + 0.1)]))
            cv2.fillConvexPoly(image, np.round(here).astype(np.int32), (20, 90, 170))


def _told(teller: Teller, seed: int) -> Story:
    number = seed // NEGATIVE_EVERY % len(NEGATIVES)
    if seed % NEGATIVE_EVERY == NEGATIVE_EVERY - 1:
        return teller.negative(NEGATIVES[number], DURATION_S)
    return teller.positive(DURATION_S, int(teller.random.integers(1, 4)), int(teller.random.integers(0, 7)))


def _points(points_m: NDArray[np.float64]) -> tuple[PointM, ...]:
    return tuple((float(x), float(y)) for x, y in points_m)


def _pair(points_m: NDArray[np.float64]) -> tuple[PointM, PointM]:
    first, second = _points(points_m)
    return first, second


def _step(person: Person, at_s: float) -> Picture:
    steps = person.walker.steps
    if person.walks(at_s):
        turn = round(at_s * 5) % (2 * len(steps) - 2)
        return steps[min(turn, 2 * len(steps) - 2 - turn)]
    return steps[round(at_s / 3.7) % 2]


def _dimming(shade: NDArray[np.uint8], sun: Sun) -> Picture:
    soft = cv2.GaussianBlur(shade.astype(np.float32) / 255, (0, 0), sun.soft_px)
    return np.asarray(1 - (1 - sun.depth) * soft, np.float32)[:, :, None]


def _mirror(image: Picture, layers: list[Layer]) -> None:
    """Faint pictures of what stands on a wet deck, head down."""
    for layer in layers:
        rows = min(layer.share.shape[0], image.shape[0] - layer.y - layer.share.shape[0])
        if rows > 1:
            flipped = Layer(
                layer.x, layer.y + layer.share.shape[0], layer.colour[::-1][:rows], layer.share[::-1][:rows]
            )
            flipped.on(image, 0.22)


def _lamps(eye: Eye, deck: Deck, random: np.random.Generator) -> Picture:
    """Pools of light on the deck."""
    columns, rows = np.meshgrid(np.arange(eye.size[0]) + 0.5, np.arange(eye.size[1]) + 0.5)
    ground = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ np.linalg.inv(eye.ground_to_px).T
    place = ground[:, :, :2] / ground[:, :, 2:]
    light = np.full(rows.shape, 0.3)
    for y in np.arange(deck.near_m + random.uniform(0, 3), deck.far_m, 6.0):
        away = np.hypot(place[:, :, 0] - deck.width_m / 2, place[:, :, 1] - y)
        light += 0.35 / (1 + (away / 2.5) ** 2) * (ground[:, :, 2] > 0)
    return np.asarray(np.minimum(light, 1.0), np.float32)
