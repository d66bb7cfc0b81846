"""A camera's state on disk: written whole or not at all, set aside if it cannot be used."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import structlog


class StateFile:
    """One JSON file. ``failures`` counts writes that the disk did not take, ``written_bytes`` what it took."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failures = 0
        self.written_bytes = 0
        self._log = structlog.get_logger("state")

    def write(self, state: dict[str, Any]) -> None:
        """Replace the file. A disk that does not take it is counted and logged; the old file stays."""
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                json.dump(state, file, separators=(",", ":"), allow_nan=False)
                file.flush()
                os.fsync(file.fileno())
                self.written_bytes += file.tell()
            part.replace(self.path)
        except OSError as error:
            self.failures += 1
            self._log.warning("state_not_written", file=str(self.path), error=error.strerror)

    def read(self) -> dict[str, Any] | None:
        """What was last written, or None. A file that is not what ``write`` writes is set aside."""
        try:
            state = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            self.set_aside(str(error))
            return None
        if not isinstance(state, dict):
            self.set_aside("it holds no state")
            return None
        return state

    def set_aside(self, why: str) -> None:
        """Keep an unusable file for inspection and begin anew."""
        aside = self.path.with_suffix(".damaged")
        try:
            self.path.replace(aside)
        except OSError as error:
            self._log.warning("state_not_set_aside", file=str(self.path), error=error.strerror)
        self._log.error("state_set_aside", file=str(aside), why=why, consequence="stays and incidents begin anew")

    def remove(self) -> None:
        """Forget the state."""
        self.path.unlink(missing_ok=True)
