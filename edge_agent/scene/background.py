"""What a zone looks like when nothing stands in it, kept slowly and told apart from light.

Pixels are compared in logarithms, where light is an addition: brightness (the mean of the three logarithms) and two
colour ratios, which a change of light leaves nearly alone. For every pixel two looks are kept: the background, and
the one that has *settled* there now. A pixel shows a thing when what has settled differs from the background in a way
that light cannot explain.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from edge_agent.capture.frame import Image
from edge_agent.scene.patch import Mask
from edge_agent.scene.sparse import around, morphed

Look = NDArray[np.float32]
"""(height, width, 3): brightness, red against green, blue against green; natural logarithms."""


@dataclass(frozen=True, slots=True)
class BackgroundRules:
    """What tells a thing from light. Differences are of natural logarithms: 0.1 is about ten per cent."""

    log_offset: float = 12.0
    """Added to every channel before the logarithm: keeps sensor noise in the dark from looking like colour."""
    same_brightness: float = 0.10
    """Two looks of one surface agree this well from frame to frame (compression and a sensor by day, three sigma)."""
    same_colour: float = 0.08
    """The same for the colour ratios."""
    most_noise: float = 2.5
    """Both grow with the camera's own noise where that is more, to so many times as much at most."""
    noise_pairs: int = 9
    """Noise is the median of so many pairs of pictures: when the light changes in one it is no noise."""
    thing_colour: float = 0.20
    """Colour difference that no shadow makes: skylight turns a shadow blue by up to 0.15,"""
    shade_colour: float = 0.2
    """by no more than this share of how much it darkens, which is a third in a half shadow: a change of colour alone,
    beyond the noise, is no shadow,"""
    faint_colour: float = 0.6
    """where it is seen so faintly, as a share of ``same_colour``, in the mean of a window of ``rough_window_px``,"""
    coloured_core_px: int = 17
    """and holds a disc of this size: colours bleed by some pixels, and stray in blocks of 16 in compression."""
    bled_share: float = 0.25
    """Not if this share of the region is a thing by other signs: its colour has bled or is reflected by the ground."""
    steady_light: float = 0.8
    """Share of the crop that must be as bright as the background for so faint a colour to be believed: where lamps go
    on and off a shadow may be as bright as the ground was."""
    brightest_light: float = 0.45
    """Brightening that sun coming through still explains, beyond what the whole picture did."""
    deepest_shadow: float = -0.95
    """Darkening that a shadow still explains: a hard shadow keeps a third of the light or more."""
    rough: float = 0.14
    """Scatter of the difference within a small window from which the surface itself is another: under light alone
    the difference is even."""
    texture: float = 0.045
    """Scatter of the bare ground within the window from which it has a texture that a thing would hide,"""
    hidden_texture: float = 0.8
    """and share of that scatter which the difference must have for it to be hidden: a shadow leaves it as it is."""
    hiding_brightness: float = 0.22
    """What hides texture must differ in brightness by this much all over: noise and blur do not."""
    rough_window_px: int = 7
    rough_core_px: int = 9
    """Roughness must fill a disc of this size: the edge of a shadow is rough too, but is a thin line."""
    full_shade: float = 0.7
    """What has darkened by this share of the darkest pixel of its region, at least, is in full shade; what has by less
    is its border, which is half in the light, or another part of a thing."""
    even_share: float = 0.5
    """Share of a dark region in full shade from which it may be the shadow of a post or a rail,"""
    thin_px: int = 13
    """if it is nowhere as broad as this."""
    thin_dark: float = 0.5
    """How much darker than both its sides a thin line must have become to be a tyre or a rod and no thin shadow."""
    colour_levels: int = 4
    """A pixel has a colour if its channels differ by more than this,"""
    grey_share: float = 0.005
    """and a picture with fewer such pixels is grey: a camera that sees by infrared gives none, but for compression;"""
    colour_share: float = 0.02
    """with more, it is one in colour; between the two it is as it was."""
    settle_s: float = 0.8
    """A look counts as settled when it has kept for so long: a walker's coat passes a pixel faster."""
    settle_sightings: int = 2
    """and in so many frames after the first, whatever the sampling period."""
    keep_sightings: int = 1
    """In so many frames after the first, a look that has kept for ``settle_s`` is worth a second look, though not yet
    settled."""
    settle_weight: float = 0.3
    """Weight of a new frame in the settled look."""
    light_absorb_s: float = 25.0
    """Time constant with which a settled change of light becomes background: sun shadows move by minutes."""
    background_absorb_s: float = 8.0
    """The same for what is background already; averages noise out."""
    stray_absorb_s: float = 600.0
    """The same for change that is held by no thing: specks and borders, not large or steady enough for one."""
    relit_share: float = 0.5
    """Share of the zone that must change at once, and settle, for it to be the light (night mode) and not things."""


RULES = BackgroundRules()

_BORDER = np.ones((3, 3), np.uint8)
_BRIGHTNESS_AND_COLOURS = np.array([[1 / 3, 1 / 3, 1 / 3], [0, -1, 1], [1, -1, 0]], np.float32)
"""The look of a pixel from the logarithms of its blue, green and red."""
LIGHT_SAMPLE = 7
"""Every so manieth pixel is enough to measure the light of the whole zone."""

COLOUR_SAMPLE = 8
"""So far apart are the rows and columns in which colour is looked for."""
NOISE_SAMPLE = 29
"""Every so manieth pixel is enough to measure noise."""
DARK = 0.1
"""Noise counts when it is more than usual on the darkest tenth of the picture."""
_THREE_SIGMA = 3 * 1.4826 / np.sqrt(2)
"""Of one picture, for the median difference of two."""


class Background:
    """Background and settled look of one crop of the picture. Feed it frames in order of time: ``lit``, ``learn``."""

    def __init__(self, shape: tuple[int, int], rules: BackgroundRules = RULES) -> None:
        self.rules = rules
        self.background: Look = np.zeros((*shape, 3), np.float32)
        self.known: Mask = np.zeros(shape, bool)
        self.settled: Look = np.zeros((*shape, 3), np.float32)
        self.settled_since_s = np.full(shape, np.inf)
        self._sightings = np.zeros(shape, np.int32)
        self._steady = False
        self._ground_texture: NDArray[np.float32] | None = None
        self._noise: deque[NDArray[np.float32]] = deque(maxlen=rules.noise_pairs)
        self._last: Look | None = None
        self._noise_levels = np.zeros(2, np.float32)
        self._dark = np.inf
        self._grey: bool | None = None
        self._other: tuple[Look, Mask] | None = None
        self._logs = np.log(np.arange(256) + rules.log_offset).astype(np.float32)

    def look(self, crop: Image) -> Look:
        """The logarithmic look of a picture."""
        logs = cv2.LUT(cv2.GaussianBlur(crop, (3, 3), 0), self._logs)
        return np.asarray(cv2.transform(logs, _BRIGHTNESS_AND_COLOURS), np.float32)

    def plane(self, crop: Image) -> NDArray[np.float32]:
        """(height, width): the logarithm of a picture's green, by which pictures are laid on each other."""
        green = cv2.GaussianBlur(cv2.extractChannel(crop, 1), (3, 3), 0)
        return np.asarray(cv2.LUT(green, self._logs), np.float32)

    def usual_plane(self) -> tuple[NDArray[np.float32], Mask]:
        """The same of the background, or of what is seen where none is known yet, and where it is either."""
        brightness, red, blue = cv2.split(np.where(self.known[:, :, None], self.background, self.settled))
        return np.asarray(brightness - (red + blue) / 3, np.float32), self.known | (self._sightings > 0)

    def turns(self, crop: Image) -> bool:
        """True if the camera went from colour to infrared with this picture, or back."""
        few = crop[::COLOUR_SAMPLE, ::COLOUR_SAMPLE].astype(np.int16)
        green = few[:, :, 1]
        off = np.maximum(np.abs(few[:, :, 0] - green), np.abs(few[:, :, 2] - green))
        coloured = float((off > self.rules.colour_levels).mean())
        before = self._grey
        if coloured < self.rules.grey_share:
            self._grey = True
        elif coloured > self.rules.colour_share:
            self._grey = False
        return before is not None and self._grey is not before

    def turn(self) -> None:
        """Go on with what the place looked like when the camera last saw in this way, else with that without colour."""
        before = self.background.copy(), self.known.copy()
        if self._other is not None:
            self.background, self.known = self._other
        else:
            self.background[:, :, 1:] = 0
        self._other = before
        self._ground_texture = None
        self.settled_since_s[:] = np.inf
        self._sightings[:] = 0

    def lit(self, crop: Image, hidden: Mask, held: Mask, watched: Mask) -> Look:
        """The look of a picture in the background's light.

        ``hidden`` pixels show people, ``held`` ones belong to standing things: the light of the whole ``watched`` zone
        is measured on the rest and taken out.
        """
        look = self.look(crop)
        free = self.known & watched & ~hidden & ~held
        reference = np.flatnonzero(free.ravel()[::LIGHT_SAMPLE]) * LIGHT_SAMPLE
        if len(reference) >= 20:
            difference = look.reshape(-1, 3)[reference] - self.background.reshape(-1, 3)[reference]
            light = np.median(np.ascontiguousarray(difference.T), axis=1)
            look = np.asarray(cv2.subtract(look, (*light.tolist(), 0.0)), np.float32)
        self._measure_noise(look)
        return look

    def learn(self, look: Look, hidden: Mask, now_s: float) -> None:
        """Take in the look of one frame. ``hidden`` pixels show people: nothing is learnt from them."""
        keeps = self.alike(look, self.settled) & (self._sightings > 0)
        fresh, stays = ~hidden & ~keeps, ~hidden & keeps
        cv2.copyTo(look, fresh.view(np.uint8), self.settled)
        np.putmask(self.settled_since_s, fresh, now_s)
        cv2.accumulateWeighted(look, self.settled, self.rules.settle_weight, stays.view(np.uint8))
        self._sightings += stays
        np.putmask(self._sightings, fresh, 1)
        settled, usual = (looks.reshape(-1, 3)[::LIGHT_SAMPLE, 0] for looks in (self.settled, self.background))
        known = self.known.ravel()[::LIGHT_SAMPLE]
        same = np.count_nonzero(known & (np.abs(settled - usual) < self.rules.same_brightness))
        self._steady = bool(same >= self.rules.steady_light * np.count_nonzero(known))

    def has_settled(self, now_s: float) -> Mask:
        """Pixels whose look has kept for long enough."""
        kept: Mask = (self._sightings > self.rules.settle_sightings) & (
            self.settled_since_s <= now_s - self.rules.settle_s + 1e-6
        )
        return kept

    def has_kept(self, now_s: float) -> Mask:
        """Pixels whose look has kept for long enough, though in fewer frames than it takes to settle."""
        kept: Mask = (self._sightings > self.rules.keep_sightings) & (
            self.settled_since_s <= now_s - self.rules.settle_s + 1e-6
        )
        return kept

    def alike(self, first: Look, second: Look, slack: float = 1.0) -> Mask:
        """Pixels at which two looks are of one surface in one light, with ``slack`` times the usual noise."""
        same = np.empty(first.shape[:2], bool)
        for rows in _strips(len(same)):
            brightness, red, blue = cv2.split(cv2.absdiff(first[rows], second[rows]))
            most, colour = self._same(first[rows])
            same[rows] = (brightness < most * slack) & (red * red + blue * blue < (colour * slack) ** 2)
        return same

    def _same(self, look: Look) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """By how much one surface may differ in brightness and in colour, everywhere or at each pixel."""
        rules = self.rules
        usual = np.array([rules.same_brightness, rules.same_colour], np.float32)
        brightness, colour = usual
        if self._noise_levels[0] > self._dark * usual[0] or self._noise_levels[1] > self._dark * usual[1]:
            darkness = cv2.exp(-look[:, :, 0])
            brightness, colour = (
                np.clip(darkness * levels, same, rules.most_noise * same)
                for levels, same in zip(self._noise_levels, usual, strict=True)
            )
        return np.asarray(brightness, np.float32), np.asarray(colour, np.float32)

    def _measure_noise(self, look: Look) -> None:
        """Learn how much one surface in one light differs from picture to picture: three sigma, in grey levels."""
        sample = look.reshape(-1, 3)[::NOISE_SAMPLE].copy()
        if self._last is not None:
            levels = np.exp(sample[:, :1])
            self._dark = float(np.quantile(levels, DARK))
            self._noise.append(np.median(np.abs(sample - self._last) * levels, axis=0))
            brightness, red, blue = _THREE_SIGMA * np.median(np.array(self._noise), axis=0)
            self._noise_levels = np.array([brightness, max(red, blue)], np.float32)
        self._last = sample

    def shows_thing(self, look: Look | None = None) -> Mask:
        """Pixels at which a look, else what has settled, is no background in any light."""
        rules = self.rules
        shown = self.settled if look is None else look
        brightness, red, blue = difference = np.empty((3, *shown.shape[:2]), np.float32)
        for rows in _strips(len(shown)):
            cv2.split(cv2.subtract(shown[rows], self.background[rows]), list(difference[:, rows]))
        colour = red * red + blue * blue  # its square, as that of every scatter here
        thing = (colour > rules.thing_colour**2) | (brightness > rules.brightest_light)
        thing |= brightness < rules.deepest_shadow
        mean, variance = self._mean_and_variance(brightness)
        if self._ground_texture is None:
            self._ground_texture = self._mean_and_variance(np.ascontiguousarray(self.background[:, :, 0]))[1]
        change, texture = np.abs(mean), self._ground_texture
        rough = (texture > rules.texture**2) & (variance > rules.hidden_texture**2 * texture)
        rough &= change > rules.hiding_brightness
        rough |= (variance > rules.rough**2) & (change > rules.same_brightness)
        shade = self._is_even_shade(brightness)
        disc = _disc(rules.rough_core_px)
        thing |= morphed(rough & ~shade, cv2.MORPH_OPEN, disc) & (np.abs(brightness) > rules.same_brightness)
        dark = (brightness < -rules.thin_dark) & ~shade
        part = around(dark, rules.rough_core_px)
        if part is not None:
            thing[part] |= dark[part] & (cv2.morphologyEx(brightness[part], cv2.MORPH_BLACKHAT, disc) > rules.thin_dark)
        if self._steady:
            thing |= self._is_coloured(shown, red, blue, colour, change, thing)
        changed: Mask = thing & self.known
        return changed

    def _mean_and_variance(self, plane: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Of the window around each pixel."""
        size = (self.rules.rough_window_px, self.rules.rough_window_px)
        mean = np.asarray(cv2.blur(plane, size), np.float32)
        return mean, np.asarray(cv2.blur(plane * plane, size) - mean * mean, np.float32)

    def _is_coloured(
        self,
        look: Look,
        red: NDArray[np.float32],
        blue: NDArray[np.float32],
        colour: NDArray[np.float32],
        darkening: NDArray[np.float32],
        thing: Mask,
    ) -> Mask:
        """Regions whose colour has changed by more than light of this change of brightness can change it.

        ``colour`` is the square of that change. Beside a ``thing`` that shows anyway it is the thing's own colour, bled
        or reflected by the ground.
        """
        rules = self.rules
        size = (rules.rough_window_px, rules.rough_window_px)
        _, noise = self._same(look)
        least = np.minimum(rules.shade_colour * darkening + rules.faint_colour * noise, rules.thing_colour)
        coloured = (cv2.magnitude(cv2.blur(red, size), cv2.blur(blue, size)) > least) & (colour > least * least)
        disc = _disc(rules.rough_core_px)
        inner = cv2.erode(coloured.view(np.uint8), disc) > 0
        core = np.zeros_like(thing)
        part = around(inner, rules.coloured_core_px)
        if part is None:
            return core
        centres = cv2.erode(coloured[part].view(np.uint8), _disc(rules.coloured_core_px)) > 0
        if not centres.any():
            return core
        labels = cv2.connectedComponents(cv2.dilate(inner[part].view(np.uint8), disc))[1]
        cores, things, sizes = (
            np.bincount(labels[where], minlength=int(labels.max()) + 1)
            for where in (centres, thing[part] & (labels > 0), labels > 0)
        )
        core[part] = ((cores > 0) & (things < rules.bled_share * sizes))[labels]
        return core

    def _is_even_shade(self, brightness: NDArray[np.float32]) -> Mask:
        """Thin regions that have darkened alike all over but for their border: the shadow of a post or of a rail.

        What is as thin and a thing, as a bicycle, has parts of its own shades.
        """
        rules = self.rules
        dark = brightness < -rules.same_brightness
        shade = np.zeros_like(dark)
        if not dark.any():
            return shade
        count, labels = cv2.connectedComponents(dark.view(np.uint8))
        broad = np.zeros(count, bool)
        broad[labels[morphed(dark, cv2.MORPH_OPEN, _disc(rules.thin_px))]] = True
        thin = np.flatnonzero(~broad[labels] & dark)
        region, darkened = labels.ravel()[thin], brightness.ravel()[thin]
        inner = (cv2.erode(dark.view(np.uint8), _BORDER) > 0).ravel()[thin]
        inside, darkened = region[inner], darkened[inner]
        deepest = np.zeros(count, np.float32)
        np.minimum.at(deepest, inside, darkened)
        full = np.bincount(inside[darkened < rules.full_shade * deepest[inside]], minlength=count)
        even = full >= rules.even_share * np.maximum(np.bincount(inside, minlength=count), 1)
        even &= deepest > rules.deepest_shadow
        shade.ravel()[thin[even[region]]] = True
        return shade

    def absorb(self, held: Mask, things: Mask, watched: Mask, now_s: float, elapsed_s: float) -> None:
        """Let settled light and settled background flow into the background, strays slowly; never what is held."""
        settled = self.has_settled(now_s)
        self.adopt(settled & ~self.known & ~held)
        if self._is_relit(settled, things & ~held, watched & ~held):
            self.adopt(settled & ~held)
            return
        calm = settled & ~held & ~things
        same = calm & self.alike(self.settled, self.background)
        for pixels, time_s in (
            (same, self.rules.background_absorb_s),
            (calm & ~same, self.rules.light_absorb_s),
            (settled & ~held & things, self.rules.stray_absorb_s),
        ):
            part = around(pixels, 0)
            if part is not None:
                weight = 1 - float(np.exp(-elapsed_s / time_s))
                cv2.accumulateWeighted(self.settled[part], self.background[part], weight, pixels[part].view(np.uint8))

    def adopt(self, pixels: Mask) -> None:
        """Make what has settled at ``pixels`` the background at once: what was there went away."""
        self._ground_texture = None
        part = around(pixels, 0)
        if part is not None:
            cv2.copyTo(self.settled[part], pixels[part].view(np.uint8), self.background[part])
            self.known |= pixels

    def _is_relit(self, settled: Mask, changed: Mask, watched: Mask) -> bool:
        seen = np.count_nonzero(settled & watched)
        least = self.rules.relit_share * max(int(seen), 0.5 * int(np.count_nonzero(watched)))
        return bool(np.count_nonzero(settled & changed & watched) > least)


STRIP_ROWS = 32


def _strips(height: int) -> list[slice]:
    """The rows of a raster in pieces that stay in a small processor's cache from step to step."""
    return [slice(top, top + STRIP_ROWS) for top in range(0, height, STRIP_ROWS)]


@lru_cache
def _disc(side_px: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px)), np.uint8)
