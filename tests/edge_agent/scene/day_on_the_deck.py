"""A day on the made deck: night lamps, dawn, moving shadows, clouds, rain, dusk, people and three things.

Everything is drawn from the time of day and a seed, so that a frame is the same whatever the sampling period.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.detection.detections import Detections
from tests.edge_agent.scene.made_deck import SIZE, Deck, cuboid, detected, on_ground, person, silhouette

HOUR_S = 900.0
"""A day in a quarter of its time: shadows, clouds and dusk are four times as quick as they are."""
DAY_S = 24 * HOUR_S
SUNRISE_S, SUNSET_S = 5.5 * HOUR_S, 18.5 * HOUR_S
LAMPS_OFF_S, LAMPS_ON_S = 5.9 * HOUR_S, 18.2 * HOUR_S
RECALL = 0.92
"""Share of people whom a look of the detector finds."""
RAIN_S = (14.0 * HOUR_S, 15.0 * HOUR_S)

Body = tuple[NDArray[np.float64], tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Thing:
    """Something without a class that stands on the deck for a while and leaves ``width_m`` of 4 m."""

    body: Body
    from_s: float
    to_s: float
    width_m: float

    def stands(self, at_s: float) -> bool:
        return self.from_s <= at_s < self.to_s


THINGS = (
    Thing((cuboid(0.1, 9.0, 1.4, 1.2, 0.9), (40, 90, 190)), 9 * HOUR_S, 12 * HOUR_S, 2.5),
    Thing((cuboid(2.2, 11.0, 1.7, 1.0, 0.8), (150, 70, 40)), 16.5 * HOUR_S, 16.9 * HOUR_S, 2.2),
    Thing((cuboid(0.1, 8.0, 1.8, 1.0, 1.0), (60, 160, 70)), 20.5 * HOUR_S, 23.5 * HOUR_S, 2.1),
)


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """One frame of the day: what is seen, who is detected at first and looked at again, and how wide the way is."""

    at_s: float
    image: NDArray[np.uint8]
    people: Detections
    closer: Detections
    width_m: float


class Day:
    """The day; ``sight`` draws one moment of it."""

    def __init__(self, seed: int = 5) -> None:
        random = np.random.default_rng(seed)
        self._seed = seed
        self._empty = Deck(seed).empty
        self._noise = random.normal(0, 1, (6, SIZE[1] + 40, SIZE[0] + 40, 3)).astype(np.float32)
        minutes = random.normal(0, 1, int(DAY_S / 60) + 60)
        self._clouds = np.convolve(minutes, np.hanning(9) / 4.5, "same")
        rows, columns = np.mgrid[: SIZE[1], : SIZE[0]].astype(np.float32)
        self._pool = np.zeros((SIZE[1], SIZE[0]), np.float32)
        for lamp_m in ((0.2, 8.0), (3.8, 14.0)):
            x, y = on_ground([lamp_m])[0]
            self._pool += np.exp(-(((columns - x) / 130) ** 2) - ((rows - y) / 60) ** 2)

    def sight(self, at_s: float) -> Sight:
        random = np.random.default_rng((self._seed, round(at_s * 10)))
        things = [thing for thing in THINGS if thing.stands(at_s)]
        walkers, standing = self._people(at_s)
        bodies: list[Body] = [thing.body for thing in things]
        bodies += [(body, colour) for body, colour in walkers + standing]
        image = self._lit(at_s, bodies)
        top, left = random.integers(0, 40, 2)
        noise = self._noise[random.integers(len(self._noise)), top : top + SIZE[1], left : left + SIZE[0]]
        image += noise * np.float32(1.5 + 3.0 * (1 - self._sun(at_s)))
        seen = [[body for body, _ in walkers + standing if random.random() < RECALL] for _ in range(2)]
        return Sight(
            at_s=at_s,
            image=np.clip(image, 0, 255).astype(np.uint8),
            people=detected(*seen[0]),
            closer=detected(*seen[1]),
            width_m=min([4.0, *(thing.width_m for thing in things)]),
        )

    def _sun(self, at_s: float) -> float:
        """How high the sun is, 0 by night to 1 at noon."""
        return max(0.0, float(np.sin(np.pi * (at_s - SUNRISE_S) / (SUNSET_S - SUNRISE_S))))

    def _cloud(self, at_s: float) -> float:
        """Share of the sun that clouds take, from minute to minute."""
        place = at_s / 60
        low = int(place)
        here = self._clouds[low] + (self._clouds[low + 1] - self._clouds[low]) * (place - low)
        return float(np.clip(here + 0.2, 0.0, 1.0))

    def _lit(self, at_s: float, bodies: list[Body]) -> NDArray[np.float32]:
        """The picture by the light of the moment, as an exposure that follows it halfway shows it."""
        sun, cloud = self._sun(at_s), self._cloud(at_s)
        wet = float(np.clip(min(at_s - RAIN_S[0], 2 * HOUR_S + RAIN_S[1] - at_s) / (HOUR_S / 6), 0, 1))
        image = self._empty * np.float32(1 - 0.22 * wet)
        direct = sun * (1 - cloud) * (1 - wet)
        if direct > 0.02:
            self._cast(image, at_s, bodies, 1 - 0.45 * min(1.0, 1.6 * direct))
        for corners, colour in sorted(bodies, key=lambda body: -float(body[0][:, 1].min())):
            image[silhouette(corners)] = colour
        daylight = 0.38 + 0.62 * sun**0.4 * (1 - 0.35 * cloud) if sun else 0.38
        image *= np.float32(daylight)
        if not LAMPS_OFF_S <= at_s < LAMPS_ON_S:
            image *= 1 + np.float32(0.8) * self._pool[:, :, None]
        warmth = np.float32(0.10 * (1 - sun))
        image *= np.array([1 - warmth, 1.0, 1 + warmth], np.float32)
        return image

    def _cast(self, image: NDArray[np.float32], at_s: float, bodies: list[Body], depth: float) -> None:
        """Shadows of lamp posts, of the railings and of what stands on the deck, which go round with the sun."""
        turn = np.pi * (at_s - SUNRISE_S) / (SUNSET_S - SUNRISE_S)
        long_m = min(6.0, 1.0 / np.tan(max(np.sin(turn), 0.12)))
        away = np.array([-np.cos(turn) * long_m, 0.35 * long_m])
        shade = np.zeros(image.shape[:2], np.float32)
        posts = [np.array([[x, 12.0], [x + 0.3, 12.0]]) for x in (-0.6, 4.4)]
        strips = [np.vstack([post, post[::-1] + 5.0 * away]) for post in posts]
        for x in (0.0, 4.0):
            rail = np.array([[x, 5.5], [x, 18.0]]) + 1.1 * away
            strips.append(np.vstack([rail, rail[::-1] + 0.07 * away]))
            uprights = [np.array([[x, y], [x, y + 0.06]]) for y in np.arange(6.0, 18.0, 1.5)]
            strips += [np.vstack([foot, foot[::-1] + 1.1 * away]) for foot in uprights]
        for strip in strips:
            corners_px = np.round(on_ground([tuple(p) for p in strip]) * 16).astype(np.int32)
            cv2.fillPoly(shade, [corners_px], 1.0, cv2.LINE_AA, 4)
        for corners, _ in bodies:
            base = np.unique(corners[:, :2], axis=0)
            height_m = float(corners[:, 2].max())
            hull = cv2.convexHull(np.vstack([base, base + height_m * away]).astype(np.float32))[:, 0]
            cv2.fillConvexPoly(shade, np.round(on_ground([tuple(p) for p in hull])).astype(np.int32), 1.0)
        shade = cv2.GaussianBlur(shade, (5, 5), 0)
        image *= (1 - np.float32(1 - depth) * shade)[:, :, None]

    def _people(self, at_s: float) -> tuple[list[Body], list[Body]]:
        """Those who walk along, more of them in the rush hours, and two who stand for five minutes in each hour."""
        hour = at_s / HOUR_S
        rush = max(np.exp(-((hour - 8) ** 2)), np.exp(-((hour - 18) ** 2)), 0.15)
        walkers: list[Body] = []
        for slot in range(max(int(at_s // 15) - 1, 0), int(at_s // 15) + 1):
            drawn = np.random.default_rng((self._seed, slot, 7))
            along = (at_s - 15 * slot - drawn.uniform(0, 5)) * 1.2
            if drawn.random() < rush and 0 < along < 12:
                colour = tuple(int(c) for c in drawn.integers(20, 180, 3))
                walkers.append((person(float(drawn.uniform(2.0, 3.7)), 5.8 + along), colour))
        standing: list[Body] = []
        drawn = np.random.default_rng((self._seed, int(hour), 11))
        begins = drawn.uniform(0, HOUR_S - 300)
        if 6 < hour < 22 and begins <= at_s % HOUR_S < begins + 300:
            x, y = drawn.uniform(2.3, 3.2), drawn.uniform(7.0, 13.0)
            standing = [(person(x, y), (60, 40, 110)), (person(x + 0.6, y), (110, 60, 40))]
        return walkers, standing
