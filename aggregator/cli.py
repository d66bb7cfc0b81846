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
from aggregator.authority import Authority, AuthorityError
from aggregator.authority_command import authority
from aggregator.config import AggregatorConfig, ConfigError, is_agent_id, load_config
from aggregator.logs import set_up_logs
from aggregator.places import load_places
from aggregator.register import Register, RegisterError
from aggregator.server import StartError
from aggregator.service import open_store, serve
from aggregator.store.errors import StoreError
from aggregator.store.incidents import IncidentQuery, IncidentRow
from aggregator.store.migrate import Standing
from aggregator.store.store import Store, utc_now

TOKEN_PREFIX = "clearway1"
LONGEST_INVITATION = timedelta(days=30)

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


main.add_command(authority)


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
        except (StoreError, StartError, AuthorityError, RegisterError) as error:
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
    if config.places is not None:
        load_places(config.places)
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
    """List the agents that have connected or were refused, and with TLS how their certificates stand."""
    names = ("agent_id", "state", "agent_version", "model_version", "config_version", "platform")
    times = ("first_seen_at", "last_seen_at")
    config = load_config(config_path)
    standings = {} if config.insecure else Register(config.identity_folder, utc_now).standings()
    if standings and not _is_there(config):
        rows = []
    else:
        with _existing_store(config) as store:
            rows = store.agents()
    said = [{name: getattr(row, name) for name in (*names, *times)} for row in rows]
    seen = {row.agent_id for row in rows}
    said += [{"agent_id": name, "state": "not seen"} for name in standings if name not in seen]
    for agent in said:
        standing = standings.get(agent["agent_id"])
        agent["certificate"] = None if standing is None else standing.state
        agent["certificate_not_after"] = None if standing is None else standing.not_after
    if as_json:
        for agent in said:
            click.echo(json.dumps({name: _plain(value) for name, value in agent.items()}))
        return
    heads = ("agent", "state", "version", "model", "config", "platform")
    table = Table(*heads, "first seen (UTC)", "last seen (UTC)", "certificate", "until (UTC)")
    for agent in said:
        cells = (agent.get(name) for name in (*names, *times, "certificate", "certificate_not_after"))
        table.add_row(*(_clock(cell) if isinstance(cell, datetime) else cell or "" for cell in cells))
    _show(table)


def _ttl(_context: click.Context, _option: click.Parameter, value: str) -> timedelta:
    units = {"m": "minutes", "h": "hours", "d": "days"}
    try:
        ttl = timedelta(**{units[value[-1:]]: float(value[:-1])})
    except (KeyError, ValueError, OverflowError) as error:
        raise click.BadParameter("write a time such as 30m, 24h or 7d") from error
    if not timedelta() < ttl <= LONGEST_INVITATION:
        raise click.BadParameter(f"must be above 0 and at most {LONGEST_INVITATION.days}d")
    return ttl


def _agent_name(_context: click.Context, _option: click.Parameter, value: str) -> str:
    if not is_agent_id(value):
        raise click.BadParameter(f"{value!r} is not an agent id: letters, digits, '.', '_' and '-', 64 at most")
    return value


name_argument = click.argument("name", callback=_agent_name)


@agents_group.command("invite")
@config_option
@name_argument
@click.option("--ttl", default="24h", show_default=True, callback=_ttl, help="How long it may be used: 30m, 24h, 7d.")
@json_option
@_told
def agents_invite(config_path: Path, name: str, ttl: timedelta, as_json: bool) -> None:
    """Make a one-time token with which the agent NAME gets its certificate.

    Give it to the box by a way that nobody else reads; `clearway-agent enroll` asks for it. It is shown once: only its
    hash is kept. An agent that was revoked may come back with it.
    """
    config = _with_tls(config_path)
    if not config.tls.own_authority:
        raise ConfigError([f"{config_path}: tls.certificate: certificates come from an authority of your own: ask it"])
    if not config.knows(name):
        raise ConfigError([f"{config_path}: agents: {name} is not among them: add it, then invite it"])
    authority = Authority.open(config.identity_folder)
    expires = utc_now() + ttl
    token = f"{TOKEN_PREFIX}.{Register(config.identity_folder, utc_now).invite(name, ttl)}.{authority.fingerprint}"
    said = {"agent_id": name, "token": token, "ca_fingerprint": authority.fingerprint, "expires_at": _plain(expires)}
    if as_json:
        click.echo(json.dumps(said))
        return
    click.echo(f"agent        {name}\ntoken        {token}\nfingerprint  {authority.fingerprint}  (of the authority)")
    click.echo(f"expires      {_clock(expires)} UTC, or once it was used")


@agents_group.command("revoke")
@config_option
@name_argument
@click.option("--undo", is_flag=True, help="Let the name in again; certificates that were revoked stay so.")
@_told
def agents_revoke(config_path: Path, name: str, undo: bool) -> None:
    """Shut the agent NAME out: its certificates no longer count, and a stream that is open ends within seconds."""
    register = Register(_with_tls(config_path).identity_folder, utc_now)
    if undo:
        click.echo(f"{name}: " + ("may come in again" if register.readmit(name) else "was not shut out"))
    else:
        known = register.revoke(name)
        click.echo(f"{name}: shut out" + ("" if known else ", though it was never heard of: is it spelt right?"))


@agents_group.command("retire")
@config_option
@name_argument
@_told
def agents_retire(config_path: Path, name: str) -> None:
    """End the series of the agent NAME, which is gone for good: it would be silent for ever.

    What it sent stays. It may come back, and then its series go on; to shut it out, revoke it.
    """
    with _existing_store(load_config(config_path)) as store:
        known = store.retire(name)
    if not known:
        raise StoreError(f"{name}: no such agent has connected, or it was retired before: see agents list")
    click.echo(f"{name}: retired")


@main.group("places")
def places_group() -> None:
    """Where cameras stand."""


@places_group.command("check")
@click.argument("file", type=click.Path(path_type=Path))
@_told
def places_check(file: Path) -> None:
    """Say everything that is wrong with a places FILE, with line and field. Touches nothing."""
    places = load_places(file)
    without = sum(place.latitude is None for place in places.cameras.values())
    placed = f"{len(places.cameras)} cameras in {len({place.key for place in places.cameras.values()})} streets"
    click.echo(f"{file}: good: {placed} of {len(places.streets)}, {without} without coordinates")


def _with_tls(config_path: Path) -> AggregatorConfig:
    config = load_config(config_path)
    if config.insecure:
        raise ConfigError([f"{config_path}: insecure: agents have certificates only with TLS: take insecure: true out"])
    return config


@contextmanager
def _existing_store(config: AggregatorConfig) -> Iterator[Store]:
    if not _is_there(config):
        raise StoreError(f"{config.store}: there is no store yet: run 'clearway-aggregator serve' first")
    with open_store(config, migrate=False) as store:
        yield store


def _is_there(config: AggregatorConfig) -> bool:
    return config.store.get_backend_name() != "sqlite" or Path(config.store.database or "").is_file()


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
