"""``clearway-agent evaluate``: how well the agent does on recordings whose truth is known."""

from __future__ import annotations

import json
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from edge_agent.config_file import ConfigError
from edge_agent.detection.model_card import ModelError
from edge_agent.evaluation.agent_player import AgentPlayer
from edge_agent.evaluation.evaluate import PLAIN, ClipResult, Job, as_json, evaluate_all
from edge_agent.evaluation.perturb import PERTURBATIONS
from edge_agent.evaluation.report import write_report
from edge_agent.evaluation.suite import Clip, Suite, load_suite
from edge_agent.evaluation.table import print_table

DEFAULT_MODEL = "nanodet-g-416"
_ALL = "all"


class _Wrong(click.ClickException):
    """It was asked for wrongly: one message, exit code 2."""

    exit_code = 2


@click.command("evaluate")
@click.argument("suite_path", metavar="SUITE.yaml", type=click.Path(path_type=Path))
@click.option("--json", "json_out", is_flag=True, help="Print the scores as JSON, and nothing else, on stdout.")
@click.option(
    "--html",
    "html_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a report with a time line and stills for each clip.",
)
@click.option("--model", help="Model to use instead of the suite's (see `models`).")
@click.option("--models-dir", type=click.Path(path_type=Path, file_okay=False), help="Where to look for models first.")
@click.option("--clip", "clip_names", multiple=True, metavar="NAME", help="Only this clip; may be given again.")
@click.option("--period", "period_s", type=click.FloatRange(0, 3600, min_open=True), help="Sampling period, seconds.")
@click.option(
    "--perturb",
    "perturb_names",
    multiple=True,
    metavar="NAME",
    type=click.Choice([*PERTURBATIONS, _ALL]),
    help="Also play every clip under this hardship; may be given again. One of: " + ", ".join([*PERTURBATIONS, _ALL]),
)
@click.option("--jobs", type=click.IntRange(1, 64), default=1, show_default=True, help="Clips played at a time.")
def evaluate(
    suite_path: Path,
    json_out: bool,
    html_path: Path | None,
    model: str | None,
    models_dir: Path | None,
    clip_names: tuple[str, ...],
    period_s: float | None,
    perturb_names: tuple[str, ...],
    jobs: int,
) -> None:
    """Play every clip of a suite to the agent and score what it reports against the truth.

    Prints a table, or JSON with --json. A clip whose recording is not here is skipped and said to be. Exit code 0 when
    every clip was played, 1 when one was not (unless it was skipped and the suite says skip_missing: true), 2 when
    the suite, a truth file or the model is wrong.
    """
    try:
        suite = load_suite(suite_path)
        clips = suite.choose(clip_names)
        player = AgentPlayer(
            model=model or suite.model or DEFAULT_MODEL,
            models_dir=models_dir or suite.models_dir,
            threads=max(1, (os.cpu_count() or 1) // jobs) if jobs > 1 else None,
        )
        player.check(clips, suite.site)
    except (ConfigError, ModelError) as error:
        raise _Wrong(str(error)) from error
    if html_path is not None and not html_path.parent.is_dir():
        raise _Wrong(f"--html {html_path}: there is no folder {html_path.parent}: make it first")
    names = tuple(PERTURBATIONS) if _ALL in perturb_names else perturb_names or suite.perturb
    work = [
        Job(clip, suite.site, player, condition, period_s, html_path is not None and condition == PLAIN)
        for condition in (PLAIN, *dict.fromkeys(names))
        for clip in clips
    ]
    try:
        results = _run(work, jobs)
    except (ConfigError, ModelError) as error:
        raise _Wrong(str(error)) from error
    if json_out:
        click.echo(json.dumps(as_json(results), indent=2))
    else:
        print_table(results)
    if html_path is not None:
        title = f"{suite_path.name}, model {player.model}"
        html_path.write_text(write_report(title, results), encoding="utf-8")
    _tell(results)
    if not _is_complete(results, suite, clips):
        raise SystemExit(1)


def _run(work: list[Job], jobs: int) -> list[ClipResult]:
    results = []
    with _progress() as progress:
        task = progress.add_task("clips", total=len(work)) if progress else None
        for result in evaluate_all(work, jobs):
            results.append(result)
            if progress and task is not None:
                progress.update(task, advance=1, description=result.name)
    return results


def _progress() -> AbstractContextManager[Progress | None]:
    if not sys.stderr.isatty():
        return nullcontext()
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    )


def _tell(results: list[ClipResult]) -> None:
    for result in results:
        under = f" ({result.condition})" if result.condition else ""
        if result.failed is not None:
            click.echo(f"failed: {result.name}{under}: {result.failed}", err=True)
        elif result.skipped is not None and result.condition == PLAIN:
            click.echo(f"skipped: {result.name}: {result.skipped}", err=True)


def _is_complete(results: list[ClipResult], suite: Suite, clips: tuple[Clip, ...]) -> bool:
    played = any(result.judged is not None for result in results)
    skipped = any(clip.missing is not None for clip in clips)
    failed = any(result.failed is not None for result in results)
    return played and not failed and (not skipped or suite.skip_missing)
