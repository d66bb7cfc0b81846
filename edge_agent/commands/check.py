"""``clearway-agent check``: everything that is wrong with a configuration, in one go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import click

from edge_agent.assembly import check_camera, check_model
from edge_agent.capture.credentials import credentials_of
from edge_agent.capture.decode_plan import DecodeMode
from edge_agent.capture.live import PROBE_S
from edge_agent.capture.source import SourceError, SourceInfo
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import AgentConfig, CameraConfig, ConfigError, load_config
from edge_agent.failures import WRONG_USE, in_file
from edge_agent.identity.certificate_keeper import held_by
from edge_agent.identity.identity import IdentityError
from edge_agent.outbox.outbox import quota_problem
from edge_agent.redaction import shown_address


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's configuration."
)
@click.option("--probe", is_flag=True, help="Open live cameras too, some seconds each, and say what they send.")
def check(config_path: Path, probe: bool) -> None:
    """Say everything that is wrong with a configuration: fields, zones, sources, models, disk.

    Exit 2 if anything is. Live cameras are left alone without --probe.
    """
    problems: list[str] = []
    notes: list[str] = []
    try:
        config = load_config(config_path)
    except ConfigError as error:
        problems = error.problems
    else:
        for camera in config.cameras:
            problems += _wrong_with(camera, config, notes, probe=probe)
        quota = quota_problem(Path(config.state_dir), config.queue.max_bytes)
        if quota is not None:
            problems.append(quota)
        notes += _about_the_certificate(config)
    for problem in problems:
        click.echo(in_file(problem, config_path), err=True)
    if problems:
        click.echo(f"{len(problems)} problem{'s' if len(problems) > 1 else ''}", err=True)
        raise SystemExit(WRONG_USE)
    for note in notes:
        click.echo(note)
    click.echo(f"{config_path}: good")


def _about_the_certificate(config: AgentConfig) -> list[str]:
    """No problem of the configuration: an agent without a certificate works, and its events wait."""
    held = held_by(config)
    if held is None:
        return []
    try:
        identity = held.load()
        identity.credentials(datetime.now(UTC))
    except IdentityError as error:
        return [f"aggregator: {error}"]
    return [f"aggregator: certificate good until {identity.not_after:%Y-%m-%d %H:%M} UTC"]


def _wrong_with(camera: CameraConfig, config: AgentConfig, notes: list[str], *, probe: bool) -> list[str]:
    card, problems = check_model(camera, config)
    notes += _about_the_password(camera)
    if camera.kind.is_live and camera.kind is not SourceKind.LOOP and not probe:
        notes.append(
            f"camera {camera.id}: {shown_address(camera.source)}, a frame every {camera.period_s:g} s, not opened "
            f"(--probe does)"
        )
        return problems
    try:
        info, wrong = check_camera(camera, config.site)
        problems += wrong
    except SourceError as error:
        return [*problems, f"camera {camera.id!r}: {error}"]
    if card is not None and not wrong:
        zones = ", ".join(zone.id for zone in camera.zones) or "none"
        notes.append(
            f"camera {camera.id}: {info.width}x{info.height}, {_extent(info)}, a frame every {camera.period_s:g} s, "
            f"model {card.name}, zones {zones}"
        )
        notes += _about_the_decoding(camera, info)
    return problems


def _extent(info: SourceInfo) -> str:
    if "kind" in info.details:
        return f"live, {info.fps:.3g} pictures a second" if info.fps else "live"
    return f"{info.duration_s:.0f} s" if info.duration_s is not None else "no known end"


def _about_the_decoding(camera: CameraConfig, info: SourceInfo) -> list[str]:
    """How much of a live stream is decoded, and what would make it less."""
    gop_s, mode = info.details.get("gop_s"), info.details.get("decode")
    if mode is None:
        return []
    if gop_s is None:
        return [f"camera {camera.id}: fewer than two key frames in {PROBE_S:g} s, decodes {mode} at first"]
    note = f"camera {camera.id}: a key frame every {gop_s:.3g} s, decodes {mode}"
    if mode != DecodeMode.KEYFRAMES.value and camera.stream.decode == "auto":
        note += f"; it would decode key frames alone if the camera sent one every {camera.period_s:g} s"
    return [note]


def _about_the_password(camera: CameraConfig) -> list[str]:
    sources = (camera.source, camera.stream.sub_source or "")
    if any("://" in source and urlsplit(source).password for source in sources):
        advice = "better write stream.username, and the password into a file of its own (stream.password_file)"
        return [f"camera {camera.id}: the password stands in the configuration: {advice}"]
    try:
        credentials_of(camera.source, camera.stream)
    except SourceError as error:
        return [f"camera {camera.id}: {error}"]
    if camera.stream.password_file is not None and Path(camera.stream.password_file).stat().st_mode & 0o077:
        return [f"camera {camera.id}: {camera.stream.password_file} can be read by others: chmod 600"]
    return []
