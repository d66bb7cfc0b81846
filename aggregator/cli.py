"""The command ``clearway-aggregator``."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from aggregator import __version__
from aggregator.config import AggregatorConfig, ConfigError, load_config
from aggregator.logs import set_up_logs
from aggregator.server import StartError
from aggregator.service import open_store, serve
from aggregator.store.errors import StoreError
from aggregator.store.incidents import IncidentQuery, IncidentRow
from aggregator.store.migrate import Standing
from aggregator.store.store import Store

F = TypeVar("F", bound=Callable[..., Any])

config_option = click.option(
    "--config",
    "config_path",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The aggregator's configuration, such as config/aggregator.yaml.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON object a line on stdout.")


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clearway-aggregator")
def main() -> None:
    """Keep what Clearway's agents saw, and show it.

    Exit codes: 0 good, 1 failed, 2 wrong use or wrong configuration.
    """


def _told(command: F) -> F:
    """Turn errors into one message and an exit code."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except ConfigError as error:
            for problem in error.problems:
                click.echo(problem, err=True)
            sys.exit(2)
        except (StoreError, StartError) as error:
            click.echo(f"clearway-aggregator: {error}", err=True)
            sys.exit(1)

    return wrapped  # type: ignore[return-value]


@main.command("serve")
@config_option
@click.option("--migrate", is_flag=True, help="Bring the tables of an older store up to date first.")
@click.option(
    "--ready-file",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="Write the bound addresses as JSON here once serving.",
)
@_told
def serve_command(config_path: Path, migrate: bool, ready_file: Path | None) -> None:
    """Take agents' streams and serve /metrics until SIGTERM or Ctrl-C.

    A new store gets its tables by itself; an older one only with --migrate. On SIGTERM agents are asked to come back
    later, and all that they sent is stored and acknowledged first.
    """
    set_up_logs()
    config = load_config(config_path)
    asyncio.run(serve(config, migrate=migrate, ready_file=ready_file))


@main.command("check")
@config_option
@_told
def check_command(config_path: Path) -> None:
    """Say everything that is wrong with a configuration, with file, line and field. Touches nothing."""
    config = load_config(config_path)
    who = "any agent" if isinstance(config.agents, str) else f"{len(config.agents)} agents"
    click.echo(
        f"{config_path}: good: {who} on {config.listen}, store {config.store}, metrics on {config.metrics.listen}"
    )


@main.command("migrate")
@config_option
@_told
def migrate_command(config_path: Path) -> None:
    """Bring the store's tables up to date. Back the store up before; running it again does nothing."""
    set_up_logs()
    config = load_config(config_path)
    with Store(config.store) as store:
        before = store.standing()
        if before is not Standing.CURRENT:
            store.migrate()
    click.echo(f"{config.store}: " + ("already up to date" if before is Standing.CURRENT else "up to date"))


@main.group("incidents")
def incidents_group() -> None:
    """Look at incidents."""


def _moment(_context: click.Context, _option: click.Parameter, value: str | None) -> datetime | None:
    if value is None:
        return None
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        if value[-1:] in units:
            return datetime.now(UTC) - timedelta(**{units[value[-1]]: float(value[:-1])})
        moment = datetime.fromisoformat(value)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter("write an age such as 90m, 24h or 7d, or a time such as 2026-05-01T08:00Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@incidents_group.command("list")
@config_option
@click.option("--open", "open_only", is_flag=True, help="Only those that are open now.")
@click.option("--camera", metavar="ID", help="Only those of this camera.")
@click.option(
    "--since", metavar="WHEN", callback=_moment, help="Only those opened since: 90m, 24h, 7d, or 2026-05-01T08:00Z."
)
@click.option("--limit", default=1000, show_default=True, type=click.IntRange(1), help="How many at most.")
@json_option
@_told
def incidents_list(
    config_path: Path, open_only: bool, camera: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List incidents, the last opened first."""
    with _existing_store(load_config(config_path)) as store:
        rows = store.incidents(IncidentQuery(open_only, camera, since, limit))
    if as_json:
        for row in rows:
            click.echo(json.dumps({name: _plain(getattr(row, name)) for name in IncidentRow.__dataclass_fields__}))
        return
    table = Table("opened (UTC)", "agent", "camera", "zone", "what", "class", "severity", "observed", "width", "state")
    for row in rows:
        table.add_row(*_cells(row))
    _show(table)


@main.group("agents")
def agents_group() -> None:
    """Look at agents."""


@agents_group.command("list")
@config_option
@json_option
@_told
def agents_list(config_path: Path, as_json: bool) -> None:
    """List the agents that have connected, and those that were refused."""
    names = ("agent_id", "state", "agent_version", "model_version", "config_version", "platform")
    times = ("first_seen_at", "last_seen_at")
    with _existing_store(load_config(config_path)) as store:
        rows = store.agents()
    if as_json:
        for row in rows:
            click.echo(json.dumps({name: _plain(getattr(row, name)) for name in (*names, *times)}))
        return
    table = Table("agent", "state", "version", "model", "config", "platform", "first seen (UTC)", "last seen (UTC)")
    for row in rows:
        table.add_row(*(getattr(row, name) for name in names), _clock(row.first_seen_at), _clock(row.last_seen_at))
    _show(table)


@contextmanager
def _existing_store(config: AggregatorConfig) -> Iterator[Store]:
    if config.store.get_backend_name() == "sqlite" and not Path(config.store.database or "").is_file():
        raise StoreError(f"{config.store}: there is no store yet: run 'clearway-aggregator serve' first")
    with open_store(config, migrate=False) as store:
        yield store


def _show(table: Table) -> None:
    """On a terminal as wide as it is, elsewhere as wide as the table needs."""
    Console(width=None if sys.stdout.isatty() else 250, markup=False).print(table)


def _plain(value: object) -> object:
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _clock(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def _cells(row: IncidentRow) -> list[str]:
    width = "" if row.clear_width_m is None else f"{row.clear_width_m:.2f} m"
    state = "open" if row.closed_at is None else f"{row.close_reason} {_clock(row.closed_at)}"
    return [
        _clock(row.opened_at),
        row.agent_id,
        row.camera_id,
        row.zone_id,
        f"{row.scenario} {row.kind}",
        row.class_name or row.class_group,
        row.severity,
        f"{row.dwell_observed_s:.0f} s",
        width,
        state,
    ]


if __name__ == "__main__":
    main()
