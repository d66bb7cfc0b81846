"""How much of a live stream has to be decoded."""

from __future__ import annotations

from collections import deque
from enum import StrEnum
from typing import Literal

from edge_agent.capture.live_sampling import LiveSampling


class DecodeMode(StrEnum):
    """What is decoded of a stream, from little to all."""

    KEYFRAMES = "keyframes"
    """Key frames that are due. They lean on nothing, so that nothing else is decoded."""
    SAMPLED = "sampled"
    """What the pictures that are due lean on: from a key frame to the last due picture before the next one."""
    ALL = "all"
    """Everything."""


Setting = Literal["auto", "keyframes", "sampled", "all"]

_RECENT = 4
"""Distances between key frames that are remembered. Cameras that stretch them when little moves change slowly."""
_SLACK = 0.1
"""Of a period: as much later than due may a key frame come. As in ``LiveSampling``."""
_NO_KEY_S = 10.0
"""A stream that shows no key frame for so long has none: it refreshes itself piece by piece, and is decoded whole."""


class DecodePlan:
    """Chooses the decode mode from the distance of key frames and the sampling period, anew as they change.

    Key frames alone do when one is there for every period. At first they are hoped to: a stream whose key frames prove
    too rare loses some pictures once, while one that is decoded whole for nothing would cost a box with many cameras
    the most when it starts. What was learnt outlasts a reconnection.
    """

    def __init__(self, setting: Setting, period_s: float) -> None:
        self._setting = setting
        self._longest_s = period_s * (1 + _SLACK)
        self._distances: deque[float] = deque(maxlen=_RECENT)
        self._key_s: float | None = None
        self._began_s: float | None = None
        self._overdue = False
        self.without_keys = False

    @property
    def gop_s(self) -> float | None:
        """The largest of the last distances between key frames, seconds; None before there are two."""
        return max(self._distances) if self._distances else None

    @property
    def mode(self) -> DecodeMode:
        """What is to be decoded now."""
        if self._setting != "auto":
            return DecodeMode(self._setting)
        if self.without_keys:
            return DecodeMode.ALL
        gop_s = self.gop_s
        too_rare = self._overdue or (gop_s is not None and gop_s > self._longest_s)
        return DecodeMode.SAMPLED if too_rare else DecodeMode.KEYFRAMES

    def restart(self) -> None:
        """A new connection: the distance to the last key frame means nothing."""
        self._key_s = self._began_s = None

    def see(self, is_key: bool, at_s: float) -> None:
        """Take note of a packet. Call it for each, in order."""
        if self._began_s is None:
            self._began_s = at_s
        if is_key:
            if self._key_s is not None and at_s > self._key_s:
                self._distances.append(at_s - self._key_s)
            self._key_s = at_s
            self._overdue = self.without_keys = False
            return
        since_s = at_s - (self._began_s if self._key_s is None else self._key_s)
        if self._key_s is not None and since_s > self._longest_s:
            self._overdue = True
        if self._key_s is None and not self._distances and since_s > _NO_KEY_S:
            self.without_keys = True

    def next_key_will_do(self, sampling: LiveSampling) -> bool:
        """True if nothing is due before the next key frame, as far as the last ones tell."""
        gop_s = self.gop_s
        if gop_s is None or self._key_s is None or sampling.due_s is None:
            return False
        return sampling.due_s + sampling.slack_s(gop_s) > self._key_s + gop_s
