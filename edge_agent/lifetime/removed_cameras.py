"""Cameras that are no longer in the configuration: what is open of theirs ends, since nobody will ever see it end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import structlog

from edge_agent.incident_event import IncidentEvent
from edge_agent.incidents import IncidentBook
from edge_agent.scenarios.moment import Moment
from edge_agent.state_file import StateFile

SUFFIX = ".json"
_log = structlog.get_logger("cameras")


def state_file_of(folder: Path, camera: str) -> StateFile:
    """Where a camera's state is kept."""
    return StateFile(folder / f"{camera}{SUFFIX}")


def retire(folder: Path, watched: Iterable[str], emit: Callable[[str, tuple[IncidentEvent, ...]], None]) -> None:
    """Forget the cameras whose state is in ``folder`` and that are not ``watched``.

    Their open incidents end as superseded, at the moment that their camera last saw: ``emit`` commits that, for one
    camera after the other, before the camera is forgotten. State that cannot be read is set aside.
    """
    known = set(watched)
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        if path.stem in known:
            continue
        file = StateFile(path)
        state = file.read()
        if state is None:
            continue
        try:
            events = _last_events(path.stem, state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            file.set_aside(f"{type(error).__name__}: {error}")
            continue
        if events:
            emit(path.stem, events)
        file.remove()
        _log.info("camera_removed", camera=path.stem, incidents_superseded=len(events))


def _last_events(camera: str, state: dict[str, object]) -> tuple[IncidentEvent, ...]:
    book = IncidentBook("", camera, {}, "", "")
    incidents, last = state["incidents"], state["last"]
    if not isinstance(incidents, dict):
        raise TypeError("its incidents are no mapping")
    book.load(incidents)
    if not isinstance(last, dict):
        return ()
    captured_at = datetime.fromisoformat(last["captured_at"])
    return book.supersede(Moment(float(last["media_time_s"]), captured_at, True, (), {}))
