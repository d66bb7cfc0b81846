"""The places in use, and reading their file again when it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import structlog

from aggregator.config_file import ConfigError
from aggregator.places import Places, load_places
from aggregator.store.tallies import StreetKey

log = structlog.get_logger(__name__)

Mark = tuple[int, int, int]
_GONE: Mark = (0, 0, 0)


@dataclass(frozen=True, slots=True)
class PlacesState:
    """The places in use. ``loaded_at`` is None without a file; ``good`` is false if the file is wrong since."""

    places: Places = field(default_factory=Places)
    loaded_at: datetime | None = None
    good: bool = True


class PlacesFile:
    """A places file that is read again when it changes: all of it, or, if anything is wrong, nothing.

    ``state`` is replaced as a whole, so any thread may look at it. Without a file every camera is unplaced.
    """

    def __init__(self, path: Path | None, clock: Callable[[], datetime]) -> None:
        self._path = path
        self._clock = clock
        self._mark: Mark | None = None
        self.state = PlacesState()

    def load(self) -> None:
        """Read the file for the first time. Raises ``ConfigError``."""
        if self._path is not None:
            self._mark = _mark(self._path)
            self._take(load_places(self._path))

    def expire(self) -> None:
        """Take the file for changed."""
        self._mark = None

    def look(self) -> None:
        """Read the file again if it has changed. A wrong one is logged, and the old places stay."""
        if self._path is None:
            return
        mark = _mark(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._take(load_places(self._path))
        except ConfigError as error:
            self.state = PlacesState(self.state.places, self.state.loaded_at, good=False)
            log.error("places were not read again, the old ones stay", problems=error.problems)

    def street_of(self, agent_id: str, camera_id: str) -> StreetKey:
        """The street in which a camera stands now."""
        return self.state.places.street_of(agent_id, camera_id)

    def _take(self, places: Places) -> None:
        self.state = PlacesState(places, self._clock())
        log.info("places", file=str(self._path), cameras=len(places.cameras), streets=len(places.streets))


def _mark(path: Path) -> Mark:
    """What changes with the file. Editors write in place or put a new file there."""
    try:
        found = path.stat()
    except OSError:
        return _GONE
    return found.st_mtime_ns, found.st_size, found.st_ino
