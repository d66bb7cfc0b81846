"""``clearway-agent calibrate``: shows how a camera's calibration lies on the ground."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from edge_agent.assembly import load_detectors
from edge_agent.capture.frame import Frame, Image
from edge_agent.capture.open_source import open_source
from edge_agent.capture.source import SourceError
from edge_agent.config import AgentConfig, CameraConfig, ConfigError, PassageZone, load_config
from edge_agent.detection.model_card import ModelError
from edge_agent.evidence.privacy import mask_people
from edge_agent.redaction import shown_address
from edge_agent.scene.calibration import Calibration, CalibrationError
from edge_agent.scene.clear_width import Corridor, CorridorError, clear_width
from edge_agent.scene.ground_grid import draw_ground_grid


class _Failed(click.ClickException):
    """It cannot be done: one message, exit code 1."""

    exit_code = 1


class _Wrong(click.ClickException):
    """It was asked for wrongly: one message, exit code 2."""

    exit_code = 2


@click.command("calibrate")
@click.option("--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's YAML file.")
@click.option("--camera", "camera_id", required=True, help="Which of its cameras.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the picture with a grid of 1 m squares here (PNG).")
@click.option(
    "--at", "at_s", type=click.FloatRange(min=0), default=0.0, show_default=True, help="Seconds into the source."
)
def calibrate(config_path: Path, camera_id: str, out: Path | None, at_s: float) -> None:
    """Check a camera's calibration and draw a 1 m grid on its passages.

    People in the picture are masked, as in every picture that is kept.

    Prints, for each passage, how far the calibration disagrees with itself (residual), how wide and long the passage is
    when it is empty, what a pixel spans at its near and far end, and how well its width is known. Exit code 0 if
    every calibration holds, 1 if one is refused or the picture cannot be had, 2 if the configuration is wrong.
    """
    try:
        config = load_config(config_path)
        camera = config.camera(camera_id)
    except ConfigError as error:
        raise _Wrong(str(error)) from error
    zones = [zone for zone in camera.zones if isinstance(zone, PassageZone)]
    if not zones and camera.calibration is None:
        raise _Wrong(
            f"{config_path}: camera {camera_id!r} has no passage zone and no calibration: there is nothing to show"
        )
    frame = _frame_at(config, camera, at_s)
    drawn_on = camera.size or (frame.width, frame.height)
    seen = frame.image if out is None else _without_people(frame.image, config, camera)
    picture = seen if camera.size is None else _resized(seen, drawn_on)
    table = Table(title=f"camera {camera_id}: calibration")
    for column in ("zone", "residual", "empty", "length", "1 px near", "1 px far", "known to"):
        table.add_column(column, justify="left" if column == "zone" else "right")
    refused = []
    for zone in zones:
        given = zone.calibration or camera.calibration
        if given is None:  # refused by the configuration already
            continue
        try:
            calibration = Calibration.from_config(given, drawn_on)
            calibration.require_ground(zone.polygon)
            table.add_row(zone.id, *_row(zone, calibration))
        except (CalibrationError, CorridorError) as error:
            refused.append(f"{config_path}: camera {camera_id!r}, zone {zone.id!r}: {error}")
            continue
        picture = draw_ground_grid(picture, calibration, zone.polygon)
    if not zones and camera.calibration is not None:
        try:
            calibration = Calibration.from_config(camera.calibration, drawn_on)
        except CalibrationError as error:
            raise _Failed(f"{config_path}: camera {camera_id!r}: {error}") from error
        hull = cv2.convexHull(calibration.marked_px.astype(np.float32))[:, 0].tolist()
        picture = draw_ground_grid(picture, calibration, hull)
        table.add_row("(camera)", _disagreement(calibration), "", "", "", "", "")
    if table.row_count:
        Console(file=sys.stdout).print(table)
    if out is not None:
        written, data = cv2.imencode(".png", picture)
        if not written:
            raise _Failed(f"{out}: the picture cannot be encoded")
        try:
            out.write_bytes(data.tobytes())
        except OSError as error:
            raise _Failed(f"{out}: cannot be written: {error.strerror or error}") from error
        click.echo(f"picture with a grid of 1 m squares: {out}", err=True)
    if refused:
        raise _Failed("\n".join(refused))


def _frame_at(config: AgentConfig, camera: CameraConfig, at_s: float) -> Frame:
    last = None
    try:
        for frame in open_source(camera, config.site.time_zone).frames():
            last = frame
            if frame.media_time_s >= at_s:
                return frame
    except SourceError as error:
        raise _Failed(str(error)) from error
    name = shown_address(camera.source)
    if last is None:
        raise _Failed(f"{name}: holds no picture")
    raise _Failed(f"{name}: ends at {last.media_time_s:.1f} s, before {at_s:g} s: give an earlier --at")


def _without_people(image: Image, config: AgentConfig, camera: CameraConfig) -> Image:
    if not config.evidence.mask_people:
        return image
    try:
        detector = load_detectors((camera,), config.model, config.models_dir, config.threads)[camera.id]
    except ModelError as error:
        raise _Failed(f"people in the picture cannot be masked: {error}") from error
    return mask_people(image, detector.detect(image))[0]


def _resized(image: Image, size: tuple[int, int]) -> Image:
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _disagreement(calibration: Calibration) -> str:
    if not calibration.redundant:
        return "none to spare"
    return f"{100 * calibration.residual_m:.1f} cm"


def _row(zone: PassageZone, calibration: Calibration) -> list[str]:
    corners = [(float(x), float(y)) for x, y in calibration.to_ground(zone.polygon)]
    ends_m = [_pair(calibration.to_ground(end)) for end in zone.ends]
    corridor = Corridor.between(corners, ends_m)
    empty = clear_width(corridor, ())
    middles_px = [np.mean(np.asarray(end), axis=0) for end in zone.ends]
    middles_m = calibration.to_ground(np.array(middles_px))
    length_m = float(np.linalg.norm(middles_m[1] - middles_m[0]))
    scales = sorted(calibration.pixel_scale(middle)[1] for middle in middles_px)
    narrowest_px = calibration.to_pixels(np.array(empty.narrowest_m))
    known_to_m = calibration.length_uncertainty_m(narrowest_px[0], narrowest_px[1])
    return [
        _disagreement(calibration),
        f"{empty.width_m:.2f} m",
        f"{length_m:.1f} m",
        *(f"{100 * scale:.1f} cm" for scale in scales),
        f"± {100 * known_to_m:.0f} cm",
    ]


def _pair(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> tuple[tuple[float, float], tuple[float, float]]:
    ends: Sequence[tuple[float, float]] = [(float(x), float(y)) for x, y in points]
    return ends[0], ends[1]
