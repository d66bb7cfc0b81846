"""What the demo shows: a table that lives on a terminal, one line for each change elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Protocol

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text
from what_is_known import Incident, Known

WIDTH_STEP_M = 0.1
"""A change of the clear width that is worth a line."""
_BAR_PER_M = 8

Starts = Mapping[str, datetime]
"""When each camera's recording begins."""


class Screen(Protocol):
    """Shows what is known."""

    def show(self, known: Known) -> None:
        """Show it."""
        ...

    def close(self) -> None:
        """Show nothing more."""
        ...


def screen(console: Console, starts: Starts) -> Screen:
    """The screen that fits where the demo's output goes."""
    return LiveTable(console, starts) if console.is_terminal else Lines(console, starts)


class Lines:
    """One line for each thing that changed."""

    def __init__(self, console: Console, starts: Starts) -> None:
        self._console = console
        self._starts = starts
        self._opened: set[str] = set()
        self._closed: set[str] = set()
        self._widths: dict[str, float] = {}

    def show(self, known: Known) -> None:
        """Print what is new."""
        for incident in known.incidents:
            start = self._starts[incident.camera]
            if incident.id not in self._opened:
                self._opened.add(incident.id)
                self._say(incident.camera, f"{_at(incident.opened_at, start)}  opened  {_what(incident, start)}")
            if incident.closed_at and incident.id not in self._closed:
                self._closed.add(incident.id)
                self._say(
                    incident.camera,
                    f"{_at(incident.closed_at, start)}  closed  {_subject(incident)}: {incident.reason}",
                )
        for camera, width in known.widths_m.items():
            at = known.frames_at.get(camera)
            if at is not None and abs(width - self._widths.get(camera, -WIDTH_STEP_M)) >= WIDTH_STEP_M:
                self._widths[camera] = width
                self._say(camera, f"{_at(at, self._starts[camera])}  width   {width:.2f} m clear")

    def close(self) -> None:
        """Nothing is held back."""

    def _say(self, camera: str, text: str) -> None:
        self._console.print(f"{camera:<11} {text}", highlight=False, soft_wrap=True)


class LiveTable:
    """A table of incidents and a line for each camera, drawn anew in its place."""

    def __init__(self, console: Console, starts: Starts) -> None:
        self._starts = starts
        self._live = Live(console=console, auto_refresh=False)
        self._live.start()

    def show(self, known: Known) -> None:
        """Draw it."""
        self._live.update(Group(incident_table(known, self._starts), self._cameras(known)), refresh=True)

    def close(self) -> None:
        """Leave the last picture standing."""
        self._live.stop()

    def _cameras(self, known: Known) -> Table:
        table = Table.grid(padding=(0, 2))
        for camera, start in self._starts.items():
            state = known.states.get(camera, "starting")
            width = known.widths_m.get(camera)
            measured = Text()
            if width is not None:
                colour = "red" if width < 1.2 else "yellow" if width < 1.8 else "green"
                measured.append(f"{width:.2f} m clear  ", style="bold")
                measured.append("█" * round(width * _BAR_PER_M), style=colour)
            table.add_row(camera, _at(known.frames_at.get(camera), start), state, measured)
        return table


def incident_table(known: Known, starts: Starts) -> Table:
    """The incidents that the aggregator has. Times are seconds into the recording."""
    table = Table(title="Incidents, as the aggregator has them", title_justify="left")
    for heading in ("camera", "what", "since", "opened", "closed", "why closed", "clear width"):
        table.add_column(heading)
    for incident in known.incidents:
        start = starts[incident.camera]
        closed = Text(_at(incident.closed_at, start).strip(), style="green") if incident.closed_at else Text("open")
        table.add_row(
            incident.camera,
            _subject(incident),
            _at(incident.since, start).strip(),
            _at(incident.opened_at, start).strip(),
            closed,
            incident.reason,
            "" if incident.width_m is None else f"{incident.width_m:.2f} m",
            style="" if incident.closed_at else "bold red",
        )
    return table


def _subject(incident: Incident) -> str:
    return f"{incident.class_name or 'passage'} {incident.kind}"


def _what(incident: Incident, start: datetime) -> str:
    said = f"{_subject(incident)} in {incident.zone}"
    if incident.since:
        said += f" since {_at(incident.since, start).strip()}"
    said += f", limit {incident.limit_s:.0f} s"
    return said if incident.width_m is None else f"{said}, {incident.width_m:.2f} m clear"


def _at(moment: datetime | None, start: datetime) -> str:
    return "      " if moment is None else f"{(moment - start) / timedelta(seconds=1):5.1f}s"
