"""``clearway-agent replay``: recorded footage through the same pipeline, as fast as the processor allows."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from edge_agent.assembly import Site, load_detectors, open_camera
from edge_agent.config import AgentConfig, CameraConfig, ConfigError, load_config
from edge_agent.evidence.annotated_video import AnnotatedVideo, AnnotatedVideoError
from edge_agent.evidence.drawing import annotate, clock
from edge_agent.evidence.store import EvidenceStore
from edge_agent.failures import FAILED, told
from edge_agent.incident_event import IncidentEvent
from edge_agent.logs import configure_logs
from edge_agent.pipeline import Observation
from edge_agent.replay import event_json
from edge_agent.replay import replay as replayed
from edge_agent.zone_fit import fit_zones


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's configuration."
)
@click.option("--camera", "camera_id", help="Replay this camera alone; needed with --source if there are several.")
@click.option("--source", type=click.Path(path_type=Path), help="Another recording for the camera: video or stills.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per incident event on stdout, nothing else.")
@click.option("--annotate", "video_path", type=click.Path(path_type=Path), help="Write a video that shows it all.")
@click.option("--evidence", type=click.Path(path_type=Path), help="Write the evidence stills into this folder.")
@click.option("--model", help="Another model card than the configuration names.")
def replay(
    config_path: Path,
    camera_id: str | None,
    source: Path | None,
    as_json: bool,
    video_path: Path | None,
    evidence: Path | None,
    model: str | None,
) -> None:
    """Play recorded footage through the pipeline of a live camera and say which incidents it holds.

    The same recording gives the same incidents, to the byte, on any machine and at any load.
    """
    configure_logs()
    with told(config_path):
        config = load_config(config_path)
        cameras = _chosen(config, camera_id, source)
        if video_path is not None and len(cameras) > 1:
            known = ", ".join(camera.id for camera in cameras)
            raise ConfigError([f"--annotate needs --camera: the configuration has {known}"])
        store = EvidenceStore(evidence, config.evidence.max_bytes) if evidence else None
        site = Site.of(config, store)
        detectors = load_detectors(cameras, model or config.model, config.models_dir, config.threads)
        for camera in cameras:
            if len(cameras) > 1 and not as_json:
                click.echo(f"camera {camera.id}")
            frames, size, duration_s = _opened(camera, site, detectors[camera.id])
            _play(camera, config, frames, size, duration_s, as_json, video_path)


def _chosen(config: AgentConfig, camera_id: str | None, source: Path | None) -> tuple[CameraConfig, ...]:
    if camera_id is not None:
        cameras: tuple[CameraConfig, ...] = (config.camera(camera_id),)
    elif source is not None and len(config.cameras) > 1:
        known = ", ".join(camera.id for camera in config.cameras)
        raise ConfigError([f"--source needs --camera: the configuration has {known}"])
    else:
        cameras = config.cameras
    if source is not None:
        return (replace(cameras[0], source=str(source.resolve())),)
    return cameras


def _opened(
    camera: CameraConfig, site: Site, detector: object
) -> tuple[Iterator[Observation], tuple[int, int], float | None]:
    source, info = open_camera(camera, site.site)
    return replayed(camera, source, site, detector), (info.width, info.height), info.duration_s  # type: ignore[arg-type]


def _play(
    camera: CameraConfig,
    config: AgentConfig,
    frames: Iterator[Observation],
    size: tuple[int, int],
    duration_s: float | None,
    as_json: bool,
    video_path: Path | None,
) -> None:
    console = Console(stderr=True)
    zones = {zone.id: zone.polygon for zone in fit_zones(camera, *size)}
    events = 0
    with ExitStack() as stack:
        video = None
        if video_path is not None:
            try:
                video = stack.enter_context(AnnotatedVideo(video_path, camera.period_s))
            except AnnotatedVideoError as error:
                click.echo(f"error: {error}", err=True)
                raise SystemExit(FAILED) from error
        progress = stack.enter_context(
            Progress(
                TextColumn(camera.id),
                BarColumn(),
                TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
                TimeRemainingColumn(),
                console=console,
                transient=True,
                disable=not console.is_terminal,
            )
        )
        bar = progress.add_task("replay", total=duration_s)
        seen = 0
        for seen, observation in enumerate(frames, 1):  # noqa: B007
            progress.update(bar, completed=observation.frame.media_time_s)
            for event in observation.events:
                events += 1
                _say(event, as_json)
            if video is not None:
                picture = annotate(
                    observation.frame,
                    zones,
                    [stay for stay in observation.stays if stay.standing],
                    observation.passages,
                    observation.findings,
                    observation.view,
                    observation.everybody(),
                    time_zone=config.site.time_zone,
                    mask=config.evidence.mask_people,
                )
                video.write(picture, observation.frame.media_time_s)
    if not as_json:
        click.echo(f"{events} incident events in {seen} analysed frames", err=True)
    if video_path is not None:
        click.echo(f"annotated video: {video_path}", err=True)


def _say(event: IncidentEvent, as_json: bool) -> None:
    if as_json:
        sys.stdout.write(json.dumps(event_json(event), separators=(", ", ": "), allow_nan=False) + "\n")
        sys.stdout.flush()
        return
    what = event.class_name or event.kind.value
    width = event.clear_width
    measured = f", {width.width_m:.2f} m clear" if width is not None and width.width_m is not None else ""
    reason = f" ({event.close_reason.value})" if event.close_reason else ""
    click.echo(
        f"{clock(event.media_time_s):>8}  {event.phase.value:<7} {event.zone}: {what}{reason}, "
        f"standing since {clock(event.stay_from_s)} for {clock(event.dwell.total_s)}, "
        f"limit {clock(event.limit_s)}{measured}"
    )
