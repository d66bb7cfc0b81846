"""The demo's two programs, as processes that end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

STOP_S = 40.0
"""Longest that a program may take to stop in order: an agent finishes its frame and lets its queue drain."""
_TAIL_LINES = 15


class ProgramError(Exception):
    """A program ended that should not have; the message says which, how, and what it said last."""


class Program:
    """One program, started at once. What it says goes to ``log``."""

    def __init__(self, name: str, arguments: list[str], root: Path, log: Path) -> None:
        self.name = name
        self.log = log
        environment = os.environ | {"PYTHONPATH": f"{root}{os.pathsep}{root / 'protos'}"}
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the demo, which then stops its programs in order
            )

    def ended(self) -> bool:
        """True if it ended in order, False while it runs. Raises ``ProgramError`` if it failed."""
        code = self._process.poll()
        if code is None:
            return False
        if code != 0:
            raise ProgramError(f"the {self.name} ended with exit code {code}. The end of {self.log}:\n{self.tail()}")
        return True

    def must_run(self) -> None:
        """Raise ``ProgramError`` unless it runs."""
        if self.ended():
            raise ProgramError(f"the {self.name} ended too early. The end of {self.log}:\n{self.tail()}")

    def tail(self) -> str:
        """The last lines of what it said."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:]) or "  (it said nothing)"

    def stop(self) -> None:
        """Ask it to stop, wait, and end it if it does not."""
        if self._process.poll() is not None:
            return
        self._process.terminate()
        try:
            self._process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
