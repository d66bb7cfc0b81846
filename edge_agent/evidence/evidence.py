"""Stills that show what an incident was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

import cv2

from edge_agent.capture.frame import Frame
from edge_agent.detection.detections import Detections
from edge_agent.evidence.drawing import AMBER, CYAN, RED, Point, box_outline, outline, with_caption
from edge_agent.evidence.privacy import mask_people
from edge_agent.evidence.reference import EvidenceMoment
from edge_agent.scene.stay import Box

_JPEG_QUALITY = 88
"""High enough that a plate legible in the frame stays legible; a 1080p still is some 400 kB."""


@dataclass(frozen=True, slots=True)
class Still:
    """A finished picture in memory: JPEG bytes with people masked and everything drawn."""

    jpeg: bytes
    moment: EvidenceMoment
    captured_at: datetime
    media_time_s: float
    people_masked: bool


class EvidenceRecorder:
    """Takes the stills of one camera. Times are written in the site's ``time_zone``.

    People are masked before anything else happens to the picture; ``mask`` may be false only where the site's
    configuration says who authorised it.
    """

    def __init__(self, camera_id: str, time_zone: tzinfo = UTC, *, mask: bool = True) -> None:
        self._camera_id = camera_id
        self._time_zone = time_zone
        self._mask = mask

    def take(
        self,
        frame: Frame,
        detections: Detections,
        moment: EvidenceMoment,
        zone_id: str,
        polygon: Sequence[Point],
        subject_box: Box | None,
        lines: Sequence[str],
        *,
        path: Sequence[Point] = (),
        narrowest: tuple[Point, Point] | None = None,
    ) -> Still:
        """A still of one frame, all coordinates in its pixels.

        ``detections`` are the frame's, down to the weakest; ``polygon`` is the zone as it lies in this frame;
        ``lines`` are the measured values and versions to write below the picture; ``path`` and ``narrowest`` are the
        widest way through a passage and the two border points where it is narrowest. The same input gives the same
        bytes.
        """
        image = mask_people(frame.image, detections, subject_box)[0] if self._mask else frame.image.copy()
        outline(image, polygon, AMBER)
        outline(image, path, CYAN, closed=False)
        if narrowest is not None:
            outline(image, narrowest, RED, closed=False)
        if subject_box is not None:
            box_outline(image, subject_box, RED)
        taken = frame.captured_at.astimezone(self._time_zone)
        heading = f"{taken:%Y-%m-%d %H:%M:%S} {taken:%z}   {self._camera_id}   {zone_id}   {moment}"
        picture = with_caption(image, [heading, *lines])
        encoded, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
        if not encoded:
            raise ValueError(f"a picture of {picture.shape[1]}x{picture.shape[0]} pixels cannot be encoded as JPEG")
        return Still(data.tobytes(), moment, frame.captured_at, frame.media_time_s, self._mask)
