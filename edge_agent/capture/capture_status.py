"""How a source does, and what it has met: what capture says of itself to the rest of the agent."""

from __future__ import annotations

from dataclasses import dataclass

from edge_agent.capture.source_kind import SourceKind


@dataclass(slots=True)
class CaptureCounts:
    """What a source has met so far; the only mutable value of capture, read by metrics.

    ``frames_skipped`` were not due; ``frames_late`` were due and gave way to a newer one before their turn came;
    ``frames_broken`` could not be decoded, or lean on one that could not.
    ``timestamps_missing`` and ``timestamps_wrong`` are frames left out because their moment is not known;
    ``clock_restarts`` is how often the stream's clock began anew; ``size_changes`` how often the picture's size changed
    between two analysed frames.
    """

    frames_analysed: int = 0
    frames_skipped: int = 0
    frames_broken: int = 0
    timestamps_missing: int = 0
    timestamps_wrong: int = 0
    clock_restarts: int = 0
    size_changes: int = 0
    frames_late: int = 0


@dataclass(frozen=True, slots=True)
class CaptureStatus:
    """How a source is doing now; ``CaptureCounts`` says what it has met.

    ``decode`` is the decode mode of a live stream, None before it is known and for recordings. ``fps_in`` counts
    pictures that arrive, decoded or not; ``gop_s`` is the distance of key frames. ``last_picture_age_s`` is since the
    last picture that was whole. ``sender_time`` is true while the camera's own clock says when pictures were taken.
    ``problem`` is why there is no signal, fit to be shown.
    """

    kind: SourceKind
    connected: bool = True
    decode: str | None = None
    fps_in: float | None = None
    gop_s: float | None = None
    reconnects: int = 0
    last_picture_age_s: float | None = None
    hardware: str | None = None
    sub_stream: bool = False
    sender_time: bool = False
    problem: str | None = None
