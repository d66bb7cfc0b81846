"""``clearway-agent models``: which models there are, whether they are whole, and how to get them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TransferSpeedColumn
from rich.progress import Progress as ProgressBar
from rich.table import Table

from edge_agent.detection.detector import load_detector
from edge_agent.detection.fetch import Progress, copy_from_mirror, fetch
from edge_agent.detection.model_card import (
    ModelCard,
    ModelError,
    card_paths,
    file_sha256,
    find_card,
    read_card,
    user_dir,
)

_MODELS_DIR = click.option(
    "--models-dir",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="CLEARWAY_MODELS_DIR",
    help="Folder of models, searched with all folders in it, before the user's own and the bundled ones.",
)


class _Wrong(click.ClickException):
    """It was asked for wrongly: one message, exit code 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class _Row:
    """A card, or what is wrong with it, and the state of its file."""

    name: str
    card: ModelCard | None
    state: str
    problem: str = ""


@click.group()
def models() -> None:
    """List, verify and fetch the detectors that an agent can use.

    A model is a card (NAME.yaml) and an ONNX file. The default one is bundled; others are known by their cards and
    fetched by `pull`. An agent uses the one that `model:` names in its configuration.
    """


@models.command("list")
@_MODELS_DIR
@click.option("--json", "json_out", is_flag=True, help="Print JSON on stdout instead of a table.")
def list_models(models_dir: Path | None, json_out: bool) -> None:
    """List every model whose card is known, and whether its file is present, absent or corrupt."""
    rows = _rows(models_dir)
    if json_out:
        click.echo(json.dumps([_as_json(row) for row in rows], indent=2))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("model", "family", "input", "COCO AP", "size", "licence", "file"):
        table.add_column(title, justify="right" if title in ("COCO AP", "size") else "left")
    for row in rows:
        table.add_row(*_cells(row))
    console = Console(width=None if Console().is_terminal else 140)
    console.print(table)
    for row in rows:
        if row.problem:
            click.echo(row.problem, err=True)


@models.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@_MODELS_DIR
def verify(names: tuple[str, ...], models_dir: Path | None) -> None:
    """Check hash, inputs, outputs and one run of each NAME, or of every model whose file is present.

    Exit code 1 if one fails.
    """
    failed = 0
    for name in names or [row.name for row in _rows(models_dir) if row.state != "absent"]:
        try:
            card = find_card(name, models_dir)
            detector = load_detector(card)
            detector.detect(np.full((card.input.height, card.input.width, 3), 127, np.uint8))
        except ModelError as error:
            failed += 1
            click.echo(f"{name}: FAILED: {error}", err=True)
        else:
            click.echo(f"{name}: good ({card.model_path}, {detector.inference_s * 1000:.0f} ms)")
    if failed:
        raise SystemExit(1)


@models.command()
@click.argument("name")
@_MODELS_DIR
@click.option(
    "--mirror",
    type=click.Path(path_type=Path, file_okay=False),
    help="Take the file from this folder instead, searched with all folders in it by SHA-256.",
)
@click.option("--url", help="Take the file from this URL instead of the card's.")
def pull(name: str, models_dir: Path | None, mirror: Path | None, url: str | None) -> None:
    """Fetch the file of model NAME, into --models-dir or the user's own folder of models.

    A download that was cut goes on where it ended. The file counts only once its SHA-256 is that of the card.
    """
    if mirror is not None and url is not None:
        raise _Wrong("give either --mirror or --url, not both")
    try:
        card = find_card(name, models_dir if models_dir is not None and models_dir.is_dir() else None)
    except ModelError as error:
        raise _Wrong(str(error)) from error
    target = (models_dir or user_dir()) / card.file
    source = url or card.url
    try:
        there = target if models_dir is not None else card.model_path
        if there is not None and there.is_file() and file_sha256(there) == card.sha256:
            click.echo(f"{card.name} is already there: {there}")
            return
        if mirror is None and source is None:
            raise _Wrong(f"model {card.name} has no public URL ({card.notes}): give --mirror or --url")
        with _progress(card) as progress:
            if mirror is not None:
                taken = str(copy_from_mirror(card, mirror, target, progress))
            else:
                taken = str(source)
                fetch(taken, target, card.sha256, progress)
    except ModelError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{card.name}: {target}")
    click.echo(f"licence: {card.licence}")


def _rows(models_dir: Path | None) -> list[_Row]:
    if models_dir is not None and not models_dir.is_dir():
        raise _Wrong(f"--models-dir {models_dir} is not a folder")
    rows = []
    for name, path in card_paths(models_dir).items():
        try:
            card = read_card(path, models_dir)
        except ModelError as error:
            rows.append(_Row(name, None, "bad card", str(error)))
            continue
        if card.model_path is None:
            rows.append(_Row(name, card, "absent"))
        elif file_sha256(card.model_path) == card.sha256:
            rows.append(_Row(name, card, "present"))
        else:
            rows.append(_Row(name, card, "corrupt", f"{card.model_path}: another sha256 than its card says"))
    return rows


def _cells(row: _Row) -> tuple[str, ...]:
    card = row.card
    if card is None:
        return row.name, "", "", "", "", "", row.state
    size = _size_bytes(card)
    return (
        row.name,
        card.family,
        f"{card.input.width}x{card.input.height}",
        f"{card.ap:.1f}" if card.ap is not None else "",
        f"{size / 1e6:.1f} MB" if size is not None else "",
        card.licence,
        row.state,
    )


def _as_json(row: _Row) -> dict[str, Any]:
    card = row.card
    if card is None:
        return {"name": row.name, "state": row.state, "problem": row.problem}
    return {
        "name": row.name,
        "state": row.state,
        "family": card.family,
        "input": [card.input.width, card.input.height],
        "ap": card.ap,
        "ap_source": card.ap_source,
        "size_bytes": _size_bytes(card),
        "licence": card.licence,
        "source": card.source,
        "url": card.url,
        "sha256": card.sha256,
        "card": str(card.card_path),
        "path": str(card.model_path) if card.model_path is not None else None,
        "notes": card.notes,
    }


def _size_bytes(card: ModelCard) -> int | None:
    return card.model_path.stat().st_size if card.model_path is not None else card.size_bytes


@contextmanager
def _progress(card: ModelCard) -> Iterator[Progress]:
    """A progress bar on a terminal, nothing when piped."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with ProgressBar(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(card.name, total=card.size_bytes)

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total if total is not None else card.size_bytes)

        yield show
