"""Outlines, boxes and text on pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, tzinfo

import cv2
import numpy as np

from edge_agent.capture.frame import Frame, Image
from edge_agent.detection.detections import Detections
from edge_agent.evidence.privacy import mask_all, mask_people
from edge_agent.scenarios.finding import Finding, FindingState
from edge_agent.scenarios.moment import Passage
from edge_agent.scene.camera_state import View
from edge_agent.scene.stay import Box, Stay, StayState

Point = tuple[float, float]
Colour = tuple[int, int, int]

WHITE: Colour = (255, 255, 255)
GREY: Colour = (170, 170, 170)
AMBER: Colour = (0, 190, 255)
RED: Colour = (60, 60, 255)
GREEN: Colour = (90, 200, 90)
VIOLET: Colour = (230, 110, 190)
CYAN: Colour = (230, 210, 60)
INK: Colour = (32, 28, 26)

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_PX = 21.0
"""Height of the font's capitals at scale 1."""
_BITS = 4
"""Outlines are drawn to 1/16 of a pixel."""


def text_px(width: int) -> float:
    """Height of capitals that is legible on a picture of this width and does not crowd it, pixels."""
    return min(max(width / 75, 7.0), 22.0)


def line_px(width: int) -> int:
    """Thickness of outlines on a picture of this width, pixels."""
    return max(1, round(width / 500))


def outline(image: Image, points: Sequence[Point], colour: Colour, *, closed: bool = True) -> None:
    """Draw a polygon's outline, or an open line, on a dark edge so that it shows on any ground."""
    if len(points) < 2:
        return
    corners = np.round(np.asarray(points, np.float64) * (1 << _BITS)).astype(np.int32).reshape(-1, 2)
    thick = line_px(image.shape[1])
    cv2.polylines(image, [corners], closed, INK, thick + 2, cv2.LINE_AA, _BITS)
    cv2.polylines(image, [corners], closed, colour, thick, cv2.LINE_AA, _BITS)


def box_outline(image: Image, box: Box, colour: Colour) -> None:
    """Draw a box."""
    x1, y1, x2, y2 = box
    outline(image, ((x1, y1), (x2, y1), (x2, y2), (x1, y2)), colour)


def label(image: Image, text: str, at: Point, colour: Colour) -> None:
    """Write one short text whose lower left corner is ``at``, on a dark ground, kept inside the picture."""
    size = text_px(image.shape[1])
    pad = max(2, round(size / 3))
    width, height = _width(text, size) + 2 * pad, round(size) + 2 * pad
    left = int(min(max(at[0], 0), max(0, image.shape[1] - width)))
    bottom = int(min(max(at[1], height), image.shape[0]))
    _shade(image[max(0, bottom - height) : bottom, left : left + width], 0.7)
    _write(image, text, (left + pad, bottom - pad), size, colour)


def strip(image: Image, lines: Sequence[str]) -> None:
    """Write lines over a translucent strip at the top of the picture."""
    size = text_px(image.shape[1])
    pad, rows = round(size * 0.6), _wrap(lines, image.shape[1], size)
    step = round(size * 1.75)
    _shade(image[: pad + step * len(rows)], 0.75)
    for number, row in enumerate(rows):
        _write(image, row, (pad, pad + round(size) + number * step), size, WHITE)


def with_caption(image: Image, lines: Sequence[str]) -> Image:
    """The picture with a bar below it that holds the lines; nothing of the picture is covered."""
    size = text_px(image.shape[1])
    pad, rows = round(size * 0.6), _wrap(lines, image.shape[1], size)
    step = round(size * 1.75)
    bar = np.full((2 * pad + step * len(rows), image.shape[1], 3), INK, np.uint8)
    for number, row in enumerate(rows):
        _write(bar, row, (pad, pad + round(size * 1.2) + number * step), size, WHITE)
    return np.concatenate([image, bar])


def annotate(
    frame: Frame,
    zones: Mapping[str, Sequence[Point]],
    stays: Sequence[Stay],
    passages: Mapping[str, Passage],
    findings: Sequence[Finding],
    view: View,
    detections: Detections,
    *,
    time_zone: tzinfo = UTC,
    mask: bool = True,
) -> Image:
    """The frame with everything that was made of it, its time in ``time_zone``. People are masked if ``mask``.

    ``zones`` maps each zone's id to its polygon in pixels of the unshifted picture; they are drawn where ``view``
    says that they are now. ``detections`` must hold everybody who is in the frame. While the camera cannot see, the
    whole picture is masked.
    """
    image = frame.image.copy()
    if mask:  # on a frame that cannot be judged nobody looked for people
        image = mask_people(image, detections)[0] if view.can_see else mask_all(image)
    right, down = view.shift_px
    taken = frame.captured_at.astimezone(time_zone)
    lines = [f"{taken:%Y-%m-%d %H:%M:%S %z}  {clock(frame.media_time_s)}  {view.state}"]
    if right or down:
        lines[0] += f"  shift {right:+.0f},{down:+.0f} px"
    lines += [_say(finding) for finding in findings if finding.state is not FindingState.PENDING]
    strip(image, lines)
    for n in range(len(detections)):
        x1, y1, x2, y2 = (int(side) for side in detections.boxes[n])
        cv2.rectangle(image, (x1, y1), (x2, y2), GREY, 1)
    for zone_id, polygon in zones.items():
        corners = [(x + right, y + down) for x, y in polygon]
        outline(image, corners, _zone_colour(zone_id, findings, view))
        passage = passages.get(zone_id)
        if passage is not None:
            _draw_passage(image, passage)
        name = zone_id if passage is None else f"{zone_id}  {_width_of(passage)}"
        label(image, name, min(corners, key=lambda corner: (corner[1], corner[0])), WHITE)
    for stay in stays:
        if stay.state is StayState.ABSENT:
            continue
        colour = _stay_colour(stay, findings)
        box_outline(image, stay.box, colour)
        label(image, f"{stay.class_name} {clock(stay.dwell.total_s)} {stay.state}", stay.box[:2], colour)
    return image


def _draw_passage(image: Image, passage: Passage) -> None:
    """What stands in a passage as it lies on the ground, the widest way through, and where that is narrowest."""
    for obstacle in passage.obstacles:
        outline(image, obstacle.footprint_px, VIOLET if obstacle.state is StayState.UNKNOWN else AMBER)
    outline(image, passage.path_px, CYAN, closed=False)
    if passage.narrowest_px is not None:
        outline(image, passage.narrowest_px, RED, closed=False)


def _width_of(passage: Passage) -> str:
    width = passage.clear_width
    if width.width_m is None:
        return "width unknown"
    spread = "" if width.uncertainty_m is None else f" +/- {width.uncertainty_m:.2f}"
    return f"{width.width_m:.2f}{spread} m"


def clock(seconds: float) -> str:
    """Seconds as m:ss, or h:mm:ss from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _say(finding: Finding) -> str:
    said = f"{finding.zone_id}: {finding.kind} {finding.state} {clock(finding.counted_s)} of {clock(finding.limit_s)}"
    width = finding.clear_width
    if width is not None and width.width_m is not None:
        said += f"  {width.width_m:.2f} m clear"
    return said


def _zone_colour(zone_id: str, findings: Sequence[Finding], view: View) -> Colour:
    states = {finding.state for finding in findings if finding.zone_id == zone_id}
    if not view.can_see or FindingState.UNKNOWN in states:
        return VIOLET
    if FindingState.VIOLATION in states:
        return RED
    return AMBER if FindingState.PENDING in states else CYAN


def _stay_colour(stay: Stay, findings: Sequence[Finding]) -> Colour:
    if any(
        finding.subject is not None
        and finding.subject.stay_id == stay.stay_id
        and finding.state is FindingState.VIOLATION
        for finding in findings
    ):
        return RED
    if stay.state is StayState.UNKNOWN:
        return VIOLET
    return AMBER if stay.standing else GREEN


def _shade(region: Image, strength: float) -> None:
    region[:] = (region * (1 - strength) + np.asarray(INK) * strength).astype(np.uint8)


def _write(image: Image, text: str, at: tuple[int, int], size: float, colour: Colour) -> None:
    thick = max(1, round(size / 11))
    cv2.putText(image, _plain(text), at, _FONT, size / _FONT_PX, colour, thick, cv2.LINE_AA)


def _width(text: str, size: float) -> int:
    return int(cv2.getTextSize(_plain(text), _FONT, size / _FONT_PX, max(1, round(size / 11)))[0][0])


def _plain(text: str) -> str:
    """The font holds ASCII alone."""
    return text.encode("ascii", "replace").decode()


def _wrap(lines: Sequence[str], width: int, size: float) -> list[str]:
    """Lines broken at spaces so that each fits the width."""
    room = width - 2 * round(size * 0.6)
    rows: list[str] = []
    for text in lines:
        row = ""
        for word in text.split(" "):
            longer = f"{row} {word}" if row else word
            if row.strip() and _width(longer, size) > room:
                rows.append(row.rstrip())
                row = word
            else:
                row = longer
        rows.append(row)
    return rows
