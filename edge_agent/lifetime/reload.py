"""A new configuration for an agent that runs: taken as a whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping

from edge_agent.assembly import check_camera, check_model
from edge_agent.capture.source import SourceError
from edge_agent.capture.source_kind import SourceKind
from edge_agent.config import AgentConfig, CameraConfig
from edge_agent.config_file import ConfigError
from edge_agent.zone_fit import fit_zones

FIXED = ("id", "state_dir", "aggregator", "metrics", "evidence", "queue", "threads")
"""What a running agent cannot change: its name and what it has opened with it."""
SHARED = ("model", "models_dir", "site")
"""What concerns every camera: all of them are started again."""


def all_again(running: AgentConfig, wanted: AgentConfig) -> bool:
    """True if something that every camera goes by is different."""
    return any(getattr(running, field) != getattr(wanted, field) for field in SHARED)


def check_reload(running: AgentConfig, wanted: AgentConfig, sizes: Mapping[str, tuple[int, int]]) -> None:
    """Raise ``ConfigError`` with everything for which ``wanted`` cannot take the place of ``running``.

    Cameras that stay as they are need no check. A recording is opened and zones are laid over it; a live camera is
    not, since one that is away now is no mistake: its zones are laid over pictures of the width and height that it had
    so far, in ``sizes`` by its id.
    """
    sources = {camera.id: camera.source for camera in running.cameras}
    problems = [
        f"{field}: cannot be changed while the agent runs: put it back, or restart the agent"
        for field in FIXED
        if getattr(running, field) != getattr(wanted, field)
    ]
    every = all_again(running, wanted)
    for camera in wanted.cameras:
        if every or camera not in running.cameras:
            same = sources.get(camera.id) == camera.source
            problems += _wrong_with(camera, wanted, sizes.get(camera.id) if same else None)
    if problems:
        raise ConfigError(problems)


def _wrong_with(camera: CameraConfig, config: AgentConfig, size: tuple[int, int] | None) -> list[str]:
    _, problems = check_model(camera, config)
    if camera.kind in (SourceKind.RECORDING, SourceKind.LOOP):
        try:
            problems += check_camera(camera, config.site)[1]
        except SourceError as error:
            problems.append(f"camera {camera.id!r}: {error}")
    elif size is not None:
        try:
            fit_zones(camera, *size)
        except ConfigError as error:
            problems += error.problems
    return problems
