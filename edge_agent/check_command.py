"""``clearway-agent check``: everything that is wrong with a configuration, in one go."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from edge_agent.assembly import card_of, check_camera, check_classes
from edge_agent.capture.frame import SourceError
from edge_agent.certificate_keeper import held_by
from edge_agent.config import AgentConfig, CameraConfig, ConfigError, load_config
from edge_agent.detection.model_card import ModelError
from edge_agent.detection.session import checked_file
from edge_agent.failures import WRONG_USE, in_file
from edge_agent.identity import IdentityError
from edge_agent.outbox import quota_problem


@click.command()
@click.option(
    "--config", "config_path", type=click.Path(path_type=Path), required=True, help="The agent's configuration."
)
def check(config_path: Path) -> None:
    """Say everything that is wrong with a configuration: fields, zones, sources, models, disk.

    Exit 2 if anything is.
    """
    problems: list[str] = []
    notes: list[str] = []
    try:
        config = load_config(config_path)
    except ConfigError as error:
        problems = error.problems
    else:
        for camera in config.cameras:
            problems += _wrong_with(camera, config, notes)
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


def _wrong_with(camera: CameraConfig, config: AgentConfig, notes: list[str]) -> list[str]:
    problems: list[str] = []
    try:
        card = card_of(camera, config.model, config.models_dir)
        checked_file(card)
        problems += check_classes(camera, card)
    except ModelError as error:
        problems.append(f"camera {camera.id!r}: {error}")
        card = None
    try:
        info, wrong = check_camera(camera, config.site)
        problems += wrong
    except SourceError as error:
        return [*problems, f"camera {camera.id!r}: {error}"]
    if card is not None and not wrong:
        length = f"{info.duration_s:.0f} s" if info.duration_s is not None else "no known end"
        notes.append(
            f"camera {camera.id}: {info.width}x{info.height}, {length}, a frame every {camera.period_s:g} s, "
            f"model {card.name}, zones {', '.join(zone.id for zone in camera.zones) or 'none'}"
        )
    return problems
