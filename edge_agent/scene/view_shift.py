"""Where the picture lies against a reference."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

import cv2
import numpy as np

from edge_agent.scene.health_rules import HealthRules
from edge_agent.scene.look import SCENE, WIDTH, Grey, Look, block_means, likeness

Shift = tuple[float, float]
"""(right, down) in pixels of the small picture, which is 160 wide."""


@dataclass(frozen=True, slots=True)
class Match:
    """How a picture fits the reference at its best shift. ``agreement``: share of blocks whose edges agree, 0-1."""

    shift: Shift
    agreement: float


class Reference:
    """What the camera usually sees: a slow mean, so that what stands still outweighs what passes by."""

    def __init__(self, rules: HealthRules, look: Look) -> None:
        self._rules = rules
        self.edges = look.edges.copy()
        self.contrast = look.contrast.copy()
        self.scene = look.scene.copy()
        self.sharpness = look.sharpness
        self.mean = look.mean
        self._learnt_s = 0.0
        self._shift: Shift = (0.0, 0.0)

    def fits(self, look: Look) -> bool:
        """True if the picture has the reference's proportions, so that the two can be compared."""
        return look.edges.shape == self.edges.shape

    def match(self, look: Look) -> Match:
        """The shift at which the picture fits best: the last one, none, or the one that phase correlation finds.

        Phase correlation after Kuglin and Hines (1975) on edge maps. Another shift than the last is believed only if
        the picture fits better there.
        """
        # Copies: with a window, OpenCV multiplies it into the arrays that it was given.
        measured, _ = cv2.phaseCorrelate(self.edges.copy(), look.edges.copy(), _window(self.edges.shape[0]))
        best, best_fit = self._shift, self._fit(look.edges, self._shift)
        for shift in ((0.0, 0.0), (float(measured[0]), float(measured[1]))):
            if shift == best or abs(shift[0]) > WIDTH / 2 or abs(shift[1]) > self.edges.shape[0] / 2:
                continue
            fit = self._fit(look.edges, shift)
            gain = self._rules.creep_gain if self._is_near(shift) else self._rules.shift_gain
            if fit[1] > best_fit[1] + gain and fit[0] >= best_fit[0] - self._rules.agreement_noise:
                best, best_fit = shift, fit
        if best_fit[0] >= self._rules.found_agreement:
            best = self._smooth(best)
        return Match(best, best_fit[0])

    def flat_share(self, look: Look, light: float = 1.0) -> float:
        """Share of the reference's textured blocks that are flat in the picture. ``light``: expected loss of light."""
        textured = self.contrast >= self._rules.texture_contrast
        if not textured.any():
            return 1.0 if float(look.contrast.mean()) < self._rules.flat_contrast else 0.0
        flat = look.contrast < self._rules.flat_share_of_reference * light * self.contrast
        return float(flat[textured].mean())

    def learn(self, look: Look, shift: Shift, step_s: float) -> None:
        """Follow the scene a little. ``shift`` is where the picture lies, ``step_s`` how long since the last one."""
        step_s = min(max(step_s, 0.0), self._rules.longest_step_s)
        weight = step_s / (self._learnt_s + step_s) if step_s else 0.0
        self._learnt_s = min(self._learnt_s + step_s, self._rules.reference_s)
        back, inside = _moved(look.edges, shift)
        self.edges += weight * inside * (back - self.edges)
        self.contrast += weight * (look.contrast - self.contrast)
        self.scene += weight * (look.scene - self.scene)
        self.sharpness += weight * (look.sharpness - self.sharpness)
        self.mean += weight * (look.mean - self.mean)

    def dump(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "edges": _packed(self.edges),
            "rows": self.edges.shape[0],
            "contrast": _packed(self.contrast),
            "scene": _packed(self.scene),
            "sharpness": self.sharpness,
            "mean": self.mean,
            "learnt_s": self._learnt_s,
            "shift": list(self._shift),
        }

    @staticmethod
    def load(rules: HealthRules, state: dict[str, Any]) -> Reference:
        """From what ``dump`` gave. Raises ``ValueError`` if it is damaged."""
        try:
            edges = _unpacked(state["edges"], (int(state["rows"]), WIDTH))
            scene = _unpacked(state["scene"], (SCENE[1], SCENE[0]))
            contrast = _unpacked(state["contrast"], block_means(edges).shape)
            sharpness, mean = float(state["sharpness"]), float(state["mean"])
            look = Look(0.0, 0.0, mean, edges, contrast, sharpness, scene)
            reference = Reference(rules, look)
            reference._learnt_s = float(state["learnt_s"])
            right, down = state["shift"]
            reference._shift = (float(right), float(down))
        except (KeyError, TypeError, ValueError, zlib.error, cv2.error) as error:
            raise ValueError(f"the camera's reference picture is damaged: {error!r}") from error
        return reference

    def _fit(self, edges: Grey, shift: Shift) -> tuple[float, float]:
        """(agreement, correlation) of the picture moved back by ``shift``, where the two overlap."""
        back, inside = _moved(edges, shift)
        ours, theirs = self.edges * inside, back * inside
        share = block_means(inside)
        whole = share > 0.7
        if not whole.any():
            return 0.0, 0.0
        share = np.maximum(share, 1e-3)
        our_mean, their_mean = block_means(ours) / share, block_means(theirs) / share
        both = block_means(ours * theirs) / share - our_mean * their_mean
        our_power = np.maximum(block_means(ours * ours) / share - our_mean**2, 0)
        their_power = np.maximum(block_means(theirs * theirs) / share - their_mean**2, 0)
        blocks = both / np.sqrt(our_power * their_power + 1e-6)
        strength = np.sqrt(our_power)
        textured = whole & (strength > 0.5 * np.median(strength[whole]))
        if not textured.any():
            return 0.0, 0.0
        agreement = float((blocks[textured] > self._rules.block_likeness).mean())
        kept = inside > 0
        return agreement, likeness(self.edges[kept], back[kept])

    def _is_near(self, shift: Shift) -> bool:
        off = max(abs(shift[0] - self._shift[0]), abs(shift[1] - self._shift[1]))
        return off < self._rules.smooth_shift_px

    def _smooth(self, shift: Shift) -> Shift:
        if self._is_near(shift):
            right, down = self._shift
            shift = (right + _SMOOTHING * (shift[0] - right), down + _SMOOTHING * (shift[1] - down))
        self._shift = shift
        return shift


_SMOOTHING = 0.3
"""Weight of one more measurement of the same shift: single ones are off by some tenths of a pixel."""


@lru_cache(maxsize=8)
def _window(rows: int) -> Grey:
    return cast(Grey, cv2.createHanningWindow((WIDTH, rows), cv2.CV_32F))


def _moved(edges: Grey, shift: Shift) -> tuple[Grey, Grey]:
    """The map moved back by ``shift``, and 1 where it is known."""
    if shift == (0.0, 0.0):
        return edges, np.ones_like(edges)
    size = (edges.shape[1], edges.shape[0])
    matrix = np.array([[1, 0, -shift[0]], [0, 1, -shift[1]]], np.float32)
    back = cast(Grey, cv2.warpAffine(edges, matrix, size))
    inside = cast(Grey, cv2.warpAffine(np.ones_like(edges), matrix, size))
    return back, (inside > 0.99).astype(np.float32)


def _packed(values: Grey) -> str:
    return base64.b64encode(zlib.compress(values.astype("<f2").tobytes())).decode()


def _unpacked(text: str, shape: tuple[int, ...]) -> Grey:
    values = np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), "<f2")
    return values.reshape(shape).astype(np.float32)
