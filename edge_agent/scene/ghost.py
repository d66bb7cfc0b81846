"""Ghosts: places that something has left, which differ from the background only because it is still in there."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from edge_agent.scene.background import Background, Look
from edge_agent.scene.patch import Mask, Patch


@dataclass(frozen=True, slots=True)
class GhostRules:
    """What tells a place that was left from a thing that came."""

    deviation: float = 3.0
    """How many times the ground's scatter (or the noise, if more) a look must differ from the ground around it to
    stand out from it."""
    ring_px: int = 20
    """How far around a pixel its ground is looked for; further where there is none so near."""
    least_ground: float = 0.08
    """Share of that window that must be ground to be believed."""
    edges: float = 1.6
    """From this ratio of the background's steps across the outline to those of now on, all of the region was left,
    if nothing came to stand in a part of it;"""
    alone: float = 1.2
    """from this one on if it was taken to stand and nothing is beside it, where single pixels tell nothing because the
    ground around is of several kinds: a part may hide more steps than it has;"""
    mixed: float = 0.6
    """from this one on, a part of it may have been, and its pixels are judged one by one."""
    share: float = 0.15
    """Share of a region that must be left ground, or stand out from it, for that to be more than noise."""


RULES = GhostRules()

_OUTLINE_PX = 2
"""How far from a border the pixels of an outline lie: pictures are blurred."""


def left_behind(
    region: Patch, background: Background, ground: Mask, alone: bool = False, rules: GhostRules = RULES
) -> tuple[Mask, Mask]:
    """The pixels of a region at which something left, and those at which a thing stands: masks of its shape.

    What stands somewhere has steps across its outline now, what left has them in the background. Where it has both (a
    thing that fell over covers a part of where it stood) single pixels are judged by what stands out from the ground
    around them: the background or what is there now. ``ground``: where in the crop the background shows the bare zone;
    ``alone``: the region has been taken to stand, with nothing beside it that it may be a part of.
    """
    reach = 4 * rules.ring_px
    rows, columns = ground.shape
    x1, y1, x2, y2 = region.box
    window = np.s_[max(y1 - reach, 0) : min(y2 + reach, rows), max(x1 - reach, 0) : min(x2 + reach, columns)]
    inner = Patch(region.x - window[1].start, region.y - window[0].start, region.mask)
    free = ground[window].copy()
    near = np.zeros(free.shape, bool)
    inner.add_to(near)
    free &= ~(cv2.dilate(near.view(np.uint8), np.ones((9, 9), np.uint8)) > 0)
    before_look, now_look = background.background[window], background.settled[window]
    ratio = _steps_ratio(inner, before_look, now_look)
    nothing = np.zeros_like(region.mask)
    if ratio < rules.mixed:
        return nothing, region.mask.copy()
    mean, scatter = _ground_around(before_look, free, rules)
    noise = np.array(
        [background.rules.same_brightness, background.rules.same_colour, background.rules.same_colour], np.float32
    )
    scale = np.maximum(scatter, noise / rules.deviation)
    now = np.abs((now_look - mean) / scale).max(axis=2)[inner.part]
    before = np.abs((before_look - mean) / scale).max(axis=2)[inner.part]
    left: Mask = (now < rules.deviation) & (before > rules.deviation) & region.mask
    came = (now > rules.deviation) & (before < rules.deviation) & region.mask
    some = rules.share * region.area
    told = np.count_nonzero(left) > some
    if ratio >= (rules.alone if alone and not told else rules.edges) and np.count_nonzero(came) <= some:
        return region.mask.copy(), nothing
    if not told:
        return nothing, region.mask.copy()
    stands = ((now > rules.deviation) & region.mask).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    stands = cv2.morphologyEx(
        cv2.morphologyEx(stands, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)
    )
    return left, (stands > 0) & region.mask


def _steps_ratio(region: Patch, before: Look, now: Look) -> float:
    """How much stronger the steps across a region's outline were before than they are now.

    Only what is across the outline counts, for the joints of a pavement run on through it; and of all of it and of what
    both looks do not share, the lesser ratio: neither alone shows that something left.
    """
    window, body = _surroundings(region, before, 3 * _OUTLINE_PX)
    band = _outline(body)
    soft = cv2.GaussianBlur(body.astype(np.float32), (0, 0), _OUTLINE_PX)
    across = np.dstack([cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)])[band]
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-6)
    was, is_now = (
        np.dstack(
            [
                cv2.Sobel(plane, cv2.CV_32F, 1, 0)[band] * across[:, 0]
                + cv2.Sobel(plane, cv2.CV_32F, 0, 1)[band] * across[:, 1]
                for plane in cv2.split(np.ascontiguousarray(look[window]))
            ]
        )[0]
        for look in (before, now)
    )
    whole = float(np.abs(was).sum()) / max(float(np.abs(is_now).sum()), 1e-6)
    shared = (was * is_now).sum(axis=1)
    own, own_now = (float(np.maximum((steps * steps).sum(axis=1) - shared, 0).sum()) for steps in (was, is_now))
    return min(whole, float(np.sqrt(own / max(own_now, 1e-6))))


def _surroundings(region: Patch, look: Look, margin: int) -> tuple[tuple[slice, slice], Mask]:
    """The part of a look's raster that lies within ``margin`` pixels of a region, and the region in it."""
    rows, columns = look.shape[:2]
    x1, y1, x2, y2 = region.box
    left, top = max(x1 - margin, 0), max(y1 - margin, 0)
    window = np.s_[top : min(y2 + margin, rows), left : min(x2 + margin, columns)]
    body = np.zeros(look[window].shape[:2], bool)
    Patch(x1 - left, y1 - top, region.mask).add_to(body)
    return window, body


def _outline(body: Mask) -> Mask:
    """The pixels near the border of a body."""
    whole, kernel = body.view(np.uint8), np.ones((3, 3), np.uint8)
    reach = _OUTLINE_PX
    band = cv2.dilate(whole, kernel, iterations=reach) - cv2.erode(whole, kernel, iterations=reach)
    near: Mask = band > 0
    return near


def _ground_around(look: Look, free: Mask, rules: GhostRules) -> tuple[Look, Look]:
    """Mean and scatter of the free pixels around each pixel, from the nearest window that holds enough of them."""
    mean = np.zeros_like(look)
    scatter = np.full_like(look, 1.0)
    open_pixels = np.ones(free.shape, bool)
    weight = free.astype(np.float32)
    for growth in (1, 2, 4):
        side = 2 * growth * rules.ring_px + 1
        share = cv2.blur(weight, (side, side))
        usable = open_pixels & (share > rules.least_ground)
        if not usable.any():
            continue
        count = np.maximum(share, 1e-6)[:, :, None]
        here = cv2.blur(look * weight[:, :, None], (side, side)) / count
        squares = cv2.blur(look * look * weight[:, :, None], (side, side)) / count
        mean[usable] = here[usable]
        scatter[usable] = np.sqrt(np.maximum(squares - here * here, 0))[usable]
        open_pixels &= ~usable
    return mean, scatter


def outline_strength(region: Patch, look: Look, seen: Mask | None = None) -> float | None:
    """Mean edge strength of a look of the whole raster along a region's outline, where ``seen`` is set.

    None if less than half of the outline can be seen.
    """
    window, body = _surroundings(region, look, _OUTLINE_PX + 1)
    band = _outline(body)
    visible = band if seen is None else band & seen[window]
    if np.count_nonzero(visible) < 0.5 * max(int(np.count_nonzero(band)), 1):
        return None
    strength = np.zeros(body.shape, np.float32)
    for plane in cv2.split(np.ascontiguousarray(look[window])):
        strength += np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1))
    return float(strength[visible].mean())


def outline_share(region: Patch, look: Look, least_edge: float) -> float:
    """Share of a region's outline near which a look of the whole raster has an edge of ``least_edge``."""
    margin = 4
    body = np.pad(region.mask, margin)
    rows, columns = look.shape[:2]
    top, left = np.clip(region.y - margin, 0, None), np.clip(region.x - margin, 0, None)
    bottom, right = min(region.box[3] + margin, rows), min(region.box[2] + margin, columns)
    body = body[
        top - region.y + margin : bottom - region.y + margin, left - region.x + margin : right - region.x + margin
    ]
    strength = np.zeros(body.shape, np.float32)
    for plane in cv2.split(np.ascontiguousarray(look[top:bottom, left:right])):
        strength += np.hypot(cv2.Sobel(plane, cv2.CV_32F, 1, 0), cv2.Sobel(plane, cv2.CV_32F, 0, 1))
    near = cv2.dilate(strength, np.ones((5, 5), np.uint8))
    line = body & (cv2.erode(body.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0)
    return float((near[line] >= least_edge).mean()) if line.any() else 0.0
