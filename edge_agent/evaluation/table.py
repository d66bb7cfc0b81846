"""The scores as a table for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table

from edge_agent.evaluation.evaluate import PLAIN, ClipResult, total
from edge_agent.evaluation.perturb import PERTURBATIONS
from edge_agent.evaluation.scorer import Score

COLUMNS = (
    ("expected", "expected", "expected"),
    ("found", "found", "found"),
    ("missed", "missed", "missed"),
    ("false", "false", "false"),
    ("duplicates", "dupl.", "duplicates"),
    ("precision", "precision", "precision"),
    ("recall", "recall", "recall"),
    ("f1", "F1", "F1"),
    ("alarm_delay_median_s", "delay s", "delay, median s"),
    ("alarm_delay_worst_s", "worst s", "delay, worst s"),
    ("width_error_mean_m", "width ± m", "width error, mean m"),
    ("width_error_worst_m", "worst m", "width error, worst m"),
    ("width_within_2sd", "in 2 sd", "widths within 2 sd"),
    ("false_per_camera_hour", "false/h", "false per hour"),
    ("cpu_s_per_min", "CPU s/min", "CPU s per min"),
)
"""What is shown of a score: its key, and its heading in a narrow and in a wide table."""

_PLAIN_WIDTH = 200
"""Columns of a table that is not written to a terminal, so that nothing is cut."""


def print_table(results: Iterable[ClipResult], console: Console | None = None) -> None:
    """Print one line for each clip and one for the total; for perturbations, one line each for their totals."""
    results = tuple(results)
    console = console or _console()
    plain = [result for result in results if result.condition == PLAIN]
    table = _table("clip")
    for result in plain:
        if result.judged is not None:
            table.add_row(result.name, *_cells(result.judged.score))
        else:
            table.add_row(result.name, "skipped" if result.skipped else "failed", style="dim")
    table.add_section()
    table.add_row("total", *_cells(total(plain)), style="bold")
    console.print(table)
    conditions = list(dict.fromkeys(result.condition for result in results if result.condition != PLAIN))
    if conditions:
        under = _table("all clips, perturbed")
        under.add_row("as it is", *_cells(total(plain)))
        for name in conditions:
            score = total(result for result in results if result.condition == name)
            under.add_row(f"{name} ({PERTURBATIONS[name].what})", *_cells(score))
        console.print(under)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=_PLAIN_WIDTH)


def _table(first: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first, no_wrap=False)
    for _, heading, _ in COLUMNS:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _cells(score: Score) -> Sequence[str]:
    values = score.as_json()
    return ["-" if (value := values[key]) is None else str(value) for key, *_ in COLUMNS]
