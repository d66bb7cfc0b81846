"""The command that lists incidents."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from aggregator.command_parts import clock, config_option, existing_store, json_option, plain, show, told
from aggregator.config import load_config
from aggregator.store.incidents import IncidentQuery, IncidentRow


@click.group("incidents")
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
@told
def incidents_list(
    config_path: Path, open_only: bool, camera: str | None, since: datetime | None, limit: int, as_json: bool
) -> None:
    """List incidents, the last opened first."""
    with existing_store(load_config(config_path)) as store:
        rows = store.incidents(IncidentQuery(open_only, camera, since, limit + 1))
    if len(rows) > limit:
        click.echo(f"only the last {limit} opened: --limit shows more", err=True)
        rows = rows[:limit]
    if as_json:
        for row in rows:
            click.echo(json.dumps({name: plain(getattr(row, name)) for name in IncidentRow.__dataclass_fields__}))
        return
    table = Table("opened (UTC)", "agent", "camera", "zone", "what", "class", "severity", "observed", "width", "state")
    for row in rows:
        table.add_row(*_cells(row))
    show(table, "no incidents" if not (open_only or camera or since) else "no such incidents")


def _cells(row: IncidentRow) -> list[str]:
    width = "" if row.clear_width_m is None else f"{row.clear_width_m:.2f} m"
    state = "open" if row.closed_at is None else f"{row.close_reason} {clock(row.closed_at)}"
    return [
        clock(row.opened_at),
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
