"""A folder of stills as a source."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np

from edge_agent.capture.capture_status import CaptureCounts, CaptureStatus
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.sampling import Sampling
from edge_agent.capture.source import SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.capture.video import UNKNOWN_START

INDEX = "index.json"
_SHAPE = '{"frames": [{"file": "0001.jpg", "t_s": 0.0}, {"file": "0002.jpg", "t_s": 1.0}]}, t_s in seconds and rising'


@dataclass(frozen=True, slots=True)
class Still:
    """One entry of an index: a file in the folder and its media time, exact."""

    file: str
    media_time: Fraction


class StillsSource:
    """A folder of pictures with an ``index.json`` that says when each was taken, in seconds of media time.

    ``started_at`` (UTC) is the moment at which media time is 0; without it 1970-01-01 counts.
    """

    def __init__(self, folder: Path, period_s: float, started_at: datetime | None = None) -> None:
        self.counts = CaptureCounts()
        self._folder = folder
        self._period_s = period_s
        self._started_at = started_at or UNKNOWN_START

    def status(self) -> CaptureStatus:
        """A recording is always there."""
        return CaptureStatus(SourceKind.RECORDING)

    def probe(self) -> SourceInfo:
        """Read the index and the first picture that can be read. Raises ``SourceError``."""
        stills = read_index(self._folder)
        for still in stills:
            image = _read(self._folder / still.file)
            if image is not None:
                span = stills[-1].media_time - stills[0].media_time
                return SourceInfo(
                    width=image.shape[1],
                    height=image.shape[0],
                    duration_s=float(span),
                    fps=None,
                    details={"container": "stills", "stills": len(stills)},
                )
        raise SourceError(self._say_empty(len(stills)))

    def frames(self) -> Iterator[Frame]:
        """The stills that are due, in order of media time. Raises ``SourceError`` if none can be read."""
        self.counts = counts = CaptureCounts()
        sampling = Sampling(self._period_s)
        last_size: tuple[int, int] | None = None
        stills = read_index(self._folder)
        for still in stills:
            if not sampling.is_due(still.media_time):
                counts.frames_skipped += 1
                continue
            image = _read(self._folder / still.file)
            if image is None:
                counts.frames_broken += 1
                continue
            sampling.take(still.media_time)
            if last_size is not None and last_size != image.shape[:2]:
                counts.size_changes += 1
            last_size = (image.shape[0], image.shape[1])
            counts.frames_analysed += 1
            seconds = float(still.media_time)
            yield Frame(image, self._started_at + timedelta(seconds=seconds), seconds)
        if not counts.frames_analysed:
            raise SourceError(self._say_empty(len(stills)))

    def _say_empty(self, listed: int) -> str:
        return (
            f"{self._folder}: none of the {listed} stills that its {INDEX} lists can be read: put the pictures "
            f"(JPEG or PNG) into this folder under these names"
        )


def read_index(folder: Path) -> tuple[Still, ...]:
    """The entries of a folder's ``index.json``. Raises ``SourceError`` that names the file and the entry."""
    path = folder / INDEX
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SourceError(f"{folder}: a folder of stills needs an {INDEX} that lists them: {_SHAPE}") from error
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"{path}: is not valid JSON ({error}); it must hold {_SHAPE}") from error
    entries = data.get("frames") if isinstance(data, dict) else None
    if not isinstance(entries, list) or not entries:
        raise SourceError(f"{path}: lists no frames; it must hold {_SHAPE}")
    stills: list[Still] = []
    for number, entry in enumerate(entries):
        still = _still(path, number, entry)
        if stills and still.media_time <= stills[-1].media_time:
            raise SourceError(
                f"{path}: frames[{number}].t_s: {float(still.media_time):g} s is not later than the entry before it "
                f"({float(stills[-1].media_time):g} s): list the stills in order, each later than the last"
            )
        stills.append(still)
    return tuple(stills)


def _still(path: Path, number: int, entry: Any) -> Still:
    file = entry.get("file") if isinstance(entry, dict) else None
    if not isinstance(file, str) or not file:
        raise SourceError(f"{path}: frames[{number}].file: is missing; each entry must name a file, as in {_SHAPE}")
    inside = PurePosixPath(file)
    if inside.is_absolute() or ".." in inside.parts or "\0" in file:
        raise SourceError(f"{path}: frames[{number}].file: {file!r} lies outside this folder: name a file inside it")
    t_s = entry.get("t_s")
    if isinstance(t_s, bool) or not isinstance(t_s, (int, float)):
        raise SourceError(f"{path}: frames[{number}].t_s: must be a number of seconds, it is {t_s!r}")
    if not 0 <= t_s < _LONGEST_S:
        raise SourceError(f"{path}: frames[{number}].t_s: {t_s!r} is not between 0 and {_LONGEST_S:g} seconds")
    return Still(file, Fraction(str(t_s)))


_LONGEST_S = 1e9
"""Some 30 years: a larger value is a date or milliseconds, not seconds since the start."""


def _read(path: Path) -> Image | None:
    """The picture as BGR; None if the file is missing or no picture."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    if not data.size:
        return None
    image: Image | None = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return image
